//! MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381), with torchvision's names and numerics.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{Conv2d, Conv2dConfig, Nonlinearity, share};

use crate::architecture::{Architecture, Initial};
use crate::unit::{ConvNorm, features, in_unit};

/// Table 2 of the paper: expansion, channels, blocks, stride of the first block.
const BLOCKS: [(usize, usize, usize, usize); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];
const STEM: usize = 32;
const LAST: usize = 1280;

/// Widen with a 1×1 convolution, filter each channel, narrow with a 1×1 convolution.
#[derive(Module, Debug)]
pub struct InvertedResidual {
    pub expand: Option<ConvNorm>,
    pub depthwise: ConvNorm,
    pub project: ConvNorm,
    #[module(skip)]
    residual: bool,
}

impl InvertedResidual {
    fn new(input: usize, output: usize, expansion: usize, stride: usize, device: &Device) -> Self {
        let hidden = input * expansion;
        let depthwise =
            Conv2dConfig::new([hidden, hidden], 3).stride(stride).padding(1).groups(hidden);
        Self {
            expand: (expansion > 1)
                .then(|| ConvNorm::new(Conv2dConfig::new([input, hidden], 1), device)),
            depthwise: ConvNorm::new(depthwise, device),
            project: ConvNorm::new(Conv2dConfig::new([hidden, output], 1), device),
            residual: stride == 1 && input == output,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let input = share(input);
        let residual = self.residual.then(|| input.clone());
        let widened = match &self.expand {
            Some(expand) => expand.forward(input, Nonlinearity::Relu6),
            None => input.into_map(),
        };
        let filtered = self.depthwise.forward(widened, Nonlinearity::Relu6);
        self.project.forward_residual(filtered, residual, Nonlinearity::None)
    }
}

/// The network without its classifier; its stages are `features.0` to `features.18`.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    pub stem: ConvNorm,
    pub blocks: Vec<InvertedResidual>,
    pub last: ConvNorm,
}

impl MobileNetV2 {
    /// The network at width 1, all convolutions 0.
    pub fn new(device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut input = STEM;
        for (expansion, output, count, stride) in BLOCKS {
            for block in 0..count {
                let stride = if block == 0 { stride } else { 1 };
                blocks.push(InvertedResidual::new(input, output, expansion, stride, device));
                input = output;
            }
        }
        Self {
            stem: ConvNorm::new(Conv2dConfig::new([3, STEM], 3).stride(2).padding(1), device),
            blocks,
            last: ConvNorm::new(Conv2dConfig::new([input, LAST], 1), device),
        }
    }
}

impl Backbone for MobileNetV2 {
    fn stages(&self) -> Vec<Stage> {
        features("blocks", self.blocks.len())
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        let last = self.blocks.len() + 1;
        check_range(&range, last + 1)?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image("mobilenet_v2")?;
        if range.start == 0 {
            check_images(&map, self.stem.conv.inputs(), 1, "mobilenet_v2")?;
        }
        let mut map = map.into_channels_first();
        for stage in range {
            map = match stage {
                0 => self.stem.forward(map, Nonlinearity::Relu6),
                stage if stage == last => self.last.forward(map, Nonlinearity::Relu6),
                stage => self.blocks[stage - 1].forward(map),
            };
        }
        Ok(Activation::image(map))
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
        ExpectedInput::imagenet(32).of_channels(self.stem.conv.inputs())
    }
}

impl Architecture for MobileNetV2 {
    fn name(&self) -> &'static str {
        "mobilenet_v2"
    }

    /// torchvision nests sequences: `features.N.conv.K`, where `K` counts the 1×1, the 3×3 with their
    /// norms and nonlinearities as one each, then the last convolution and its norm singly.
    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["stem", field, value] => format!("features.0.{}.{value}", in_unit(field)),
            ["last", field, value] => {
                format!("features.{}.{}.{value}", self.blocks.len() + 1, in_unit(field))
            }
            ["blocks", block, unit, field, value] => {
                let index: usize = block.parse().unwrap_or(0);
                let expanded = self.blocks.get(index).is_some_and(|block| block.expand.is_some());
                let depthwise = usize::from(expanded);
                let place = match *unit {
                    "expand" => format!("0.{}", in_unit(field)),
                    "depthwise" => format!("{depthwise}.{}", in_unit(field)),
                    _ if *field == "conv" => format!("{}", depthwise + 1),
                    _ => format!("{}", depthwise + 2),
                };
                format!("features.{}.conv.{place}.{value}", index + 1)
            }
            _ => path.to_string(),
        }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.stem.conv)
    }

    fn head_name(&self) -> &'static str {
        "classifier.1"
    }

    fn head_dropout(&self) -> f64 {
        0.2
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_out(shape),
            None => Initial::Normal(0.01),
        }
    }
}
