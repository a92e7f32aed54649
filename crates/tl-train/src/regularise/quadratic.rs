//! What pulls weights back to a place: `λ/2 · Σ Ω · (w − w*)²`, whose gradient is `λ · Ω · (w − w*)`.
//!
//! It is added to the gradients after the backward pass; no graph is built for it. At strength 0 nothing is added, not even a zero.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::gradients::change_gradients;

/// Pulls each trained parameter for which `place` knows where it is held, and perhaps how much it matters (Ω, else 1).
pub(super) fn add<M: Module>(
    module: &M,
    gradients: &mut Gradients,
    strength: f64,
    place: impl Fn(&str) -> Option<(Tensor<1>, Option<Tensor<1>>)>,
) {
    if strength == 0.0 {
        return;
    }
    change_gradients(module, gradients, |path, value, gradient| {
        let (place, importance) = place(path)?;
        let far = value - place;
        let pull = match importance {
            Some(importance) => far * importance,
            None => far,
        };
        Some(gradient + pull.mul_scalar(strength))
    });
}

/// The same towards 0, for the parameters that are `chosen`.
pub(super) fn shrink<M: Module>(
    module: &M,
    gradients: &mut Gradients,
    strength: f64,
    chosen: impl Fn(&str) -> bool,
) {
    if strength == 0.0 {
        return;
    }
    change_gradients(module, gradients, |path, value, gradient| {
        chosen(path).then(|| gradient + value.mul_scalar(strength))
    });
}
