//! The classifier in the middle of Inception, which in training brings the gradient of the answer to earlier layers.

use burn::prelude::*;
use tl_kernels::{Conv2dConfig, Linear, Nonlinearity, adaptive_average_pool, average_pool};

use super::mixed::unit;
use crate::unit::ConvNorm;

/// Channels of the map behind `Mixed_6e`.
const INPUT: usize = 768;
const NARROW: usize = 128;
/// The window of the pooling and its stride; the second convolution's window is as large.
const WINDOW: usize = 5;
const STRIDE: usize = 3;

/// torchvision's `InceptionAux`: a pooling, two convolutions, the mean over all places, a linear layer.
#[derive(Module, Debug)]
pub struct Auxiliary {
    pub conv0: ConvNorm,
    pub conv1: ConvNorm,
    pub linear: Linear,
}

impl Auxiliary {
    /// What its linear layer sees.
    pub(super) const WIDTH: usize = 768;

    /// For `classes` answers, all weights 0.
    pub(super) fn new(classes: usize, device: &Device) -> Self {
        let mut found = Self {
            conv0: unit(Conv2dConfig::new([INPUT, NARROW], 1), device),
            conv1: unit(Conv2dConfig::new([NARROW, Self::WIDTH], WINDOW), device),
            linear: Linear::new(Self::WIDTH, classes, device),
        };
        // It is left behind when the network answers: an adapter here would do nothing.
        found.conv0.conv.adapter = found.conv0.conv.adapter.closed();
        found.conv1.conv.adapter = found.conv1.conv.adapter.closed();
        found.linear.adapter = found.linear.adapter.closed();
        found
    }

    /// Logits from the map behind `Mixed_6e`, `[batch, classes]`; nothing where it is too small for the pooling and the second
    /// convolution, which take 17×17 places: images of 299 pixels leave those.
    pub(super) fn forward(&self, map: &Tensor<4>) -> Option<Tensor<2>> {
        let [.., height, width] = map.dims();
        if height.min(width) < WINDOW + STRIDE * (WINDOW - 1) {
            return None;
        }
        let relu = Nonlinearity::Relu;
        let map = average_pool(map.clone(), WINDOW, STRIDE, 0);
        let map = self.conv1.forward(self.conv0.forward(map, relu), relu);
        let pooled: Tensor<2> = adaptive_average_pool(map, 1).flatten(1, 3);
        Some(self.linear.forward(pooled))
    }
}
