//! Batch spectral shrinkage: the smallest singular values of a batch's features shrink (Chen et al. 2019, *Catastrophic
//! Forgetting Meets Negative Transfer*, NeurIPS, equations 4 and 5).
//!
//! Directions of the pretrained features in which a batch hardly differs carry what does not transfer. With the singular values
//! `σ₁ ≥ … ≥ σᵣ` of the features `F`, `[batch, width]` as the head multiplies them, `r = min(batch, width)`, beside the loss stands
//! `η · Σ σ²` over the `k` smallest.
//!
//! `σ²` is an eigenvalue of `F·Fᵀ` (or of `Fᵀ·F`, the smaller one) with an eigenvector `u`, and equal to `‖Fᵀ·u‖²`, whose gradient
//! at a fixed `u` is the eigenvalue's.

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::parameters::values;

use super::symmetric;

/// The sum of the squares of the `count` smallest singular values of `features`, `[batch, width]`; of shape `[1]`.
///
/// # Errors
/// A device that fails.
pub(super) fn shrinkage(features: Tensor<2>, count: usize) -> Result<Tensor<1>, String> {
    let [batch, width] = features.dims();
    // Vectors along the shorter side.
    let short = if batch <= width { features } else { features.transpose() };
    let [rows, columns] = short.dims();
    let plain = values(short.clone().without_autodiff().reshape([rows * columns]))?;
    let vectors =
        symmetric::smallest(&symmetric::gram(&plain, rows, columns), rows, count.min(rows));
    let flat: Vec<f32> = vectors.iter().flatten().map(|value| *value as f32).collect();
    let vectors = TensorData::new(flat, [vectors.len(), rows]);
    let vectors = Tensor::<2>::from_data(vectors, &short.device().without_autodiff());
    let vectors = if short.is_autodiff() { vectors.autodiff() } else { vectors };
    Ok(vectors.matmul(short).powi_scalar(2).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: [f64; 8] = [0.9, -0.3, 1.2, 0.4, 0.2, 0.8, -0.5, 1.1];

    /// The squared singular values of two rows, the larger first, in closed form.
    fn squares(features: &[f64; 8]) -> [f64; 2] {
        let (one, other) = features.split_at(4);
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (a, b, c) = (dot(one, one), dot(one, other), dot(other, other));
        let (middle, half) = ((a + c) / 2.0, (((a - c) / 2.0).powi(2) + b * b).sqrt());
        [middle + half, middle - half]
    }

    fn tensor(shape: [usize; 2], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = FEATURES.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn value(features: Tensor<2>, count: usize) -> f64 {
        f64::from(shrinkage(features, count).unwrap().into_data().try_to_vec::<f32>().unwrap()[0])
    }

    #[test]
    fn the_value_is_the_smallest_squared_singular_value_whichever_side_is_longer() {
        let [larger, smaller] = squares(&FEATURES);
        let wide = tensor([2, 4], &Device::flex());
        let tall = wide.clone().transpose();
        for features in [wide, tall] {
            assert!((value(features.clone(), 1) - smaller).abs() < 1e-6);
            // More than there are: all of them, the square of the Frobenius norm.
            assert!((value(features, 9) - larger - smaller).abs() < 1e-5);
        }
    }

    #[test]
    fn the_gradient_is_that_of_differences() {
        let features = tensor([2, 4], &Device::flex().autodiff()).require_grad();
        let gradients = shrinkage(features.clone(), 1).unwrap().backward();
        let found = features.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut features = FEATURES;
                features[place] += by;
                squares(&features)[1]
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn one_example_has_one_singular_value() {
        let row = Tensor::<2>::from_floats([[3.0, 4.0]], &Device::flex());
        assert!((value(row, 1) - 25.0).abs() < 1e-5);
    }
}
