//! Deep adaptation network (Long et al. 2015, arXiv 1502.02791): the maximum mean discrepancy of
//! the features under several Gaussian kernels.

use burn::prelude::*;

use super::kernel::{Bandwidth, discrepancy, gaussian};
use crate::contract::{Method, Step, Terms};
use crate::{AdaptError, Validator};

/// The squared maximum mean discrepancy under the mean of Gaussian kernels of the widths 2ᵏ times
/// the mean squared distance, k from −3 to 1: equation 1 in its biased estimate, which is 0 for
/// equal batches.
///
/// Shapes: `source` is `[n, d]`, `target` `[m, d]`; the result is `[1]`.
pub fn mmd_loss(source: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let rows = source.dims()[0];
    let kernel = gaussian(Tensor::cat(vec![source, target], 0), &Bandwidth::MULTIPLE);
    discrepancy(kernel, rows)
}

/// The loss on the features that the head multiplies.
#[derive(Clone, Debug, PartialEq)]
pub struct Dan {
    pub weight: f64,
}

impl Default for Dan {
    /// The discrepancy is at most 2 and small between batches that overlap.
    fn default() -> Self {
        Self { weight: 10.0 }
    }
}

impl Method for Dan {
    fn name(&self) -> &'static str {
        "dan"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let (source, target) = (&step.source()?.features, &step.target()?.features);
        let loss = mmd_loss(source.clone(), target.clone());
        Ok(Terms::default().with("mmd", self.weight, loss))
    }
}
