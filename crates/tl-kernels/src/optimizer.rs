//! Steps of an optimizer by the fastest operations of the device.

use burn::prelude::*;
use tl_core::optimizer::{Composed, OptimizerKernel, Slot, StepNumbers};

/// Steps in one pass over memory on a flex device, and by Burn's own operations on every other.
///
/// On flex a parameter is stepped where it lies, unless something else holds its tensor.
#[derive(Clone, Copy, Debug)]
pub struct Fused;

impl OptimizerKernel for Fused {
    fn step(&self, slot: Slot, gradient: Tensor<1>, numbers: StepNumbers) -> Slot {
        #[cfg(feature = "flex")]
        if crate::extension::optimizer::handles(&slot, &gradient) {
            return crate::extension::optimizer::step(slot, gradient, numbers);
        }
        Composed.step(slot, gradient, numbers)
    }

    fn sum_of_squares(&self, values: Tensor<1>) -> Result<f64, String> {
        #[cfg(feature = "flex")]
        if let Some(sum) = crate::extension::optimizer::sum_of_squares(values.clone()) {
            return Ok(sum);
        }
        Composed.sum_of_squares(values)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use tl_core::OptimizerConfig;

    use super::*;

    fn list(tensor: Tensor<1>) -> Vec<f32> {
        tl_core::parameters::values(tensor).unwrap()
    }

    fn wave(length: usize, by: f32) -> Tensor<1> {
        let values: Vec<f32> = (0..length).map(|index| (index as f32 * by).sin()).collect();
        Tensor::from_floats(values.as_slice(), &Device::flex())
    }

    fn configurations() -> Vec<OptimizerConfig> {
        let sgd =
            |momentum, nesterov| OptimizerConfig::Sgd { momentum, nesterov, weight_decay: 0.0 };
        let (adamw, lars) = (OptimizerConfig::default(), OptimizerConfig::lars());
        vec![sgd(0.0, false), sgd(0.9, false), sgd(0.9, true), adamw, lars]
    }

    fn first_step(config: OptimizerConfig) -> StepNumbers {
        StepNumbers { config, rate: 0.1, weight_decay: 0.0, rank: 1, step: 1, scale: 1.0 }
    }

    #[test]
    fn fused_steps_are_those_composed_of_operations() {
        for config in configurations() {
            let start = Slot { value: wave(1000, 0.37), first: None, second: None };
            let (mut fused, mut composed) = (start.clone(), start);
            for step in 1..=3 {
                let gradient = wave(1000, 0.11 * step as f32);
                let numbers = StepNumbers {
                    config,
                    rate: 0.05,
                    weight_decay: 0.1,
                    rank: 2,
                    step,
                    scale: 0.5,
                };
                fused = Fused.step(fused, gradient.clone(), numbers);
                composed = Composed.step(composed, gradient, numbers);
            }
            let pairs = [
                (Some(fused.value), Some(composed.value)),
                (fused.first, composed.first),
                (fused.second, composed.second),
            ];
            for (fused, composed) in pairs {
                assert_eq!(fused.is_some(), composed.is_some(), "{config:?}");
                let (Some(fused), Some(composed)) = (fused, composed) else { continue };
                let largest =
                    |values: &[f32]| values.iter().fold(0f32, |most, x| most.max(x.abs()));
                let (fused, composed) = (list(fused), list(composed));
                let difference: Vec<f32> =
                    fused.iter().zip(&composed).map(|(a, b)| a - b).collect();
                assert!(largest(&difference) <= 1e-6 * largest(&composed), "{config:?}");
            }
        }
    }

    #[test]
    fn a_parameter_that_something_else_holds_is_not_changed_there() {
        for config in configurations() {
            let value = wave(100, 0.3);
            let (held, before) = (value.clone(), list(value.clone()));
            let numbers = first_step(config);
            let slot = Slot { value, first: None, second: None };
            let stepped = list(Fused.step(slot, wave(100, 0.7), numbers).value);
            assert_eq!(list(held), before, "{config:?}");
            assert_ne!(stepped, before, "{config:?}");
        }
    }

    #[test]
    fn a_parameter_that_nothing_else_holds_stays_where_it_lies() {
        let address = |tensor: &Tensor<1>| {
            tensor.clone().try_into_primitive::<burn::backend::Flex>().unwrap().bytes().as_ptr()
        };
        let value = wave(100, 0.3);
        let place = address(&value);
        let config = OptimizerConfig::sgd();
        let numbers = first_step(config);
        let slot = Slot { value, first: None, second: None };
        assert_eq!(address(&Fused.step(slot, wave(100, 0.7), numbers).value), place);
    }

    #[test]
    fn squares_are_summed_alike() {
        for length in [0, 1, 1000, 100_003] {
            let values = wave(length, 0.01);
            let [fused, composed] = [&Fused as &dyn OptimizerKernel, &Composed]
                .map(|kernel| kernel.sum_of_squares(values.clone()).unwrap());
            assert!((fused - composed).abs() <= 1e-5 * composed, "{length}: {fused} {composed}");
        }
    }
}
