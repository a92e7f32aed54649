//! ConvNeXt (Liu et al. 2022, arXiv 2201.03545), tiny and small, with torchvision's names and numerics.

use std::ops::Range;

use burn::module::Param;
use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{
    Conv2d, Conv2dConfig, Gelu, LayerNorm, Linear, Nonlinearity, StochasticDepth, channels_last,
    conv, gelu,
};

use crate::architecture::{Architecture, Evaluation, Initial};

const WIDTHS: [usize; 4] = [96, 192, 384, 768];
const EPSILON: f64 = 1e-6;
/// What a branch is scaled by at first.
const LAYER_SCALE: f64 = 1e-6;
/// The stem quarters it, three strides halve it to 1.
const SMALLEST: usize = 32;

/// The sizes that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvNeXtSize {
    Tiny,
    Small,
}

impl ConvNeXtSize {
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::Tiny => [3, 3, 9, 3],
            Self::Small => [3, 3, 27, 3],
        }
    }

    /// The probability of the last block's branch to be left out; it grows evenly from 0.
    fn depth_dropout(self) -> f64 {
        match self {
            Self::Tiny => 0.1,
            Self::Small => 0.4,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tiny => "convnext_tiny",
            Self::Small => "convnext_small",
        }
    }
}

/// A 7×7 convolution of each channel, a norm, and two linear layers over the channels of each place; scaled and added to
/// the input.
#[derive(Module, Debug)]
pub struct CnBlock {
    pub depthwise: Conv2d,
    pub norm: LayerNorm,
    pub fc1: Linear,
    pub fc2: Linear,
    /// `[width, 1, 1]`
    pub layer_scale: Param<Tensor<3>>,
    pub stochastic_depth: StochasticDepth,
}

impl CnBlock {
    fn new(width: usize, depth: StochasticDepth, device: &Device) -> Self {
        let depthwise = Conv2dConfig::same_size([width; 2], [7; 2]).groups(width).bias(true);
        Self {
            depthwise: depthwise.init(device),
            norm: LayerNorm::new(width, EPSILON, device),
            fc1: Linear::new(width, 4 * width, device),
            fc2: Linear::new(4 * width, width, device),
            layer_scale: Param::from_tensor(Tensor::ones([width, 1, 1], device)),
            stochastic_depth: depth,
        }
    }

    fn forward(&self, input: Tensor<4>, pass: Pass) -> Tensor<4> {
        let filtered = conv(&self.depthwise, input.clone(), Nonlinearity::None);
        let [_, width, ..] = input.dims();
        let branch = channels_last(filtered, |map| {
            let inner = gelu(self.fc1.forward(self.norm.forward(map)), Gelu::Exact);
            self.fc2.forward(inner) * self.layer_scale.val().reshape([1, 1, 1, width])
        });
        self.stochastic_depth.forward(branch, pass) + input
    }
}

/// A norm and a 2×2 convolution that halves the map.
#[derive(Module, Debug)]
pub struct Downsample {
    pub norm: LayerNorm,
    pub conv: Conv2d,
}

/// The network without its last linear layer; its stages are `features.0` to `features.7` and `classifier.0`, the norm
/// over the pooled features.
#[derive(Module, Debug)]
pub struct ConvNeXt {
    pub stem: Conv2d,
    pub stem_norm: LayerNorm,
    pub layers: Vec<Vec<CnBlock>>,
    pub downsamples: Vec<Downsample>,
    pub norm: LayerNorm,
    #[module(skip)]
    size: ConvNeXtSize,
}

impl ConvNeXt {
    /// A network of this size, all convolutions and linear layers 0.
    pub fn new(size: ConvNeXtSize, device: &Device) -> Self {
        let total: usize = size.blocks().iter().sum();
        let mut before = 0;
        let mut layers = Vec::new();
        for (layer, (count, width)) in size.blocks().into_iter().zip(WIDTHS).enumerate() {
            let block = |block: usize| {
                let share = (before + block) as f64 / (total - 1) as f64;
                let name = format!("layers.{layer}.{block}");
                let depth = StochasticDepth::new(&name, size.depth_dropout() * share);
                CnBlock::new(width, depth, device)
            };
            layers.push((0..count).map(block).collect());
            before += count;
        }
        let norm = |width| LayerNorm::new(width, EPSILON, device);
        let downsamples = WIDTHS.windows(2).map(|pair| Downsample {
            norm: norm(pair[0]),
            conv: Conv2dConfig::new([pair[0], pair[1]], 2).stride(2).bias(true).init(device),
        });
        Self {
            stem: Conv2dConfig::new([3, WIDTHS[0]], 4).stride(4).bias(true).init(device),
            stem_norm: norm(WIDTHS[0]),
            layers,
            downsamples: downsamples.collect(),
            norm: norm(WIDTHS[3]),
            size,
        }
    }

    /// The stage of the last norm: behind the stem, the layers, and what stands between them.
    fn last(&self) -> usize {
        1 + self.layers.len() + self.downsamples.len()
    }

    /// One of the stages before the last norm.
    fn run(&self, stage: usize, map: Tensor<4>, pass: Pass) -> Tensor<4> {
        match stage {
            0 => {
                let stem = conv(&self.stem, map, Nonlinearity::None);
                channels_last(stem, |map| self.stem_norm.forward(map))
            }
            odd if odd % 2 == 1 => {
                self.layers[odd / 2].iter().fold(map, |map, block| block.forward(map, pass))
            }
            even => {
                let Downsample { norm, conv: layer } = &self.downsamples[even / 2 - 1];
                let normed = channels_last(map, |map| norm.forward(map));
                conv(layer, normed, Nonlinearity::None)
            }
        }
    }
}

impl Backbone for ConvNeXt {
    fn stages(&self) -> Vec<Stage> {
        let last = self.last();
        let stage = |stage: usize| {
            let name = format!("features.{stage}");
            match stage {
                0 => Stage::new(&name, &["stem", "stem_norm"]),
                last_one if last_one == last => Stage::new("classifier.0", &["norm"]),
                odd if odd % 2 == 1 => Stage::new(&name, &[&format!("layers.{}", odd / 2)]),
                even => Stage::new(&name, &[&format!("downsamples.{}", even / 2 - 1)]),
            }
        };
        (0..=last).map(stage).collect()
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        let last = self.last();
        check_range(&range, last + 1)?;
        for stage in range {
            let map = input.into_image(self.size.name())?;
            if stage == 0 {
                check_images(&map, self.stem.inputs(), SMALLEST, self.size.name())?;
            }
            input = if stage == last {
                Activation::Vector(self.norm.forward(Activation::Image(map).pooled()?))
            } else {
                Activation::image(self.run(stage, map.into_channels_first(), pass))
            };
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        WIDTHS[3]
    }

    fn head_input_width(&self) -> usize {
        WIDTHS[3]
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        ExpectedInput::imagenet(SMALLEST).of_channels(self.stem.inputs())
    }
}

impl Architecture for ConvNeXt {
    fn name(&self) -> &'static str {
        self.size.name()
    }

    fn evaluation(&self) -> Evaluation {
        match self.size {
            ConvNeXtSize::Tiny => Evaluation::resized_to(236),
            ConvNeXtSize::Small => Evaluation::resized_to(230),
        }
    }

    /// torchvision counts what a block does, the turning of axes too.
    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match parts.as_slice() {
            ["stem", value] => format!("features.0.0.{value}"),
            ["stem_norm", value] => format!("features.0.1.{value}"),
            ["norm", value] => format!("classifier.0.{value}"),
            ["downsamples", at, field, value] => {
                let place = usize::from(*field == "conv");
                format!("features.{}.{place}.{value}", 2 * number(at) + 2)
            }
            ["layers", layer, block, "layer_scale"] => {
                format!("features.{}.{block}.layer_scale", 2 * number(layer) + 1)
            }
            ["layers", layer, block, field, value] => {
                let place = match *field {
                    "depthwise" => 0,
                    "norm" => 2,
                    "fc1" => 3,
                    _ => 5,
                };
                format!("features.{}.{block}.block.{place}.{value}", 2 * number(layer) + 1)
            }
            _ => path.to_string(),
        }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.stem)
    }

    fn head_name(&self) -> &'static str {
        "classifier.2"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match shape.len() {
            3 => Initial::Constant(LAYER_SCALE),
            // Normal with deviation .02: torchvision's cut at ±2 is 100 deviations away.
            _ => Initial::of_norm(path, shape).unwrap_or(Initial::Normal(0.02)),
        }
    }
}
