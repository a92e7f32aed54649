//! Minimum class confusion (Jin et al. 2020, arXiv 1912.03699): on the target no class shall be
//! predicted together with another.

use burn::prelude::*;
use burn::tensor::activation::{log_softmax, softmax};

use super::pieces::row_entropy;
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// The mean over classes of the share of confusion that is with other classes, equations 1 to 6.
///
/// With Y = softmax(z / T), the weights w = B·(1 + e^(−H(y))) / Σ (constants) and C = Yᵀ·diag(w)·Y,
/// each row of C divided by its sum: (Σ C − tr C) / K.
///
/// Shapes: `logits` is `[batch, classes]`; the result is `[1]`.
pub fn mcc_loss(logits: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [_, classes] = logits.dims();
    let scaled = logits.div_scalar(temperature);
    let certainty = row_entropy(scaled.clone().detach()).neg().exp().add_scalar(1.0);
    let log_probabilities = log_softmax(scaled, 1);
    // Row i of C sums to Σ_b w_b·Y_bi, so that dividing by it is a softmax over the batch: finite
    // also for a class whose probabilities are 0 in f32. The rows then sum to 1, and Σ C to K.
    let shares = softmax(log_probabilities.clone() + certainty.log(), 0);
    let own = (shares * log_probabilities.exp()).sum();
    own.div_scalar(-(classes as f64)).add_scalar(1.0)
}

/// The loss on the target's logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Mcc {
    pub weight: f64,
    pub temperature: f64,
}

impl Default for Mcc {
    /// The paper's temperature.
    fn default() -> Self {
        Self { weight: 1.0, temperature: 2.5 }
    }
}

impl Method for Mcc {
    fn name(&self) -> &'static str {
        "mcc"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &Validator::CERTAINTY
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let loss = mcc_loss(step.target()?.logits.clone(), self.temperature);
        Ok(Terms::default().with("confusion", self.weight, loss))
    }
}
