//! The loss of a step.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::log_sigmoid;

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

/// The mean over batch and classes of `−w·y·ln σ(z) − (1 − y)·ln(1 − σ(z))`, for logits `z`, answers `y` of 0 or 1 and a weight
/// `w` of each class for its 1s; PyTorch's `BCEWithLogitsLoss` with `pos_weight`.
///
/// Shapes: `logits` is `[batch, classes]`, `wanted` has `batch · classes` entries in row order, `weights` has `classes`; the
/// result is `[1]`.
pub fn binary_cross_entropy(
    logits: Tensor<2>,
    wanted: &[f32],
    weights: Option<&[f32]>,
) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let mut wanted = wanted.to_vec();
    wanted.resize(batch * classes, 0.0);
    let weight = |at: usize| {
        let own = weights.and_then(|weights| weights.get(at % classes.max(1)));
        own.copied().unwrap_or(1.0)
    };
    let ones = wanted.iter().enumerate().map(|(at, wanted)| weight(at) * wanted).collect();
    let zeros = wanted.iter().map(|wanted| 1.0 - wanted).collect();
    let device = logits.device().without_autodiff();
    let constant = |values: Vec<f32>| {
        let values = Tensor::<2>::from_data(TensorData::new(values, [batch, classes]), &device);
        if logits.is_autodiff() { values.autodiff() } else { values }
    };
    let (ones, zeros) = (constant(ones), constant(zeros));
    let kept = log_sigmoid(logits.clone()) * ones + log_sigmoid(logits.neg()) * zeros;
    kept.mean().neg()
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

    const LOGITS: [f32; 6] = [0.5, -2.0, 30.0, 0.0, 1.25, -40.0];
    const WANTED: [f32; 6] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
    const WEIGHTS: [f32; 3] = [2.0, 0.5, 3.0];

    fn table(values: &[f32]) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), [2, 3]);
        Tensor::from_data(data, &Device::flex()).autodiff().require_grad()
    }

    /// In f64, by `ln(1 + eˣ)`.
    fn by_hand(logits: &[f32], weights: [f64; 3]) -> f64 {
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let each = logits.iter().zip(WANTED).enumerate().map(|(at, (logit, wanted))| {
            let (z, y) = (f64::from(*logit), f64::from(wanted));
            weights[at % 3] * y * softplus(-z) + (1.0 - y) * softplus(z)
        });
        each.sum::<f64>() / 6.0
    }

    #[test]
    fn the_binary_cross_entropy_is_that_of_a_closed_form_for_large_logits_too() {
        for (weights, factors) in [(None, [1.0; 3]), (Some(&WEIGHTS[..]), WEIGHTS.map(f64::from))] {
            let found = scalar(binary_cross_entropy(table(&LOGITS), &WANTED, weights)).unwrap();
            let expected = by_hand(&LOGITS, factors);
            assert!((found - expected).abs() < 1e-5 * expected, "{found} and {expected}");
            let plain = binary_cross_entropy(table(&LOGITS).without_autodiff(), &WANTED, weights);
            assert!((scalar(plain).unwrap() - expected).abs() < 1e-5 * expected);
        }
    }

    #[test]
    fn the_gradient_of_the_binary_cross_entropy_is_that_of_differences() {
        let tracked = table(&LOGITS);
        let gradients = binary_cross_entropy(tracked.clone(), &WANTED, Some(&WEIGHTS)).backward();
        let gradient = tracked.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, slope) in gradient.iter().enumerate() {
            let moved = |by: f32| {
                let mut values = LOGITS;
                values[place] += by;
                by_hand(&values, WEIGHTS.map(f64::from))
            };
            // Of logits that are multiples of 1/4 the steps are exact.
            let slopes = (moved(1.0 / 128.0) - moved(-1.0 / 128.0)) * 64.0;
            assert!((slopes - f64::from(*slope)).abs() < 1e-4, "{place}: {slopes} and {slope}");
        }
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
