//! Steps of an optimizer in one pass over memory, in place where nothing else holds a tensor.

use burn::backend::Flex;
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_core::OptimizerConfig;
use tl_core::optimizer::{Composed, OptimizerKernel, Slot, StepNumbers};
use tl_simd::Level;
use tl_simd::optimizer::{self, AdamW, Sgd};

use super::images::{tensor, values};
use super::runs_on_flex;
use crate::memory::unwritten;

/// Whether `step` is for these tensors.
pub(crate) fn handles(slot: &Slot, gradient: &Tensor<1>) -> bool {
    let dims = gradient.dims();
    let moments = [&slot.first, &slot.second].into_iter().flatten();
    moments.chain([&slot.value, gradient]).all(|it| is_plain_flex(it) && it.dims() == dims)
}

/// The step of tensors that [`handles`] is true of.
pub(crate) fn step(slot: Slot, gradient: Tensor<1>, numbers: StepNumbers) -> Slot {
    let StepNumbers { config, rate, weight_decay, step, scale, .. } = numbers;
    let (level, dims) = (Level::best(), gradient.dims());
    let Slot { value, first, second } = slot;
    let (begins, mut value, gradient) = (first.is_none(), flat(value), flat(gradient));
    let buffer =
        |moment: Option<Tensor<1>>| moment.map_or_else(|| tensor(unwritten(dims[0]), dims), flat);
    match config {
        OptimizerConfig::Sgd { momentum, nesterov, .. } => {
            let settings = Sgd {
                rate,
                momentum,
                dampening: 0.0,
                weight_decay,
                nesterov,
                first: begins,
                scale,
            };
            let mut velocity = (momentum != 0.0).then(|| buffer(first));
            let moments = velocity.as_mut().map(FlexTensor::storage_mut);
            optimizer::sgd(level, value.storage_mut(), values(&gradient), moments, settings);
            Slot { value: wrap(value), first: velocity.map(wrap), second: None }
        }
        OptimizerConfig::AdamW { beta1, beta2, epsilon, .. } => {
            let settings = AdamW { rate, beta1, beta2, epsilon, weight_decay, step, scale };
            let [mut first, mut second] = [first, second].map(buffer);
            let [parameter, first_values, second_values] =
                [&mut value, &mut first, &mut second].map(FlexTensor::storage_mut);
            let gradient = values(&gradient);
            optimizer::adamw(level, parameter, gradient, first_values, second_values, settings);
            Slot { value: wrap(value), first: Some(wrap(first)), second: Some(wrap(second)) }
        }
        // Its norms take as long as its step: little would be won by fusing that alone.
        OptimizerConfig::Lars { .. } => {
            let slot = Slot { value: wrap(value), first, second };
            Composed.step(slot, wrap(gradient), numbers)
        }
    }
}

/// The sum of squares; `None` for a tensor that the kernels are not for.
pub(crate) fn sum_of_squares(tensor: Tensor<1>) -> Option<f64> {
    let flat = is_plain_flex(&tensor).then(|| flat(tensor))?;
    Some(optimizer::sum_of_squares(Level::best(), values(&flat)))
}

fn is_plain_flex(tensor: &Tensor<1>) -> bool {
    !tensor.is_autodiff() && runs_on_flex(tensor)
}

/// The tensor, filling its storage in order.
fn flat(tensor: Tensor<1>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => tensor.to_contiguous(),
        // `is_plain_flex` was true of it.
        Err(_) => unreachable!("a tensor of another device"),
    }
}

fn wrap(tensor: FlexTensor) -> Tensor<1> {
    Tensor::from_primitive::<Flex>(tensor)
}
