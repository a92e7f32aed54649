//! The network between an embedding and a loss that compares images.

use burn::prelude::*;
use tl_core::Backbone;
use tl_core::parameters::{is_statistic, parameters};
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, conv, conv_norm};

use crate::initial::glorot;

/// Which layers of a projector have a norm over the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norms {
    None,
    /// All but the last.
    Hidden,
    All,
}

impl Norms {
    /// Norms in hidden layers beside a network that has norms over the batch itself; none beside another,
    /// whose images then do not look at each other.
    pub fn as_in<B: Backbone>(backbone: &B) -> Self {
        match parameters(backbone).iter().any(|info| is_statistic(&info.path)) {
            true => Norms::Hidden,
            false => Norms::None,
        }
    }
}

/// Linear layers, norms over the batch where they are asked for, and ReLU between them.
///
/// A layer is held as a convolution of one pixel, so that the norms of convolutional networks serve.
#[derive(Module, Debug)]
pub struct Projector {
    pub layers: Vec<Conv2d>,
    /// Of the first layers, as many as have one.
    pub norms: Vec<BatchNorm2d>,
}

impl Projector {
    /// A network of these widths from input to output, at its initial values for `seed` and `name`.
    pub fn new(widths: &[usize], norms: Norms, name: &str, seed: u64, device: &Device) -> Self {
        let layer =
            |pair: &[usize]| Conv2dConfig::new([pair[0], pair[1]], 1).bias(true).init(device);
        let outputs = widths.get(1..).unwrap_or_default();
        let normed = match norms {
            Norms::None => 0,
            Norms::Hidden => outputs.len().saturating_sub(1),
            Norms::All => outputs.len(),
        };
        let norm = |width: &usize| BatchNorm2d::new(*width, device);
        let projector = Self {
            layers: widths.windows(2).map(layer).collect(),
            norms: outputs.iter().take(normed).map(norm).collect(),
        };
        glorot(projector, name, seed)
    }

    /// `[batch, input]` to `[batch, output]`.
    pub fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        let [batch, width] = input.dims();
        let pixels = input.reshape([batch, width, 1, 1]);
        let last = self.layers.len().saturating_sub(1);
        let output = self.layers.iter().enumerate().fold(pixels, |pixels, (at, layer)| {
            let then = if at < last { Nonlinearity::Relu } else { Nonlinearity::None };
            match self.norms.get(at) {
                Some(norm) => conv_norm(layer, norm, pixels, None, then),
                None => conv(layer, pixels, then),
            }
        });
        let [batch, width, ..] = output.dims();
        output.reshape([batch, width])
    }
}
