//! Test entropy minimisation (Wang et al. 2021, arXiv 2006.10726): on the target, the norms take
//! the statistics of each batch, and their scales and shifts learn to give sure answers.

use burn::prelude::*;

use super::pieces::{mean, row_entropy};
use crate::contract::{Method, Round, Step, Terms, Trains};
use crate::{AdaptError, Validator};

/// The mean entropy of the predictions, equation 1. Shapes: `[batch, classes]` to `[1]`.
pub fn entropy_loss(logits: Tensor<2>) -> Tensor<1> {
    mean(row_entropy(logits))
}

/// Begins from a network that was trained on the source: give the plan a phase for that, and the
/// next one the norm policy `Train`. For a stream of batches without an end see
/// [`crate::test_time`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tent;

impl Tent {
    /// The one round of a step.
    pub const ROUND: Round = Round { backbone: Trains::NormAffine, ..Round::TARGET_ALONE };
}

impl Method for Tent {
    fn name(&self) -> &'static str {
        "tent"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &Validator::CERTAINTY
    }

    fn rounds(&self) -> Vec<Round> {
        vec![Self::ROUND]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let loss = entropy_loss(step.target()?.logits.clone());
        Ok(Terms::default().with("entropy", 1.0, loss))
    }

    fn adapts_norms(&self) -> bool {
        true
    }
}
