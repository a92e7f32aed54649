//! Joint adaptation network (Long et al. 2017, arXiv 1605.06636): the discrepancy of features and
//! predictions together.

use burn::prelude::*;
use burn::tensor::activation::softmax;

use super::kernel::{Bandwidth, discrepancy, gaussian};
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// σ² of the kernel between predictions.
const PREDICTIONS: f64 = 0.92 * 0.92;

/// The squared discrepancy under the product of a kernel between features (the widths of
/// [`mmd_loss`](super::mmd_loss)) and one between probabilities (σ = .92), equation 9 in its biased
/// estimate.
///
/// Shapes: features are `[n, d]` and `[m, d]`, logits `[n, k]` and `[m, k]`; the result is `[1]`.
pub fn joint_mmd_loss(features: [Tensor<2>; 2], logits: [Tensor<2>; 2]) -> Tensor<1> {
    let rows = features[0].dims()[0];
    let features = gaussian(Tensor::cat(features.into(), 0), &Bandwidth::MULTIPLE);
    let predictions = softmax(Tensor::cat(logits.into(), 0), 1);
    let predictions = gaussian(predictions, &Bandwidth::Fixed(PREDICTIONS));
    discrepancy(features * predictions, rows)
}

/// The loss on the features that the head multiplies and its answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Jan {
    pub weight: f64,
}

impl Default for Jan {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Method for Jan {
    fn name(&self) -> &'static str {
        "jan"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let (source, target) = (step.source()?, step.target()?);
        let features = [source.features.clone(), target.features.clone()];
        let loss = joint_mmd_loss(features, [source.logits.clone(), target.logits.clone()]);
        Ok(Terms::default().with("joint_mmd", self.weight, loss))
    }
}
