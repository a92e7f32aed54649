//! Memory aware synapses: how much a weight matters is how far the answers move with it (Aljundi et al. 2018, arXiv 1711.09601,
//! equations 3 and 5).
//!
//! `Ω = mean over examples of |∂ ‖f(x)‖² / ∂w|` with the logits `f`: no label is needed. The next task then pays
//! `λ/2 · Σ Ω · (w − w*)²`.

use burn::prelude::*;
use tl_core::{Backbone, Head, Model};

use super::importance::mean_over_items;
use crate::ema::Snapshot;
use crate::{Dataset, TrainError};

/// How far the squared length of the logits moves with each value, over `items`.
///
/// # Errors
/// Items that cannot be read, a device that fails.
pub(super) fn sensitivity<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    device: &Device,
) -> Result<Snapshot, TrainError> {
    let loss = |logits: Tensor<2>, _: usize| Ok(logits.powi_scalar(2).sum());
    mean_over_items(model, data, items, device, loss, Tensor::abs)
}
