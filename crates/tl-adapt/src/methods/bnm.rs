//! Batch nuclear-norm maximisation (Cui et al. 2020, arXiv 2003.12237): sure and diverse
//! predictions make a matrix whose singular values have a large sum.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::pieces::{constant, host};
use crate::contract::{Method, Step, Terms};
use crate::linear_algebra::nuclear_norm;
use crate::{AdaptError, Validator};

/// −‖softmax(z)‖_* / B, equation 12. The singular values are found on the host in f64.
///
/// Shapes: `logits` is `[batch, classes]`; the result is `[1]`.
///
/// # Errors
/// When the device cannot be read.
pub fn bnm_loss(logits: Tensor<2>) -> Result<Tensor<1>, AdaptError> {
    let [batch, classes] = logits.dims();
    let probabilities = softmax(logits, 1);
    let values: Vec<f64> = host(probabilities.clone())?.into_iter().map(f64::from).collect();
    let (_, gradient) = nuclear_norm(&values, batch, classes);
    // ‖A‖_* = tr(AᵀG) with G = UVᵀ, which is also its gradient.
    let gradient = gradient.into_iter().map(|value| value as f32).collect();
    let gradient = constant(gradient, [batch, classes], &probabilities);
    Ok((probabilities * gradient).sum().div_scalar(-(batch.max(1) as f64)))
}

/// The loss on the target's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Bnm {
    pub weight: f64,
}

impl Default for Bnm {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Method for Bnm {
    fn name(&self) -> &'static str {
        "bnm"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &Validator::CERTAINTY
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let loss = bnm_loss(step.target()?.logits.clone())?;
        Ok(Terms::default().with("nuclear_norm", self.weight, loss))
    }
}
