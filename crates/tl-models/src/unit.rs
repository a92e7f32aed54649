//! A convolution and its norm, the brick of every convolutional network; and the stages of those that are a row of bricks.

use burn::prelude::*;
use tl_core::Stage;
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, Shared, conv_norm};

/// `activation(norm(conv(x)))`
#[derive(Module, Debug)]
pub struct ConvNorm {
    pub conv: Conv2d,
    pub norm: BatchNorm2d,
}

impl ConvNorm {
    pub(crate) fn new(config: Conv2dConfig, device: &Device) -> Self {
        Self { norm: BatchNorm2d::new(config.channels[1], device), conv: config.init(device) }
    }

    pub(crate) fn forward(&self, input: impl Into<Shared>, activation: Nonlinearity) -> Tensor<4> {
        conv_norm(&self.conv, &self.norm, input, None, activation)
    }

    pub(crate) fn forward_residual(
        &self,
        input: Tensor<4>,
        residual: Option<Shared>,
        activation: Nonlinearity,
    ) -> Tensor<4> {
        conv_norm(&self.conv, &self.norm, input, residual, activation)
    }
}

/// The stages `features.0`, the field `stem`; `features.1` and so on, the `count` entries of the field `middle`; and behind them
/// the field `last`: the order and the names of torchvision's mobile networks.
pub(crate) fn features(middle: &str, count: usize) -> Vec<Stage> {
    let middle = (0..count).map(|at| format!("{middle}.{at}"));
    let fields = std::iter::once("stem".to_string()).chain(middle).chain(["last".to_string()]);
    let named = fields.enumerate();
    named.map(|(at, field)| Stage::new(&format!("features.{at}"), &[&field])).collect()
}

/// The place of a [`ConvNorm`]'s field in torchvision's sequence of a convolution and its norm.
pub(crate) fn in_unit(field: &str) -> &'static str {
    if field == "conv" { "0" } else { "1" }
}
