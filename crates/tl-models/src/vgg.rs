//! VGG (Simonyan and Zisserman 2015, arXiv 1409.1556), with and without batch normalisation, with
//! torchvision's names and numerics.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{
    BatchNorm2d, Conv2d, Conv2dConfig, Dropout, Linear, Nonlinearity, adaptive_average_pool, conv,
    conv_norm, max_pool,
};

use crate::architecture::{Architecture, Initial};

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 512];
/// Height and width that the fully connected stages are fed with.
const POOLED: usize = 7;
const HIDDEN: usize = 4096;
/// Five poolings halve it to 1.
const SMALLEST: usize = 32;

/// The depths that torchvision has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VggDepth {
    D11,
    D13,
    D16,
    D19,
}

impl VggDepth {
    fn convolutions(self) -> [usize; 5] {
        match self {
            Self::D11 => [1, 1, 2, 2, 2],
            Self::D13 => [2, 2, 2, 2, 2],
            Self::D16 => [2, 2, 3, 3, 3],
            Self::D19 => [2, 2, 4, 4, 4],
        }
    }
}

/// A 3×3 convolution, with or without a norm, and ReLU.
#[derive(Module, Debug)]
pub struct VggLayer {
    pub conv: Conv2d,
    pub norm: Option<BatchNorm2d>,
}

impl VggLayer {
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        match &self.norm {
            Some(norm) => conv_norm(&self.conv, norm, input, None, Nonlinearity::Relu),
            None => conv(&self.conv, input, Nonlinearity::Relu),
        }
    }
}

/// The network without its last linear layer; its stages are `block1` to `block5` (each ends with a
/// pooling), `classifier.0` and `classifier.3`.
#[derive(Module, Debug)]
pub struct Vgg {
    pub blocks: Vec<Vec<VggLayer>>,
    pub hidden: Vec<Linear>,
    /// The dropout between the two hidden layers; the one after them belongs to the head.
    pub dropout: Dropout,
    #[module(skip)]
    depth: VggDepth,
    #[module(skip)]
    normalised: bool,
}

impl Vgg {
    /// A network of `depth` layers, with norms if `normalised`, all weights 0.
    pub fn new(depth: VggDepth, normalised: bool, device: &Device) -> Self {
        let mut input = 3;
        let blocks = depth
            .convolutions()
            .iter()
            .zip(WIDTHS)
            .map(|(count, width)| {
                (0..*count)
                    .map(|_| {
                        let config = Conv2dConfig::new([input, width], 3).padding(1).bias(true);
                        input = width;
                        VggLayer {
                            conv: config.init(device),
                            norm: normalised.then(|| BatchNorm2d::new(width, device)),
                        }
                    })
                    .collect()
            })
            .collect();
        Self {
            blocks,
            hidden: vec![
                Linear::new(WIDTHS[4] * POOLED * POOLED, HIDDEN, device),
                Linear::new(HIDDEN, HIDDEN, device),
            ],
            dropout: Dropout::new("classifier.2", 0.5),
            depth,
            normalised,
        }
    }

    /// Our name for what Keras calls `block1_conv2/kernel`, alone, behind the names of wrappers, or as an exporter to ONNX writes
    /// it (`functional_1/block1_conv2_1/convolution/ReadVariableOp:0`); nothing for any other name.
    fn of_keras(&self, name: &str) -> Option<String> {
        let begin = name.find("block")?;
        let (layer, value) = name.get(begin..)?.split_once('/')?;
        let (block, conv) = layer.strip_prefix("block")?.split_once("_conv")?;
        // A layer that was built again has a number behind its name.
        let conv = conv.split_once('_').map_or(conv, |(conv, _)| conv);
        let (block, conv): (usize, usize) = (block.parse().ok()?, conv.parse().ok()?);
        let (block, conv) = (block.checked_sub(1)?, conv.checked_sub(1)?);
        if conv >= *self.depth.convolutions().get(block)? {
            return None;
        }
        let value = match value.strip_suffix(":0").unwrap_or(value) {
            "kernel" | "convolution/ReadVariableOp" | "Conv2D/ReadVariableOp" => "weight",
            "bias" | "Squeeze" | "BiasAdd/ReadVariableOp" => "bias",
            _ => return None,
        };
        Some(format!("features.{}.{value}", self.origin_index(block, conv)))
    }

    /// The place of a convolution in torchvision's flat `features`: each convolution, norm, ReLU and
    /// pooling before it counts one.
    fn origin_index(&self, block: usize, layer: usize) -> usize {
        let per_layer = if self.normalised { 3 } else { 2 };
        let before: usize = self.depth.convolutions()[..block].iter().sum();
        (before + layer) * per_layer + block
    }
}

impl Backbone for Vgg {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = Vec::new();
        for block in 0..self.blocks.len() {
            stages.push(Stage::new(&format!("block{}", block + 1), &[&format!("blocks.{block}")]));
        }
        stages.push(Stage::new("classifier.0", &["hidden.0", "dropout"]));
        stages.push(Stage::new("classifier.3", &["hidden.1"]));
        stages
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        let blocks = self.blocks.len();
        check_range(&range, blocks + 2)?;
        for stage in range {
            input = if let Some(layers) = self.blocks.get(stage) {
                let map = input.into_image(self.name())?;
                if stage == 0 {
                    check_images(&map, self.blocks[0][0].conv.inputs(), SMALLEST, self.name())?;
                }
                let map = map.into_channels_first();
                let map = layers.iter().fold(map, |map, layer| layer.forward(map));
                Activation::image(max_pool(map, 2, 2, 0))
            } else if stage == blocks {
                let map = input.into_image("classifier.0")?.into_channels_first();
                let flat: Tensor<2> = adaptive_average_pool(map, POOLED).flatten(1, 3);
                let hidden = burn::tensor::activation::relu(self.hidden[0].forward(flat));
                Activation::Vector(self.dropout.forward(hidden, pass))
            } else {
                let hidden = self.hidden[1].forward(input.into_vector("classifier.3")?);
                Activation::Vector(burn::tensor::activation::relu(hidden))
            };
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        WIDTHS[4]
    }

    fn embedding_stages(&self) -> usize {
        self.blocks.len()
    }

    fn head_input_width(&self) -> usize {
        HIDDEN
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        ExpectedInput::imagenet(SMALLEST).of_channels(self.blocks[0][0].conv.inputs())
    }
}

impl Architecture for Vgg {
    fn name(&self) -> &'static str {
        match (self.depth, self.normalised) {
            (VggDepth::D11, false) => "vgg11",
            (VggDepth::D13, false) => "vgg13",
            (VggDepth::D16, false) => "vgg16",
            (VggDepth::D19, false) => "vgg19",
            (VggDepth::D11, true) => "vgg11_bn",
            (VggDepth::D13, true) => "vgg13_bn",
            (VggDepth::D16, true) => "vgg16_bn",
            (VggDepth::D19, true) => "vgg19_bn",
        }
    }

    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match parts.as_slice() {
            ["blocks", block, layer, field, value] => {
                let index = self.origin_index(number(block), number(layer));
                format!("features.{}.{value}", index + usize::from(*field == "norm"))
            }
            ["hidden", index, value] => format!("classifier.{}.{value}", number(index) * 3),
            _ => path.to_string(),
        }
    }

    /// Keras's names are told from torchvision's, and mean its layers.
    fn present_name(&self, name: &str) -> String {
        self.of_keras(name).unwrap_or_else(|| name.to_string())
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.blocks[0][0].conv)
    }

    fn head_name(&self) -> &'static str {
        "classifier.6"
    }

    fn head_dropout(&self) -> f64 {
        0.5
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_out(shape),
            None => Initial::Normal(0.01),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_keras_are_found_by_their_names() {
        let network = Vgg::new(VggDepth::D16, false, &Device::flex());
        for (name, expected) in [
            ("block1_conv1/kernel", "features.0.weight"),
            ("vgg16/block1_conv2/bias:0", "features.2.bias"),
            ("functional_1/block5_conv3_1/convolution/ReadVariableOp:0", "features.28.weight"),
            ("functional_1/block2_conv1_1/Squeeze:0", "features.5.bias"),
            // torchvision's own, and what VGG16 does not have.
            ("features.0.weight", "features.0.weight"),
            ("block1_conv3/kernel", "block1_conv3/kernel"),
            ("block6_conv1/kernel", "block6_conv1/kernel"),
            ("block1_conv1/gamma", "block1_conv1/gamma"),
        ] {
            assert_eq!(network.present_name(name), expected);
        }
    }
}
