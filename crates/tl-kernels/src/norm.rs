//! Batch normalisation.

use burn::module::{Flag, Param};
use burn::prelude::*;

use crate::extension::{affine_unit, batch_norm_train_unit};
use crate::{Buffer, Nonlinearity, Shared};

/// The share by which running statistics move towards those of a batch.
pub const MOMENTUM: f64 = 0.1;

/// Batch normalisation over `[batch, channels, height, width]` with PyTorch's names and numerics.
///
/// Statistics of the batch are used where the input is on an autodiff device and `training` is on; the
/// running ones then move by `momentum`, the variance with its unbiased estimate. Everywhere else the
/// running statistics are used and stand still.
#[derive(Module, Debug)]
pub struct BatchNorm2d {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    pub running_mean: Buffer,
    pub running_var: Buffer,
    pub training: Param<Flag>,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    momentum: f64,
}

impl BatchNorm2d {
    /// A norm of `channels` channels with scale 1, shift 0, mean 0, variance 1; epsilon 1e-5,
    /// momentum .1.
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([channels], device)),
            bias: Param::from_tensor(Tensor::zeros([channels], device)),
            running_mean: Buffer::new(Tensor::zeros([channels], device)),
            running_var: Buffer::new(Tensor::ones([channels], device)),
            training: Param::<Flag>::from_bool(true),
            epsilon: 1e-5,
            momentum: MOMENTUM,
        }
    }

    /// The same with another epsilon.
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// `activation(norm(x))`, for a norm in front of its convolution; one behind it belongs to [`conv_norm`](crate::conv_norm).
    pub fn forward(&self, input: Tensor<4>, activation: Nonlinearity) -> Tensor<4> {
        if self.uses_batch_statistics(&input) {
            return self.train_unit(input, None, activation);
        }
        let (scale, shift) = self.affine();
        affine_unit(input, scale, shift, activation)
    }

    pub(crate) fn uses_batch_statistics(&self, input: &Tensor<4>) -> bool {
        self.training.is_enabled() && input.device().is_autodiff()
    }

    /// The norm with standing statistics as `scale·x + shift`, each `[channels]`.
    pub(crate) fn affine(&self) -> (Tensor<1>, Tensor<1>) {
        let deviation = self.running_var.value().add_scalar(self.epsilon).sqrt();
        let scale = self.weight.val() / deviation;
        let shift = self.bias.val() - self.running_mean.value() * scale.clone();
        (scale, shift)
    }

    /// The norm with the statistics of the batch, which it moves its own towards.
    pub(crate) fn train_unit(
        &self,
        input: Tensor<4>,
        residual: Option<Shared>,
        activation: Nonlinearity,
    ) -> Tensor<4> {
        let [batch, _, height, width] = input.dims();
        let (output, mean, variance) = batch_norm_train_unit(
            input,
            self.weight.val(),
            self.bias.val(),
            residual,
            self.epsilon,
            activation,
        );
        let count = (batch * height * width) as f64;
        let unbiased = variance.without_autodiff().mul_scalar(count / (count - 1.0).max(1.0));
        self.running_mean.move_towards(mean.without_autodiff(), self.momentum);
        self.running_var.move_towards(unbiased, self.momentum);
        output
    }
}
