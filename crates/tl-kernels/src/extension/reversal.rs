//! Gradient reversal as an operation that Burn dispatches.

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;

use super::nodes::{Kept, Parents};

/// See [`crate::reverse_gradient`].
#[backend_extension(Flex, Autodiff)]
pub trait Reversal: Backend {
    fn reversal_unit(x: FloatTensor<Self>, lambda: f64) -> FloatTensor<Self>;
}

impl Reversal for Flex {
    fn reversal_unit(x: FlexTensor, _: f64) -> FlexTensor {
        x
    }
}

#[derive(Clone, Debug)]
struct Reversed {
    lambda: f64,
}

impl Kept for Reversed {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        vec![Some(Flex::float_mul_scalar(gradient, (-self.lambda).into()))]
    }
}

impl<C: CheckpointStrategy> Reversal for Autodiff<Flex, C> {
    fn reversal_unit(x: FloatTensor<Self>, lambda: f64) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let (values, _) = parents.take(x);
        parents.record::<C>(Reversed { lambda }, values)
    }
}

pub(super) fn reverse<const D: usize>(x: Tensor<D>, lambda: f64) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::reversal_unit(x.into_dispatch(), lambda))
}
