//! SqueezeNet (Iandola et al. 2016, arXiv 1602.07360), versions 1.0 and 1.1, with torchvision's names.
//!
//! Its features are torchvision's. Its classifier is torchvision's without the ReLU between the last convolution and the
//! pooling: there the mean over the places of `max(0, w·x + b)` is taken, which no function of the pooled features is; here
//! `w·mean(x) + b`, a linear head as every network has it, so that features can be kept, probed and adapted. In torchvision
//! the same network is `model.classifier[2] = torch.nn.Identity()`; names and shapes of the weights do not change.

use std::ops::Range;

use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, FrozenPrefix, Pass, Stage};
use tl_kernels::{Conv2d, Conv2dConfig, Nonlinearity, concatenate, conv, max_pool_to_edge, share};

use crate::architecture::{Architecture, Initial};

/// Channels of the eight fire modules: squeezed, and expanded by each of two convolutions.
const FIRES: [(usize, usize); 8] =
    [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)];
const LAST: usize = 2 * 256;
/// The place of the first fire module in torchvision's `features`: a convolution, a ReLU and a pooling stand before it.
const FIRST: usize = 3;

/// The versions that torchvision has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqueezeNetVersion {
    V1_0,
    V1_1,
}

impl SqueezeNetVersion {
    fn first_convolution(self) -> Conv2dConfig {
        match self {
            Self::V1_0 => Conv2dConfig::new([3, 96], 7),
            Self::V1_1 => Conv2dConfig::new([3, 64], 3),
        }
    }

    /// The fire modules behind which a pooling stands.
    fn pooled(self) -> [usize; 2] {
        match self {
            Self::V1_0 => [2, 6],
            Self::V1_1 => [1, 3],
        }
    }

    /// The smallest image that leaves a pixel to each pooling.
    fn smallest(self) -> usize {
        match self {
            Self::V1_0 => 21,
            Self::V1_1 => 17,
        }
    }

    /// The place of a fire module in torchvision's flat `features`.
    fn place(self, fire: usize) -> usize {
        FIRST + fire + self.pooled().iter().filter(|pooled| **pooled < fire).count()
    }
}

/// Few channels by a 1×1 convolution, and from them many by a 1×1 and a 3×3 convolution side by side.
#[derive(Module, Debug)]
pub struct Fire {
    pub squeeze: Conv2d,
    pub expand1x1: Conv2d,
    pub expand3x3: Conv2d,
}

impl Fire {
    fn new(input: usize, (squeezed, expanded): (usize, usize), device: &Device) -> Self {
        let layer = |channels, kernel| {
            Conv2dConfig::same_size(channels, [kernel; 2]).bias(true).init(device)
        };
        Self {
            squeeze: layer([input, squeezed], 1),
            expand1x1: layer([squeezed, expanded], 1),
            expand3x3: layer([squeezed, expanded], 3),
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let relu = Nonlinearity::Relu;
        let squeezed = share(conv(&self.squeeze, input, relu));
        let single = conv(&self.expand1x1, squeezed.clone(), relu);
        concatenate(vec![single, conv(&self.expand3x3, squeezed, relu)])
    }
}

/// The network without its classifier; its stages are `features.0` and the fire modules, by their places in torchvision's
/// `features`. A pooling belongs to what stands before it.
#[derive(Module, Debug)]
pub struct SqueezeNet {
    pub stem: Conv2d,
    pub fires: Vec<Fire>,
    #[module(skip)]
    version: SqueezeNetVersion,
}

impl SqueezeNet {
    /// A network of this version, all weights 0.
    pub fn new(version: SqueezeNetVersion, device: &Device) -> Self {
        let first = version.first_convolution().stride(2).bias(true);
        let mut input = first.channels[1];
        let fires = FIRES.map(|sizes| {
            let fire = Fire::new(input, sizes, device);
            input = 2 * sizes.1;
            fire
        });
        Self { stem: first.init(device), fires: fires.into(), version }
    }
}

impl Backbone for SqueezeNet {
    fn stages(&self) -> Vec<Stage> {
        let mut stages = vec![Stage::new("features.0", &["stem"])];
        for fire in 0..self.fires.len() {
            let name = format!("features.{}", self.version.place(fire));
            stages.push(Stage::new(&name, &[&format!("fires.{fire}")]));
        }
        stages
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, self.fires.len() + 1)?;
        if range.is_empty() {
            return Ok(input);
        }
        let map = input.into_image(self.name())?;
        if range.start == 0 {
            check_images(&map, self.stem.inputs(), self.version.smallest(), self.name())?;
        }
        let mut map = map.into_channels_first();
        for stage in range {
            let (made, pooled) = match stage {
                0 => (conv(&self.stem, map, Nonlinearity::Relu), true),
                stage => {
                    let pooled = self.version.pooled().contains(&(stage - 1));
                    (self.fires[stage - 1].forward(map), pooled)
                }
            };
            map = if pooled { max_pool_to_edge(made, 3, 2) } else { made };
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
        ExpectedInput::imagenet(self.version.smallest()).of_channels(self.stem.inputs())
    }
}

impl Architecture for SqueezeNet {
    fn name(&self) -> &'static str {
        match self.version {
            SqueezeNetVersion::V1_0 => "squeezenet1_0",
            SqueezeNetVersion::V1_1 => "squeezenet1_1",
        }
    }

    fn origin_name(&self, path: &str) -> String {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            ["stem", value] => format!("features.0.{value}"),
            ["fires", fire, layer, value] => {
                let place = self.version.place(fire.parse().unwrap_or(0));
                format!("features.{place}.{layer}.{value}")
            }
            _ => path.to_string(),
        }
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.stem)
    }

    fn head_name(&self) -> &'static str {
        "classifier.1"
    }

    fn head_dropout(&self) -> f64 {
        0.5
    }

    fn head_is_convolution(&self) -> bool {
        true
    }

    fn head_note(&self) -> Option<&'static str> {
        Some(
            "the head answers without the ReLU that torchvision has between its convolution and its pooling \
             (there: model.classifier[2] = torch.nn.Identity())",
        )
    }

    fn initial(&self, _: &str, shape: &[usize]) -> Initial {
        match shape.len() {
            1 => Initial::Constant(0.0),
            4 => Initial::he_uniform(shape),
            _ => Initial::Normal(0.01),
        }
    }
}
