//! A small convolutional network for digits and other small images: three convolutions with norms.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{Conv2dConfig, Nonlinearity, max_pool};

use crate::architecture::{Architecture, Initial};
use crate::unit::ConvNorm;

const WIDTHS: [usize; 3] = [32, 64, 128];
/// Two poolings halve it to 1.
const SMALLEST: usize = 4;

/// The network without its last linear layer; its stages are `block1` to `block3`.
///
/// In PyTorch it is `features`, a `Sequential` of `Conv2d(3, 32, 5, padding=2, bias=False)`,
/// `BatchNorm2d`, `ReLU`, `MaxPool2d(2)`, the same with `Conv2d(32, 64, 3, padding=1, bias=False)`, and
/// `Conv2d(64, 128, 3, padding=1, bias=False)`, `BatchNorm2d`, `ReLU`; the mean over height and width; and
/// `fc`. About 95,000 parameters; 8 million multiplications for an image of 28 pixels.
#[derive(Module, Debug)]
pub struct SmallConv {
    pub blocks: Vec<ConvNorm>,
}

impl SmallConv {
    /// A network with all weights 0.
    pub fn new(device: &Device) -> Self {
        let [first, second, third] = WIDTHS;
        let blocks = vec![
            ConvNorm::new(Conv2dConfig::new([3, first], 5).padding(2), device),
            ConvNorm::new(Conv2dConfig::new([first, second], 3).padding(1), device),
            ConvNorm::new(Conv2dConfig::new([second, third], 3).padding(1), device),
        ];
        Self { blocks }
    }
}

impl Backbone for SmallConv {
    fn stages(&self) -> Vec<Stage> {
        (0..WIDTHS.len())
            .map(|block| Stage::new(&format!("block{}", block + 1), &[&format!("blocks.{block}")]))
            .collect()
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, WIDTHS.len())?;
        for stage in range {
            let map = input.into_image(self.name())?;
            if stage == 0 {
                check_images(&map, 3, SMALLEST, self.name())?;
            }
            let map = self.blocks[stage].forward(map.into_channels_first(), Nonlinearity::Relu);
            let last = stage + 1 == WIDTHS.len();
            input = Activation::image(if last { map } else { max_pool(map, 2, 2, 0) });
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        WIDTHS[2]
    }

    fn head_input_width(&self) -> usize {
        WIDTHS[2]
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        ExpectedInput { channels: 3, size: 28, smallest: SMALLEST, mean, std }
    }
}

impl Architecture for SmallConv {
    fn name(&self) -> &'static str {
        "small_conv"
    }

    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["blocks", block, field, value] => {
                let index = 4 * block.parse::<usize>().unwrap_or(0);
                format!("features.{}.{value}", index + usize::from(*field == "norm"))
            }
            _ => path.to_string(),
        }
    }

    fn head_name(&self) -> &'static str {
        "fc"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_out(shape),
            None => Initial::linear_default(WIDTHS[2]),
        }
    }
}
