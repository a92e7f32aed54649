//! EfficientNet (Tan and Le 2019, arXiv 1905.11946), B0 to B4, with torchvision's names and numerics.

use std::ops::Range;

use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use tl_core::backbone::{check_images, check_range};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedImages, ExpectedInput, FrozenPrefix, Pass, Stage,
};
use tl_kernels::{
    Conv2d, Conv2dConfig, Nonlinearity, StochasticDepth, adaptive_average_pool, conv,
    scale_channels, share, silu,
};

use crate::architecture::{Architecture, Evaluation, Initial};
use crate::unit::{ConvNorm, features, in_unit};

/// Table 1 of the paper: expansion, kernel, stride of the first block, channels, blocks.
const STAGES: [(usize, usize, usize, usize, usize); 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];
const STEM: usize = 32;
/// The probability of the last block's branch to be left out; it grows evenly from 0.
const DEPTH_DROPOUT: f64 = 0.2;
/// Five strides halve it to 1.
const SMALLEST: usize = 32;

/// The sizes that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EfficientNetSize {
    B0,
    B1,
    B2,
    B3,
    B4,
}

impl EfficientNetSize {
    /// By what the channels and the numbers of blocks of B0 are multiplied, and the dropout in front of the head.
    fn scaling(self) -> (f64, f64, f64) {
        match self {
            Self::B0 => (1.0, 1.0, 0.2),
            Self::B1 => (1.0, 1.1, 0.2),
            Self::B2 => (1.1, 1.2, 0.3),
            Self::B3 => (1.2, 1.4, 0.3),
            Self::B4 => (1.4, 1.8, 0.4),
        }
    }

    /// The multiple of 8 that is nearest to B0's channels times the factor, and not below nine tenths of that.
    fn width(self, channels: usize) -> usize {
        let wanted = channels as f64 * self.scaling().0;
        let nearest = (((wanted + 4.0) / 8.0) as usize * 8).max(8);
        if (nearest as f64) < 0.9 * wanted { nearest + 8 } else { nearest }
    }

    fn blocks(self, count: usize) -> usize {
        (count as f64 * self.scaling().1).ceil() as usize
    }

    fn name(self) -> &'static str {
        match self {
            Self::B0 => "efficientnet_b0",
            Self::B1 => "efficientnet_b1",
            Self::B2 => "efficientnet_b2",
            Self::B3 => "efficientnet_b3",
            Self::B4 => "efficientnet_b4",
        }
    }

    /// Pixels of the image that torchvision's default weights were evaluated at.
    fn image(self) -> usize {
        match self {
            Self::B0 => 224,
            Self::B1 => 240,
            Self::B2 => 288,
            Self::B3 => 300,
            Self::B4 => 380,
        }
    }
}

/// A factor for each channel, from the means of all (Hu et al. 2018, arXiv 1709.01507).
#[derive(Module, Debug)]
pub struct SqueezeExcitation {
    pub fc1: Conv2d,
    pub fc2: Conv2d,
}

impl SqueezeExcitation {
    fn new(channels: usize, squeezed: usize, device: &Device) -> Self {
        let layer = |channels| Conv2dConfig::new(channels, 1).bias(true).init(device);
        Self { fc1: layer([channels, squeezed]), fc2: layer([squeezed, channels]) }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let means = adaptive_average_pool(input.clone(), 1);
        let squeezed = silu(conv(&self.fc1, means, Nonlinearity::None));
        scale_channels(input, sigmoid(conv(&self.fc2, squeezed, Nonlinearity::None)))
    }
}

/// Widen with a 1×1 convolution, filter each channel, weigh the channels, narrow with a 1×1 convolution.
#[derive(Module, Debug)]
pub struct MbConv {
    pub expand: Option<ConvNorm>,
    pub depthwise: ConvNorm,
    pub squeeze: SqueezeExcitation,
    pub project: ConvNorm,
    pub stochastic_depth: Option<StochasticDepth>,
    #[module(skip)]
    residual: bool,
}

/// The numbers of an [`MbConv`].
struct MbConvConfig {
    channels: [usize; 2],
    expansion: usize,
    kernel: usize,
    stride: usize,
}

impl MbConv {
    fn new(config: &MbConvConfig, depth: StochasticDepth, device: &Device) -> Self {
        let [input, output] = config.channels;
        let hidden = input * config.expansion;
        let depthwise = Conv2dConfig::same_size([hidden; 2], [config.kernel; 2])
            .stride(config.stride)
            .groups(hidden);
        let one = |channels| ConvNorm::new(Conv2dConfig::new(channels, 1), device);
        let residual = config.stride == 1 && input == output;
        Self {
            expand: (config.expansion > 1).then(|| one([input, hidden])),
            depthwise: ConvNorm::new(depthwise, device),
            squeeze: SqueezeExcitation::new(hidden, (input / 4).max(1), device),
            project: one([hidden, output]),
            stochastic_depth: residual.then_some(depth),
            residual,
        }
    }

    fn forward(&self, input: Tensor<4>, pass: Pass) -> Tensor<4> {
        let none = Nonlinearity::None;
        let input = share(input);
        let residual = self.residual.then(|| input.clone());
        let widened = match &self.expand {
            Some(expand) => silu(expand.forward(input, none)),
            None => input.into_map(),
        };
        let filtered = self.squeeze.forward(silu(self.depthwise.forward(widened, none)));
        let depth = self.stochastic_depth.as_ref().filter(|depth| depth.is_active(&filtered));
        match (depth, residual) {
            (Some(depth), Some(residual)) => {
                depth.forward(self.project.forward(filtered, none), pass) + residual.into_map()
            }
            (_, residual) => self.project.forward_residual(filtered, residual, none),
        }
    }
}

/// The network without its classifier; its stages are `features.0` to `features.8`.
#[derive(Module, Debug)]
pub struct EfficientNet {
    pub stem: ConvNorm,
    pub layers: Vec<Vec<MbConv>>,
    pub last: ConvNorm,
    #[module(skip)]
    size: EfficientNetSize,
}

impl EfficientNet {
    /// A network of this size, all convolutions 0.
    pub fn new(size: EfficientNetSize, device: &Device) -> Self {
        let total: usize = STAGES.iter().map(|stage| size.blocks(stage.4)).sum();
        let stem = size.width(STEM);
        let (mut input, mut before, mut layers) = (stem, 0, Vec::new());
        for (layer, (expansion, kernel, stride, output, count)) in STAGES.into_iter().enumerate() {
            let output = size.width(output);
            let mut blocks = Vec::new();
            for block in 0..size.blocks(count) {
                let stride = if block == 0 { stride } else { 1 };
                let channels = [input, output];
                let config = MbConvConfig { channels, expansion, kernel, stride };
                let probability = DEPTH_DROPOUT * before as f64 / total as f64;
                let name = format!("layers.{layer}.{block}");
                blocks.push(MbConv::new(&config, StochasticDepth::new(&name, probability), device));
                (input, before) = (output, before + 1);
            }
            layers.push(blocks);
        }
        let first = Conv2dConfig::new([3, stem], 3).stride(2).padding(1);
        Self {
            stem: ConvNorm::new(first, device),
            layers,
            last: ConvNorm::new(Conv2dConfig::new([input, 4 * input], 1), device),
            size,
        }
    }
}

impl Backbone for EfficientNet {
    fn stages(&self) -> Vec<Stage> {
        features("layers", self.layers.len())
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        let last = self.layers.len() + 1;
        check_range(&range, last + 1)?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image(self.size.name())?;
        if range.start == 0 {
            check_images(&map, self.stem.conv.inputs(), 1, self.size.name())?;
        }
        let mut map = map.into_channels_first();
        for stage in range {
            map = match stage {
                0 => silu(self.stem.forward(map, Nonlinearity::None)),
                stage if stage == last => silu(self.last.forward(map, Nonlinearity::None)),
                stage => {
                    self.layers[stage - 1].iter().fold(map, |map, block| block.forward(map, pass))
                }
            };
        }
        Ok(Activation::image(map))
    }

    fn embedding_width(&self) -> usize {
        4 * self.size.width(STAGES[6].3)
    }

    fn head_input_width(&self) -> usize {
        self.embedding_width()
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let usual = ExpectedImages::imagenet(SMALLEST);
        ExpectedInput::Images(ExpectedImages {
            size: self.size.image(),
            channels: self.stem.conv.inputs(),
            ..usual
        })
    }
}

impl Architecture for EfficientNet {
    fn name(&self) -> &'static str {
        self.size.name()
    }

    fn evaluation(&self) -> Evaluation {
        match self.size {
            EfficientNetSize::B0 => Evaluation::resized_to(256).bicubic(),
            // torchvision's own weights, the only ones not taken over from the paper.
            EfficientNetSize::B1 => Evaluation::resized_to(255),
            EfficientNetSize::B2 => Evaluation::resized_to(288).bicubic(),
            EfficientNetSize::B3 => Evaluation::resized_to(320).bicubic(),
            EfficientNetSize::B4 => Evaluation::resized_to(384).bicubic(),
        }
    }

    /// torchvision nests sequences: `features.N.M.block.K`, where `K` counts what a block does.
    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(0);
        match parts.as_slice() {
            ["stem", field, value] => format!("features.0.{}.{value}", in_unit(field)),
            ["last", field, value] => {
                format!("features.{}.{}.{value}", self.layers.len() + 1, in_unit(field))
            }
            ["layers", layer, block, unit, field, value] => {
                let expanded = STAGES.get(number(layer)).is_some_and(|stage| stage.0 > 1);
                let place = match *unit {
                    "expand" => 0,
                    "depthwise" => usize::from(expanded),
                    "squeeze" => usize::from(expanded) + 1,
                    _ => usize::from(expanded) + 2,
                };
                let field = if *unit == "squeeze" { field } else { in_unit(field) };
                format!("features.{}.{block}.block.{place}.{field}.{value}", number(layer) + 1)
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
        self.size.scaling().2
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        match Initial::of_norm(path, shape) {
            Some(initial) => initial,
            None if shape.len() == 4 => Initial::he_fan_out(shape),
            None => Initial::linear_default(shape[0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torchvision's channels behind the stem and each stage, and its numbers of blocks.
    #[test]
    fn widths_and_depths_are_torchvisions() {
        let of = |size: EfficientNetSize| {
            let widths: Vec<usize> = STAGES.iter().map(|stage| size.width(stage.3)).collect();
            let blocks: Vec<usize> = STAGES.iter().map(|stage| size.blocks(stage.4)).collect();
            (size.width(STEM), widths, blocks)
        };
        let b2 = (32, vec![16, 24, 48, 88, 120, 208, 352], vec![2, 3, 3, 4, 4, 5, 2]);
        assert_eq!(of(EfficientNetSize::B2), b2);
        let b4 = (48, vec![24, 32, 56, 112, 160, 272, 448], vec![2, 4, 4, 6, 6, 8, 2]);
        assert_eq!(of(EfficientNetSize::B4), b4);
    }
}
