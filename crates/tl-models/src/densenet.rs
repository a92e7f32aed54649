//! DenseNet-121 (Huang et al. 2017, arXiv 1608.06993) with torchvision's names and numerics.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{
    BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, average_pool, concatenate, conv, conv_norm,
    max_pool,
};

use crate::architecture::{Architecture, Initial};
use crate::unit::ConvNorm;

/// Layers of each dense block.
const BLOCKS: [usize; 4] = [6, 12, 24, 16];
/// Channels that each layer adds.
const GROWTH: usize = 32;
/// Channels between the two convolutions of a layer.
const BOTTLENECK: usize = 4 * GROWTH;
const STEM: usize = 64;
const LAST: usize = 1024;
/// The stem quarters it, three poolings halve it to 1.
const SMALLEST: usize = 29;

/// Norm, ReLU and a 1×1 convolution, norm, ReLU and a 3×3 convolution, whose outputs stand behind the input.
#[derive(Module, Debug)]
pub struct DenseLayer {
    pub norm1: BatchNorm2d,
    pub conv1: Conv2d,
    pub norm2: BatchNorm2d,
    pub conv2: Conv2d,
}

impl DenseLayer {
    fn new(input: usize, device: &Device) -> Self {
        Self {
            norm1: BatchNorm2d::new(input, device),
            conv1: Conv2dConfig::new([input, BOTTLENECK], 1).init(device),
            norm2: BatchNorm2d::new(BOTTLENECK, device),
            conv2: Conv2dConfig::new([BOTTLENECK, GROWTH], 3).padding(1).init(device),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let relu = Nonlinearity::Relu;
        let normed = self.norm1.forward(input.clone(), relu);
        let inner = conv_norm(&self.conv1, &self.norm2, normed, None, relu);
        concatenate(vec![input, conv(&self.conv2, inner, Nonlinearity::None)])
    }
}

/// Norm, ReLU, a 1×1 convolution to half the channels, and a pooling to half the size.
#[derive(Module, Debug)]
pub struct Transition {
    pub norm: BatchNorm2d,
    pub conv: Conv2d,
}

impl Transition {
    fn new(input: usize, device: &Device) -> Self {
        Self {
            norm: BatchNorm2d::new(input, device),
            conv: Conv2dConfig::new([input, input / 2], 1).init(device),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let normed = self.norm.forward(input, Nonlinearity::Relu);
        average_pool(conv(&self.conv, normed, Nonlinearity::None), 2, 2, 0)
    }
}

/// The network without its classifier; its stages are `stem`, `denseblock1` and `transition1` to `denseblock4`, and `norm5`.
#[derive(Module, Debug)]
pub struct DenseNet {
    pub stem: ConvNorm,
    pub blocks: Vec<Vec<DenseLayer>>,
    pub transitions: Vec<Transition>,
    pub norm5: BatchNorm2d,
}

impl DenseNet {
    /// The network with all convolutions 0.
    pub fn new(device: &Device) -> Self {
        let (mut blocks, mut transitions) = (Vec::new(), Vec::new());
        let mut width = STEM;
        for (block, layers) in BLOCKS.into_iter().enumerate() {
            let from = width;
            let layer = |layer: usize| DenseLayer::new(from + layer * GROWTH, device);
            blocks.push((0..layers).map(layer).collect());
            width += layers * GROWTH;
            if block + 1 < BLOCKS.len() {
                transitions.push(Transition::new(width, device));
                width /= 2;
            }
        }
        Self {
            stem: ConvNorm::new(Conv2dConfig::new([3, STEM], 7).stride(2).padding(3), device),
            blocks,
            transitions,
            norm5: BatchNorm2d::new(width, device),
        }
    }

    /// The number of stages: stem, blocks, what stands between them, the last norm.
    fn count(&self) -> usize {
        2 + self.blocks.len() + self.transitions.len()
    }
}

impl Backbone for DenseNet {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("stem", &["stem"])];
        for block in 0..self.blocks.len() {
            let number = block + 1;
            stages.push(Stage::new(&format!("denseblock{number}"), &[&format!("blocks.{block}")]));
            if block < self.transitions.len() {
                let prefix = format!("transitions.{block}");
                stages.push(Stage::new(&format!("transition{number}"), &[&prefix]));
            }
        }
        stages.push(Stage::new("norm5", &["norm5"]));
        stages
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        let count = self.count();
        check_range(&range, count)?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image(self.name())?;
        if range.start == 0 {
            check_images(&map, self.stem.conv.inputs(), SMALLEST, self.name())?;
        }
        let mut map = map.into_channels_first();
        for stage in range {
            map = match stage {
                0 => max_pool(self.stem.forward(map, Nonlinearity::Relu), 3, 2, 1),
                last if last + 1 == count => self.norm5.forward(map, Nonlinearity::Relu),
                odd if odd % 2 == 1 => {
                    self.blocks[odd / 2].iter().fold(map, |map, layer| layer.forward(map))
                }
                even => self.transitions[even / 2 - 1].forward(map),
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
        ExpectedInput::imagenet(SMALLEST).of_channels(self.stem.conv.inputs())
    }
}

impl Architecture for DenseNet {
    fn name(&self) -> &'static str {
        "densenet121"
    }

    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let next = |number: &str| number.parse::<usize>().unwrap_or(0) + 1;
        match parts.as_slice() {
            ["stem", field, value] => format!("features.{field}0.{value}"),
            ["blocks", block, layer, rest @ ..] => {
                let (block, layer, rest) = (next(block), next(layer), rest.join("."));
                format!("features.denseblock{block}.denselayer{layer}.{rest}")
            }
            ["transitions", block, rest @ ..] => {
                format!("features.transition{}.{}", next(block), rest.join("."))
            }
            ["norm5", ..] => format!("features.{path}"),
            _ => path.to_string(),
        }
    }

    /// Files of torchvision's first years say `denselayer1.norm.1.weight` for `denselayer1.norm1.weight`; those that
    /// torchvision offers still do.
    fn present_name(&self, name: &str) -> String {
        let Some((before, rest)) = name.split_once(".denselayer") else {
            return name.to_string();
        };
        let parts: Vec<&str> = rest.split('.').collect();
        match parts.as_slice() {
            [layer, field @ ("norm" | "conv" | "relu"), number @ ("1" | "2"), value] => {
                format!("{before}.denselayer{layer}.{field}{number}.{value}")
            }
            _ => name.to_string(),
        }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.stem.conv)
    }

    fn head_name(&self) -> &'static str {
        "classifier"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_in(shape),
            None => Initial::linear_default(LAST),
        }
    }
}
