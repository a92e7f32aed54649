//! Deep CORAL (Sun and Saenko 2016, arXiv 1607.01719): the covariances of both domains' features
//! are brought together.

use burn::prelude::*;

use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// ‖C_S − C_T‖²_F / (4d²), equation 1, with the unbiased covariances of equations 2 and 3.
///
/// Shapes: `source` is `[n, d]`, `target` `[m, d]`; the result is `[1]`. The covariance of a single
/// row is 0.
pub fn coral_loss(source: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let [_, width] = source.dims();
    let difference = covariance(source) - covariance(target);
    let scale = 1.0 / (4.0 * (width * width) as f64);
    // By rows first: a sum over 2048² values at once would depend on the threads' timing.
    (difference.clone() * difference).sum_dim(1).sum().mul_scalar(scale)
}

fn covariance(features: Tensor<2>) -> Tensor<2> {
    let [rows, _] = features.dims();
    let centred = features.clone() - features.mean_dim(0);
    let degrees = rows.saturating_sub(1).max(1) as f64;
    centred.clone().transpose().matmul(centred).div_scalar(degrees)
}

/// The loss on the features that the head multiplies.
#[derive(Clone, Debug, PartialEq)]
pub struct Coral {
    pub weight: f64,
}

impl Default for Coral {
    /// The paper sets the weight so that both losses end up equally large; 1 is where that begins.
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Method for Coral {
    fn name(&self) -> &'static str {
        "coral"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let (source, target) = (&step.source()?.features, &step.target()?.features);
        let loss = coral_loss(source.clone(), target.clone());
        Ok(Terms::default().with("coral", self.weight, loss))
    }
}
