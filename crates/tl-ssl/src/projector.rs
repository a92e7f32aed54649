//! The network between an embedding and a loss that compares images.

use burn::prelude::*;
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, conv, conv_norm};

use crate::initial::glorot;

/// Linear layers with a norm over the batch and ReLU between them; the last one is linear alone.
///
/// A layer is held as a convolution of one pixel, so that the norms of convolutional networks serve.
#[derive(Module, Debug)]
pub struct Projector {
    pub layers: Vec<Conv2d>,
    pub norms: Vec<BatchNorm2d>,
}

impl Projector {
    /// A network of these widths from input to output, at its initial values for `seed` and `name`.
    pub fn new(widths: &[usize], name: &str, seed: u64, device: &Device) -> Self {
        let layer =
            |pair: &[usize]| Conv2dConfig::new([pair[0], pair[1]], 1).bias(true).init(device);
        let hidden = widths.get(1..widths.len().saturating_sub(1)).unwrap_or_default();
        let projector = Self {
            layers: widths.windows(2).map(layer).collect(),
            norms: hidden.iter().map(|width| BatchNorm2d::new(*width, device)).collect(),
        };
        glorot(projector, name, seed)
    }

    /// `[batch, input]` to `[batch, output]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [batch, width] = input.dims();
        let pixels = input.reshape([batch, width, 1, 1]);
        let output = self.layers.iter().enumerate().fold(pixels, |pixels, (at, layer)| match self
            .norms
            .get(at)
        {
            Some(norm) => conv_norm(layer, norm, pixels, None, Nonlinearity::Relu),
            None => conv(layer, pixels, Nonlinearity::None),
        });
        let [batch, width, ..] = output.dims();
        output.reshape([batch, width])
    }
}

/// Every row brought to length 1.
pub(crate) fn unit(rows: Tensor<2>) -> Tensor<2> {
    let squares = (rows.clone() * rows.clone()).sum_dim(1);
    rows / squares.add_scalar(1e-12).sqrt()
}
