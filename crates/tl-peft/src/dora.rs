//! DoRA: the direction of a weight by LoRA, its magnitude by itself (Liu et al. 2024, arXiv 2402.09353, equation 5).
//!
//! `y = m/‖W + s·BA‖ · (W·x + s·B·A·x) + b`, norms over the rows of the weight, `[out]`; they are no part of the gradient
//! (section 4.3). `m` begins as `‖W‖`, so that the first output is that of the weights alone.

use burn::prelude::*;
use tl_kernels::adapter::LowRank;

/// `path` with the magnitudes that `weight`, `[out, in]`, has.
pub(crate) fn begin(path: LowRank, weight: Tensor<2>) -> LowRank {
    let norms = path.norms(weight);
    path.with_magnitude(norms)
}

/// `m/‖V‖ · V` row by row, of `V = W + s·BA`.
pub(crate) fn merged(mut whole: Vec<f64>, magnitude: &[f32]) -> Vec<f64> {
    let width = whole.len() / magnitude.len().max(1);
    for (row, magnitude) in whole.chunks_exact_mut(width.max(1)).zip(magnitude) {
        let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
        row.iter_mut().for_each(|value| *value *= f64::from(*magnitude) / norm);
    }
    whole
}
