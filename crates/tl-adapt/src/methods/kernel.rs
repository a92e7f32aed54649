//! Gaussian kernels between all rows of both domains, for the discrepancies of DAN and JAN.

use burn::prelude::*;

/// The squared widths σ² of a sum of Gaussian kernels exp(−‖x − y‖² / 2σ²).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bandwidth<'a> {
    /// These times the mean squared distance of all pairs, a constant.
    Relative(&'a [f64]),
    /// This one.
    Fixed(f64),
}

impl Bandwidth<'static> {
    /// 2ᵏ for k from −3 to 1.
    pub const MULTIPLE: Self = Bandwidth::Relative(&[0.125, 0.25, 0.5, 1.0, 2.0]);
}

/// The mean kernel between all pairs of `rows` `[n, d]`: `[n, n]`.
pub(crate) fn gaussian(rows: Tensor<2>, bandwidth: &Bandwidth<'_>) -> Tensor<2> {
    let [count, _] = rows.dims();
    let squares = (rows.clone() * rows.clone()).sum_dim(1);
    let products = rows.clone().matmul(rows.transpose());
    let distances = squares.clone() + squares.transpose() - products.mul_scalar(2.0);
    // Rounding leaves less than 0 between rows that are nearly the same.
    let distances = distances.clamp_min(0.0);
    match *bandwidth {
        Bandwidth::Fixed(width) => distances.mul_scalar(-0.5 / width).exp(),
        Bandwidth::Relative(multiples) => {
            let mean =
                distances.clone().detach().sum_dim(1).sum().div_scalar((count * count) as f64);
            let scaled = distances / mean.clamp_min(1e-12).reshape([1, 1]);
            let kernels =
                multiples.iter().map(|multiple| scaled.clone().mul_scalar(-0.5 / multiple).exp());
            let sum = kernels.reduce(|sum, kernel| sum + kernel);
            let sum = sum.unwrap_or_else(|| scaled.zeros_like());
            sum.div_scalar(multiples.len().max(1) as f64)
        }
    }
}

/// mean K(s, s) + mean K(t, t) − 2·mean K(s, t), where the first `sources` rows of the kernel are
/// the source's.
pub(crate) fn discrepancy(kernel: Tensor<2>, sources: usize) -> Tensor<1> {
    let [count, _] = kernel.dims();
    let targets = count - sources;
    let part = |rows: std::ops::Range<usize>, columns: std::ops::Range<usize>| {
        let pairs = (rows.len() * columns.len()).max(1) as f64;
        // By rows first, so that a sum over large batches has one order.
        kernel.clone().slice([rows, columns]).sum_dim(1).sum().div_scalar(pairs)
    };
    let within = part(0..sources, 0..sources) + part(sources..count, sources..count);
    if targets == 0 || sources == 0 {
        return within.zeros_like();
    }
    within - part(0..sources, sources..count).mul_scalar(2.0)
}
