//! The cross-entropy as an operation that Burn dispatches: loss and gradient in one pass.

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_simd::Level;
use tl_simd::cross_entropy::{self, Gradient, Loss};

use super::images::{tensor, values};
use super::nodes::{Kept, Parents};
use crate::memory::unwritten;

/// Losses; see [`crate::loss`] for what they compute.
#[backend_extension(Flex, Autodiff)]
pub trait Losses: Backend {
    fn cross_entropy_unit(
        logits: FloatTensor<Self>,
        labels: Vec<u32>,
        smoothing: f32,
    ) -> FloatTensor<Self>;
}

/// The mean loss, and the gradient of the logits if there is a place for it.
fn mean_loss(
    logits: &FlexTensor,
    labels: &[u32],
    smoothing: f32,
    gradient: Option<&mut [f32]>,
) -> FlexTensor {
    let [rows, classes] = shape(logits);
    let loss = Loss { classes, smoothing, weights: None };
    let mut losses = vec![0.0; rows];
    let scale = 1.0 / rows as f32;
    let gradient = gradient.map(|values| Gradient { scale, values });
    let logits = values(logits);
    cross_entropy::cross_entropy(Level::best(), loss, logits, labels, &mut losses, gradient);
    let sum: f64 = losses.iter().map(|&loss| f64::from(loss)).sum();
    tensor(vec![(sum / rows as f64) as f32], [1])
}

fn shape(logits: &FlexTensor) -> [usize; 2] {
    let shape = logits.layout().shape();
    [shape[0], shape[1]]
}

impl Losses for Flex {
    fn cross_entropy_unit(logits: FlexTensor, labels: Vec<u32>, smoothing: f32) -> FlexTensor {
        mean_loss(&logits.to_contiguous(), &labels, smoothing, None)
    }
}

/// The gradient of the logits, for a loss whose own gradient is 1.
#[derive(Clone, Debug)]
struct Slopes(FlexTensor);

impl Kept for Slopes {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let Self(mut slopes) = self;
        let factor = values(&gradient.to_contiguous()).first().copied().unwrap_or(1.0);
        if factor != 1.0 {
            slopes.storage_mut::<f32>().iter_mut().for_each(|slope| *slope *= factor);
        }
        vec![Some(slopes)]
    }
}

impl<C: CheckpointStrategy> Losses for Autodiff<Flex, C> {
    fn cross_entropy_unit(
        logits: FloatTensor<Self>,
        labels: Vec<u32>,
        smoothing: f32,
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let logits = parents.take(logits).0.to_contiguous();
        let shape = shape(&logits);
        let mut slopes = unwritten(shape[0] * shape[1]);
        let loss = mean_loss(&logits, &labels, smoothing, Some(&mut slopes));
        parents.record::<C>(Slopes(tensor(slopes, shape)), loss)
    }
}

pub(crate) fn cross_entropy(logits: Tensor<2>, labels: Vec<u32>, smoothing: f32) -> Tensor<1> {
    Tensor::from_dispatch(Dispatch::cross_entropy_unit(logits.into_dispatch(), labels, smoothing))
}
