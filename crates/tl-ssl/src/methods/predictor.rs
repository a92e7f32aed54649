//! Methods in which one view's vector predicts the other's: a projector, a predictor, and targets through which no
//! gradient goes.

use burn::module::Module;
use burn::prelude::*;

use crate::projector::{Norms, Projector};
use crate::vectors::unit;

/// A projector and what predicts from its vectors.
#[derive(Module, Debug)]
pub struct Predicting {
    pub projector: Projector,
    pub predictor: Projector,
}

impl Predicting {
    /// A projector of `widths` from the embedding on, and a predictor with one hidden layer of `hidden` values.
    pub(super) fn new(
        widths: &[usize],
        norms: Norms,
        hidden: usize,
        name: &str,
        seed: u64,
        device: &Device,
    ) -> Self {
        let vector = widths.last().copied().unwrap_or_default();
        let predictor = [vector, hidden, vector];
        let projector = Projector::new(widths, norms, &format!("{name}.projector"), seed, device);
        let name = format!("{name}.predictor");
        let predictor = Projector::new(&predictor, Norms::Hidden, &name, seed, device);
        Self { projector, predictor }
    }
}

/// `−mean cos(p, z)` over the images, with no gradient through the target: equation 1 of SimSiam (Chen and He
/// 2020).
///
/// `predicted` and `target` are `[n, width]`; the result is `[1]`.
pub fn negative_cosine(predicted: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    (unit(predicted) * unit(target.detach())).sum_dim(1).mean().mul_scalar(-1.0)
}
