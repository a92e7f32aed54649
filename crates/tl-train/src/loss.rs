//! The loss of a step.

use burn::prelude::*;
use burn::tensor::TensorData;

pub use tl_kernels::{cross_entropy, weighted_cross_entropy};

/// The mean over the batch of `(a − y)²`, for answers `a` and numbers `y`; PyTorch's `MSELoss`.
///
/// Shapes: `answers` is `[batch, 1]`, `numbers` has `batch` entries; the result is `[1]`.
pub fn squared_error(answers: Tensor<2>, numbers: &[f32]) -> Tensor<1> {
    let [batch, _] = answers.dims();
    let mut wanted = numbers.to_vec();
    wanted.resize(batch, 0.0);
    let device = answers.device().without_autodiff();
    let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [batch, 1]), &device);
    let wanted = if answers.is_autodiff() { wanted.autodiff() } else { wanted };
    let errors = answers - wanted;
    (errors.clone() * errors).mean()
}

/// The one value of a loss.
///
/// # Errors
/// When the device cannot be read.
pub fn scalar(loss: Tensor<1>) -> Result<f64, String> {
    let values = tl_core::parameters::values(loss.without_autodiff())?;
    values.first().map(|value| f64::from(*value)).ok_or_else(|| "an empty loss".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(values: &[f32]) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [values.len(), 1]);
        Tensor::from_data(data, &Device::flex()).autodiff().require_grad()
    }

    #[test]
    fn the_squared_error_is_the_mean_of_squares_and_its_gradient_twice_the_errors_over_n() {
        let (given, wanted) = ([0.5f32, -2.0, 3.0, 0.0], [1.5f32, -2.0, -1.0, 0.25]);
        let tracked = answers(&given);
        let loss = squared_error(tracked.clone(), &wanted);
        // (1 + 0 + 16 + 1/16) / 4
        assert_eq!(scalar(loss.clone()).unwrap(), 17.0625 / 4.0);
        let gradient = tracked.grad(&loss.backward()).unwrap();
        let found = gradient.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(found, [-0.5, 0.0, 2.0, -0.125]);
        let plain = squared_error(answers(&given).without_autodiff(), &wanted);
        assert_eq!(scalar(plain).unwrap(), 17.0625 / 4.0);
    }

    #[test]
    fn the_gradient_of_the_squared_error_is_that_of_differences() {
        let (given, wanted) = ([0.3f32, -1.2, 2.5], [0.1f32, 0.7, -0.4]);
        let value = |values: &[f32]| scalar(squared_error(answers(values), &wanted)).unwrap();
        let tracked = answers(&given);
        let gradients = squared_error(tracked.clone(), &wanted).backward();
        let gradient = tracked.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, slope) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = given;
                values[place] += by;
                value(&values)
            };
            let slopes = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!((slopes - f64::from(*slope)).abs() < 1e-3, "{place}: {slopes} and {slope}");
        }
    }
}
