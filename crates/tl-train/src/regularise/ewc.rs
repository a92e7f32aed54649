//! Elastic weight consolidation: how much a weight matters is how much the answers hang on it (Kirkpatrick et al. 2017, arXiv
//! 1612.00796, equation 3; Schwarz et al. 2018, arXiv 1805.06370, for several tasks).
//!
//! `F = mean over examples x of (∂ log p(y|x) / ∂w)²` with `y` drawn from the network's own answer `p(·|x)`: the diagonal of the Fisher
//! information at the weights after the task. The next task then pays `λ/2 · Σ F · (w − w*)²`.

use burn::prelude::*;
use tl_core::{Backbone, Head, Model, rng};
use tl_kernels::cross_entropy;

use super::importance::mean_over_items;
use crate::ema::Snapshot;
use crate::metrics::softmax;
use crate::{Dataset, TrainError};

/// The diagonal of the Fisher information over `items`, one example at a time; `model` stands on the autodiff device with its flags
/// set. What is drawn follows from the seed and the item.
///
/// # Errors
/// Items that cannot be read, a device that fails.
pub(super) fn fisher<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    seed: u64,
    device: &Device,
) -> Result<Snapshot, TrainError> {
    let loss = |logits: Tensor<2>, item: usize| -> Result<Tensor<1>, TrainError> {
        let [_, classes] = logits.dims();
        let row = tl_core::parameters::values(logits.clone().without_autodiff().reshape([classes]));
        let answer = drawn(&softmax(&row.map_err(TrainError::Device)?), seed, item);
        Ok(cross_entropy(logits, &[answer], 0.0))
    };
    mean_over_items(model, data, items, device, loss, |gradient| gradient.powi_scalar(2))
}

/// A class by its probability.
fn drawn(probabilities: &[f64], seed: u64, item: usize) -> usize {
    let mut left = rng(seed, "answer", 0, item as u64).between(0.0, 1.0);
    for (class, probability) in probabilities.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return class;
        }
    }
    probabilities.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_drawn_as_often_as_they_are_likely() {
        let count = (0..4000).filter(|&item| drawn(&[0.2, 0.5, 0.3], 3, item) == 1).count();
        // Five deviations of a share of one half over 4,000 draws.
        assert!((count as f64 / 4000.0 - 0.5).abs() < 5.0 * 0.5 / 4000f64.sqrt(), "{count}");
        assert_eq!(drawn(&[0.0, 0.0], 1, 1), 1);
    }
}
