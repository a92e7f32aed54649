//! ResNet (He et al. 2016, arXiv 1512.03385) in torchvision's variant: the stride of a bottleneck is in
//! its 3×3 convolution; its kin with grouped convolutions, ResNeXt (Xie et al. 2017, arXiv 1611.05431), and with twice the
//! channels inside, Wide ResNet (Zagoruyko and Komodakis 2016, arXiv 1605.07146); and a ResNet-10 for small images.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedImages, ExpectedInput, FrozenPrefix, Pass, Stage,
};
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, conv_norm, max_pool, share};

use crate::architecture::{Architecture, Evaluation, Initial};
use crate::unit::ConvNorm;

/// The depths that torchvision has, and a smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNetDepth {
    /// One block a layer and half the channels, for images of 28 to 64 pixels: the first convolution is
    /// 3×3 and keeps their size. Otherwise it is torchvision's `ResNet(BasicBlock, [1, 1, 1, 1])`.
    D10,
    D18,
    D34,
    D50,
    D101,
    D152,
    /// ResNeXt-50 32×4d: 32 groups of 4 channels in the first layer's 3×3 convolutions.
    X50,
    /// ResNeXt-101 32×8d.
    X101,
    /// Wide ResNet-50-2: twice the channels in the 3×3 convolutions.
    Wide50,
    Wide101,
}

impl ResNetDepth {
    fn blocks(self) -> [usize; 4] {
        match self {
            Self::D10 => [1, 1, 1, 1],
            Self::D18 => [2, 2, 2, 2],
            Self::D34 | Self::D50 | Self::X50 | Self::Wide50 => [3, 4, 6, 3],
            Self::D101 | Self::X101 | Self::Wide101 => [3, 4, 23, 3],
            Self::D152 => [3, 8, 36, 3],
        }
    }

    /// How many times wider a layer's output is than its width.
    fn expansion(self) -> usize {
        match self {
            Self::D10 | Self::D18 | Self::D34 => 1,
            _ => 4,
        }
    }

    /// How many times wider than its layer's width a 3×3 convolution is.
    fn widening(self) -> usize {
        match self {
            Self::X50 | Self::Wide50 | Self::Wide101 => 2,
            Self::X101 => 4,
            _ => 1,
        }
    }

    /// Into how many groups the channels of a 3×3 convolution fall.
    fn groups(self) -> usize {
        match self {
            Self::X50 | Self::X101 => 32,
            _ => 1,
        }
    }

    /// The width of the first layer; each later layer has twice as much.
    fn width(self) -> usize {
        match self {
            Self::D10 => 32,
            _ => 64,
        }
    }

    /// The first convolution, by which all but the smallest halve the image.
    fn first_convolution(self) -> Conv2dConfig {
        match self {
            Self::D10 => Conv2dConfig::new([3, self.width()], 3).padding(1),
            _ => Conv2dConfig::new([3, self.width()], 7).stride(2).padding(3),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::D10 => "resnet10",
            Self::D18 => "resnet18",
            Self::D34 => "resnet34",
            Self::D50 => "resnet50",
            Self::D101 => "resnet101",
            Self::D152 => "resnet152",
            Self::X50 => "resnext50_32x4d",
            Self::X101 => "resnext101_32x8d",
            Self::Wide50 => "wide_resnet50_2",
            Self::Wide101 => "wide_resnet101_2",
        }
    }
}

/// Two 3×3 convolutions, or a bottleneck 1×1, 3×3, 1×1, around which the input is added.
#[derive(Module, Debug)]
pub struct Block {
    pub conv1: Conv2d,
    pub bn1: BatchNorm2d,
    pub conv2: Conv2d,
    pub bn2: BatchNorm2d,
    pub conv3: Option<Conv2d>,
    pub bn3: Option<BatchNorm2d>,
    pub downsample: Option<ConvNorm>,
}

impl Block {
    fn new(depth: ResNetDepth, input: usize, width: usize, stride: usize, device: &Device) -> Self {
        let expansion = depth.expansion();
        let (output, width) = (width * expansion, width * depth.widening());
        let three = |channels, stride| Conv2dConfig::new(channels, 3).stride(stride).padding(1);
        let one = Conv2dConfig::new;
        let bottleneck = expansion > 1;
        let (first, second) = if bottleneck {
            (one([input, width], 1), three([width, width], stride).groups(depth.groups()))
        } else {
            (three([input, width], stride), three([width, width], 1))
        };
        Self {
            conv1: first.init(device),
            bn1: BatchNorm2d::new(width, device),
            conv2: second.init(device),
            bn2: BatchNorm2d::new(width, device),
            conv3: bottleneck.then(|| one([width, output], 1).init(device)),
            bn3: bottleneck.then(|| BatchNorm2d::new(output, device)),
            downsample: (stride != 1 || input != output)
                .then(|| ConvNorm::new(one([input, output], 1).stride(stride), device)),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let relu = Nonlinearity::Relu;
        let input = share(input);
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.forward(input.clone(), Nonlinearity::None).into(),
            None => input.clone(),
        };
        let first = conv_norm(&self.conv1, &self.bn1, input, None, relu);
        match (&self.conv3, &self.bn3) {
            (Some(conv3), Some(bn3)) => {
                let second = conv_norm(&self.conv2, &self.bn2, first, None, relu);
                conv_norm(conv3, bn3, second, Some(shortcut), relu)
            }
            _ => conv_norm(&self.conv2, &self.bn2, first, Some(shortcut), relu),
        }
    }
}

/// The network without its classifier; its stages are `stem` and `layer1` to `layer4`.
#[derive(Module, Debug)]
pub struct ResNet {
    pub conv1: Conv2d,
    pub bn1: BatchNorm2d,
    pub layer1: Vec<Block>,
    pub layer2: Vec<Block>,
    pub layer3: Vec<Block>,
    pub layer4: Vec<Block>,
    #[module(skip)]
    depth: ResNetDepth,
}

impl ResNet {
    /// A network of `depth` layers, all convolutions 0.
    pub fn new(depth: ResNetDepth, device: &Device) -> Self {
        let expansion = depth.expansion();
        let layer = |input: usize, width: usize, count: usize, stride: usize| {
            (0..count)
                .map(|block| match block {
                    0 => Block::new(depth, input, width, stride, device),
                    _ => Block::new(depth, width * expansion, width, 1, device),
                })
                .collect()
        };
        let [first, second, third, fourth] = depth.blocks();
        let width = depth.width();
        Self {
            conv1: depth.first_convolution().init(device),
            bn1: BatchNorm2d::new(width, device),
            layer1: layer(width, width, first, 1),
            layer2: layer(width * expansion, 2 * width, second, 2),
            layer3: layer(2 * width * expansion, 4 * width, third, 2),
            layer4: layer(4 * width * expansion, 8 * width, fourth, 2),
            depth,
        }
    }

    fn stem(&self, input: Tensor<4>) -> Tensor<4> {
        max_pool(conv_norm(&self.conv1, &self.bn1, input, None, Nonlinearity::Relu), 3, 2, 1)
    }
}

impl Backbone for ResNet {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("stem", &["conv1", "bn1"])];
        for layer in ["layer1", "layer2", "layer3", "layer4"] {
            stages.push(Stage::new(layer, &[layer]));
        }
        stages
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        let layers = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        check_range(&range, layers.len() + 1)?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image(self.depth.name())?;
        if range.start == 0 {
            check_images(&map, self.conv1.inputs(), 1, self.depth.name())?;
        }
        let mut map = map.into_channels_first();
        for stage in range {
            map = match stage {
                0 => self.stem(map),
                stage => layers[stage - 1].iter().fold(map, |map, block| block.forward(map)),
            };
        }
        Ok(Activation::image(map))
    }

    fn embedding_width(&self) -> usize {
        8 * self.depth.width() * self.depth.expansion()
    }

    fn head_input_width(&self) -> usize {
        self.embedding_width()
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        match self.depth {
            ResNetDepth::D10 => {
                let usual = ExpectedImages::imagenet(16);
                let channels = self.conv1.inputs();
                ExpectedInput::Images(ExpectedImages { size: 32, channels, ..usual })
            }
            _ => ExpectedInput::imagenet(32).of_channels(self.conv1.inputs()),
        }
    }
}

impl Architecture for ResNet {
    fn name(&self) -> &'static str {
        self.depth.name()
    }

    fn evaluation(&self) -> Evaluation {
        match self.depth {
            // Their newer weights, which torchvision takes by default.
            ResNetDepth::X50 | ResNetDepth::X101 | ResNetDepth::Wide50 | ResNetDepth::Wide101 => {
                Evaluation::resized_to(232)
            }
            _ => Evaluation::default(),
        }
    }

    fn origin_name(&self, path: &str) -> String {
        path.replace(".downsample.conv.", ".downsample.0.")
            .replace(".downsample.norm.", ".downsample.1.")
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.conv1)
    }

    fn head_name(&self) -> &'static str {
        "fc"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        if path.starts_with("head.") {
            return Initial::linear_default(self.head_input_width());
        }
        Initial::of_norm(path, shape).unwrap_or_else(|| Initial::he_fan_out(shape))
    }
}
