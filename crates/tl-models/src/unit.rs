//! A convolution and its norm, the brick of every convolutional network.

use burn::prelude::*;
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
