//! Margin disparity discrepancy (Zhang et al. 2019, arXiv 1904.05801): an adversarial classifier
//! agrees with the head on the source and contradicts it on the target; the backbone leaves it no
//! room.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use tl_kernels::reverse_gradient;

use super::pieces::{mean, one_hot, predictions, rising_lambda};
use crate::contract::{Method, Sizes, Step, Terms};
use crate::networks::NetworkShape;
use crate::{AdaptError, Validator};

const ADVERSARY: &str = "adversary";

/// The mean of −log p(y) of the adversary on the source, equation 29 without γ.
///
/// Shapes: `logits` is `[batch, classes]`, `labels` are the head's predictions; the result is
/// `[1]`.
pub fn agreement_loss(logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let [_, classes] = logits.dims();
    let chosen = one_hot(labels, classes, &logits);
    mean((log_softmax(logits, 1) * chosen).sum_dim(1).neg())
}

/// The mean of −log(1 − p(y)) of the adversary on the target, equation 30, from the logarithms of
/// sums and so without loss where p(y) is nearly 1. Shapes as [`agreement_loss`].
pub fn contradiction_loss(logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let [_, classes] = logits.dims();
    let chosen = one_hot(labels, classes, &logits);
    // So far down that its exponential is 0, whatever the others are.
    let others = logits.clone() - chosen.mul_scalar(1e30);
    mean(log_sum_exp(logits) - log_sum_exp(others))
}

fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let largest = logits.clone().detach().max_dim(1);
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

/// The adversary minimises γ·[`agreement_loss`] + [`contradiction_loss`]; a reversed gradient makes
/// the backbone maximise it.
#[derive(Clone, Debug, PartialEq)]
pub struct Mdd {
    pub weight: f64,
    /// γ, the exponential of the margin.
    pub margin: f64,
    /// What λ rises to.
    pub lambda: f64,
    /// The width of the adversary's hidden layer.
    pub hidden: usize,
}

impl Default for Mdd {
    /// The paper's γ = 4, and λ up to .1.
    fn default() -> Self {
        Self { weight: 1.0, margin: 4.0, lambda: 0.1, hidden: 256 }
    }
}

impl Method for Mdd {
    fn name(&self) -> &'static str {
        "mdd"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn networks(&self, sizes: Sizes) -> Vec<NetworkShape> {
        let widths = vec![sizes.features, self.hidden, sizes.classes];
        vec![NetworkShape::classifier(ADVERSARY, widths)]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let adversary = step.network(ADVERSARY)?;
        let lambda = self.lambda * rising_lambda(step.progress, 10.0);
        let (source, target) = (step.source()?, step.target()?);
        let answer =
            |features: &Tensor<2>| adversary.forward(reverse_gradient(features.clone(), lambda));
        let agreement = agreement_loss(answer(&source.features), &predictions(&source.logits)?);
        let contradiction =
            contradiction_loss(answer(&target.features), &predictions(&target.logits)?);
        Ok(Terms::default()
            .with("agreement", self.weight * self.margin, agreement)
            .with("contradiction", self.weight, contradiction)
            .note("lambda", lambda))
    }
}
