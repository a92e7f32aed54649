//! Adaptive feature norm (Xu et al. 2019, arXiv 1811.07456), stepwise: the features of both domains
//! grow longer, a little in each step.

use burn::prelude::*;

use super::pieces::{lengths, mean};
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// The mean of (‖h‖ − (‖h₀‖ + Δr))², where h₀ is h taken as a constant: equation 7.
///
/// Its value is always Δr²; what matters is its gradient, −2Δr along each row's direction. Shapes:
/// `features` is `[batch, width]`; the result is `[1]`.
pub fn norm_growth_loss(features: Tensor<2>, growth: f64) -> Tensor<1> {
    let lengths = lengths(features);
    let difference = lengths.clone() - lengths.detach().add_scalar(growth);
    mean(difference.clone() * difference)
}

/// The loss on the features of both domains.
#[derive(Clone, Debug, PartialEq)]
pub struct Afn {
    pub weight: f64,
    /// Δr
    pub growth: f64,
}

impl Default for Afn {
    /// The paper's weight .05 and Δr = 1.
    fn default() -> Self {
        Self { weight: 0.05, growth: 1.0 }
    }
}

impl Method for Afn {
    fn name(&self) -> &'static str {
        "afn"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let loss = |features: &Tensor<2>| norm_growth_loss(features.clone(), self.growth);
        let both = loss(&step.source()?.features) + loss(&step.target()?.features);
        Ok(Terms::default().with("norm_growth", self.weight, both))
    }
}
