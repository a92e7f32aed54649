//! Inception-v3 (Szegedy et al. 2016, arXiv 1512.00567) with torchvision's names and numerics.
//!
//! The [`Auxiliary`] classifier behind `Mixed_6e` is trained beside the last one where that stage is trained and the images leave a
//! place for it, which those of 299 pixels do; it belongs to that stage, and answers nothing afterwards. A file without
//! `AuxLogits` is read too. Images are expected
//! between −1 and 1, which is what torchvision's `transform_input=True` makes of images normalised as ImageNet's.

mod auxiliary;
mod mixed;

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedImages, ExpectedInput, FrozenPrefix, Pass, Stage,
};
use tl_kernels::{Conv2d, Conv2dConfig, Nonlinearity, max_pool};

use crate::architecture::{Architecture, Evaluation, Initial};
use crate::unit::ConvNorm;
pub use auxiliary::Auxiliary;
pub use mixed::{Branch, Mixed};

/// The convolutions before the first branches.
const STEM: [&str; 5] =
    ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"];
const MIXED: [&str; 11] = [
    "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e",
    "Mixed_7a", "Mixed_7b", "Mixed_7c",
];
/// The convolutions behind which a pooling stands.
const POOLED: [usize; 2] = [2, 4];
/// The stage behind which the auxiliary classifier stands.
const HALFWAY: usize = STEM.len() + 7;
/// As torchvision's network has without being told otherwise.
const CLASSES: usize = 1000;
const LAST: usize = 2048;
/// Five halvings without padding leave a pixel.
const SMALLEST: usize = 75;

/// The network without its last classifier; its stages bear torchvision's names, `Conv2d_1a_3x3` to `Mixed_7c`. A pooling
/// belongs to the convolution before it.
#[derive(Module, Debug)]
pub struct InceptionV3 {
    pub stem: Vec<ConvNorm>,
    pub mixed: Vec<Mixed>,
    pub auxiliary: Auxiliary,
}

impl InceptionV3 {
    /// The network with all convolutions 0.
    pub fn new(device: &Device) -> Self {
        let stem = [
            Conv2dConfig::new([3, 32], 3).stride(2),
            Conv2dConfig::new([32, 32], 3),
            Conv2dConfig::new([32, 64], 3).padding(1),
            Conv2dConfig::new([64, 80], 1),
            Conv2dConfig::new([80, 192], 3),
        ];
        Self {
            stem: stem.into_iter().map(|config| mixed::unit(config, device)).collect(),
            mixed: vec![
                Mixed::a(192, 32, device),
                Mixed::a(256, 64, device),
                Mixed::a(288, 64, device),
                Mixed::b(288, device),
                Mixed::c(768, 128, device),
                Mixed::c(768, 160, device),
                Mixed::c(768, 160, device),
                Mixed::c(768, 192, device),
                Mixed::d(768, device),
                Mixed::e(1280, device),
                Mixed::e(2048, device),
            ],
            auxiliary: Auxiliary::new(CLASSES, device),
        }
    }

    /// The map behind a stage, given the one in front of it.
    fn stage(&self, stage: usize, map: Tensor<4>) -> Tensor<4> {
        let map = match self.stem.get(stage) {
            Some(unit) => unit.forward(map, Nonlinearity::Relu),
            None => self.mixed[stage - STEM.len()].forward(map),
        };
        if POOLED.contains(&stage) { max_pool(map, 3, 2, 0) } else { map }
    }
}

impl Backbone for InceptionV3 {
    fn stages(&self) -> Vec<Stage> {
        let stem = STEM.iter().enumerate();
        let stem = stem.map(|(at, name)| Stage::new(name, &[&format!("stem.{at}")]));
        let mixed = MIXED.iter().enumerate();
        let mixed = mixed.map(|(at, name)| match STEM.len() + at {
            HALFWAY => Stage::new(name, &[&format!("mixed.{at}"), "auxiliary"]),
            _ => Stage::new(name, &[&format!("mixed.{at}")]),
        });
        stem.chain(mixed).collect()
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, STEM.len() + MIXED.len())?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image(self.name())?;
        if range.start == 0 {
            check_images(&map, self.stem[0].conv.inputs(), SMALLEST, self.name())?;
        }
        let map = map.into_channels_first();
        Ok(Activation::image(range.fold(map, |map, stage| self.stage(stage, map))))
    }

    fn forward_training(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<(Activation, Option<Tensor<2>>), CoreError> {
        // One that stands still, as beside adapters, would teach what it happened to begin with.
        if !(range.contains(&HALFWAY) && self.auxiliary.linear.weight.is_require_grad()) {
            return Ok((self.forward_stages(input, range, pass)?, None));
        }
        let halfway = self.forward_stages(input, range.start..HALFWAY + 1, pass)?;
        let map = halfway.into_image(self.name())?.into_channels_first();
        let answered = self.auxiliary.forward(&map);
        let last = self.forward_stages(Activation::image(map), HALFWAY + 1..range.end, pass)?;
        Ok((last, answered))
    }

    fn embedding_width(&self) -> usize {
        LAST
    }

    fn head_input_width(&self) -> usize {
        LAST
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let (channels, size, smallest) = (self.stem[0].conv.inputs(), 299, SMALLEST);
        ExpectedInput::Images(ExpectedImages { channels, size, smallest, mean, std })
    }
}

impl Architecture for InceptionV3 {
    fn name(&self) -> &'static str {
        "inception_v3"
    }

    fn evaluation(&self) -> Evaluation {
        Evaluation::resized_to(342)
    }

    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        let of = |field: &str| if field == "conv" { "conv" } else { "bn" };
        let named = match parts.as_slice() {
            ["stem", at, field, value] => {
                STEM.get(number(at)).map(|name| format!("{name}.{}.{value}", of(field)))
            }
            ["mixed", at, "branches", branch, "units", unit, field, value] => {
                let at = number(at);
                let name = self.mixed.get(at).and_then(|it| it.name(number(branch), number(unit)));
                name.zip(MIXED.get(at))
                    .map(|(name, block)| format!("{block}.{name}.{}.{value}", of(field)))
            }
            ["auxiliary", "linear", value] => Some(format!("AuxLogits.fc.{value}")),
            ["auxiliary", unit, field, value] => {
                Some(format!("AuxLogits.{unit}.{}.{value}", of(field)))
            }
            _ => None,
        };
        named.unwrap_or_else(|| path.to_string())
    }

    fn may_lack(&self, path: &str) -> bool {
        path.starts_with("auxiliary.")
    }

    fn answers(&self, path: &str) -> bool {
        path.starts_with("auxiliary.linear.")
    }

    fn for_classes(self, classes: usize, device: &Device) -> Self {
        Self { auxiliary: Auxiliary::new(classes, device), ..self }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.stem[0].conv)
    }

    fn head_name(&self) -> &'static str {
        "fc"
    }

    fn head_dropout(&self) -> f64 {
        0.5
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match path {
            "head.linear.bias" => return Initial::linear_default(LAST),
            "auxiliary.linear.bias" => return Initial::linear_default(Auxiliary::WIDTH),
            _ => {}
        }
        // torchvision's cut at ±2 is 20 deviations away or more.
        let deviation = match path {
            "auxiliary.conv1.conv.weight" => 0.01,
            "auxiliary.linear.weight" => 0.001,
            _ => 0.1,
        };
        Initial::of_norm(path, shape).unwrap_or(Initial::Normal(deviation))
    }
}
