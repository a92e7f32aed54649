//! Gradient reversal.

use burn::prelude::*;

use crate::extension::reversal_unit;

/// The identity on the way forward, bit for bit; on the way back the gradient times `-lambda`
/// (Ganin and Lempitsky 2015, arXiv 1409.7495, equations 11 and 12).
///
/// What comes after it is trained to lower its loss, what comes before it to raise that loss. Any shape;
/// on flex one node of the graph, on every other device Burn's own operations.
pub fn reverse_gradient<const D: usize>(input: Tensor<D>, lambda: f64) -> Tensor<D> {
    reversal_unit(input, lambda)
}
