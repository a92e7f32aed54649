//! The loss of a step.

use burn::prelude::*;

pub use tl_kernels::{cross_entropy, weighted_cross_entropy};

/// The one value of a loss.
///
/// # Errors
/// When the device cannot be read.
pub fn scalar(loss: Tensor<1>) -> Result<f64, String> {
    let values = tl_core::parameters::values(loss.without_autodiff())?;
    values.first().map(|value| f64::from(*value)).ok_or_else(|| "an empty loss".into())
}
