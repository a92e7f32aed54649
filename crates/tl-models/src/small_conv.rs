//! A small convolutional network for digits and other small images: two convolutions with norms and
//! a hidden layer.

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::activation::relu;
use tl_core::backbone::{check_images, check_range};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedImages, ExpectedInput, FrozenPrefix, Pass, Stage,
};
use tl_kernels::{Conv2d, Conv2dConfig, Linear, Nonlinearity, adaptive_average_pool, max_pool};

use crate::architecture::{Architecture, Initial};
use crate::unit::ConvNorm;

const WIDTHS: [usize; 2] = [32, 64];
/// Height and width that the hidden layer is fed with: a quarter of 28 pixels.
const POOLED: usize = 7;
const HIDDEN: usize = 128;
/// Two poolings halve it to 1.
const SMALLEST: usize = 4;

/// The network without its last linear layer; its stages are `block1`, `block2` and `hidden`.
///
/// In PyTorch it is `features`, a `Sequential` of `Conv2d(3, 32, 5, padding=2, bias=False)`,
/// `BatchNorm2d`, `ReLU`, `MaxPool2d(2)` and the same from 32 to 64 channels;
/// `AdaptiveAvgPool2d(7)`, which leaves images of 28 pixels as they are; and `classifier`, a
/// `Sequential` of `Linear(3136, 128)`, `ReLU`, `Linear(128, classes)`. 456,000 parameters; 12
/// million multiplications for an image of 28 pixels.
#[derive(Module, Debug)]
pub struct SmallConv {
    pub blocks: Vec<ConvNorm>,
    pub hidden: Linear,
}

impl SmallConv {
    /// A network with all weights 0.
    pub fn new(device: &Device) -> Self {
        let [first, second] = WIDTHS;
        let block = |channels| ConvNorm::new(Conv2dConfig::new(channels, 5).padding(2), device);
        Self {
            blocks: vec![block([3, first]), block([first, second])],
            hidden: Linear::new(second * POOLED * POOLED, HIDDEN, device),
        }
    }
}

impl Backbone for SmallConv {
    fn stages(&self) -> Vec<Stage> {
        vec![
            Stage::new("block1", &["blocks.0"]),
            Stage::new("block2", &["blocks.1"]),
            Stage::new("hidden", &["hidden"]),
        ]
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, self.blocks.len() + 1)?;
        for stage in range {
            let map = input.into_image(self.name())?;
            if stage == 0 {
                check_images(&map, self.blocks[0].conv.inputs(), SMALLEST, self.name())?;
            }
            let map = map.into_channels_first();
            input = match self.blocks.get(stage) {
                Some(block) => {
                    let map = block.forward(map, Nonlinearity::Relu);
                    Activation::image(max_pool(map, 2, 2, 0))
                }
                None => {
                    let flat: Tensor<2> = adaptive_average_pool(map, POOLED).flatten(1, 3);
                    Activation::Vector(relu(self.hidden.forward(flat)))
                }
            };
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        HIDDEN
    }

    fn head_input_width(&self) -> usize {
        HIDDEN
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let (channels, size, smallest) = (self.blocks[0].conv.inputs(), 28, SMALLEST);
        ExpectedInput::Images(ExpectedImages { channels, size, smallest, mean, std })
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
            ["hidden", value] => format!("classifier.0.{value}"),
            _ => path.to_string(),
        }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.blocks[0].conv)
    }

    fn head_name(&self) -> &'static str {
        "classifier.2"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_out(shape),
            None if path == "hidden.weight" => Initial::linear_default(shape[1]),
            None => Initial::linear_default(HIDDEN),
        }
    }
}
