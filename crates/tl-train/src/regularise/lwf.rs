//! Learning without forgetting: heads of earlier tasks go on answering as they did (Li and Hoiem 2016, arXiv 1606.09282, section 3;
//! the temperature of Hinton et al. 2015, arXiv 1503.02531).
//!
//! For the new task's examples, of which the earlier tasks know nothing, beside the loss stands
//! `λ · mean over heads k and batch of T² · KL(softmax(z_k/T) ‖ softmax(y_k/T))`: `z_k = W_k·a⁰ + b_k` what the head of the earlier
//! task `k` says of the vector `a⁰` of the network that the run began with, whose statistics and dropout stand still,
//! `y_k = W_k·a + b_k` of that of the network now. The heads stand still.
//!
//! The paper's own loss is the cross-entropy of both, raised to `1/T` and made to sum to 1; it differs by the factor `T²`, which keeps the
//! gradients' size, and by a constant, so that what has not moved costs nothing.
//!
//! The gradient in `y_k` is `T · (softmax(y_k/T) − softmax(z_k/T)) / (batch · heads)`. It is computed so, without a graph: where
//! nothing has moved it is 0 to the last bit.

use burn::prelude::*;
use burn::tensor::activation::log_softmax;

use super::earlier::StandingHead;

/// How far the answers of `heads` for the vectors `now` are from those for `before`, both `[batch, width]`, `before` plain; of
/// shape `[1]`.
pub(super) fn distance(
    now: Tensor<2>,
    before: Tensor<2>,
    heads: &[StandingHead],
    temperature: f64,
) -> Tensor<1> {
    let device = now.device().without_autodiff();
    let standing = now.clone().without_autodiff();
    let [batch, _] = standing.dims();
    let share = 1.0 / (batch * heads.len()).max(1) as f64;
    let mut value = Tensor::<1>::zeros([1], &device);
    let mut slope = standing.zeros_like();
    for head in heads {
        let of = |vectors: &Tensor<2>| {
            log_softmax(head.logits(vectors.clone()).div_scalar(temperature), 1)
        };
        let (said, says) = (of(&before), of(&standing));
        let wanted = said.clone().exp();
        let apart = says.clone().exp() - wanted.clone();
        let own = (wanted * (said - says)).sum();
        value = value + own.mul_scalar(temperature * temperature * share);
        let of_logits = apart.mul_scalar(temperature * share);
        slope = slope + of_logits.matmul(head.weight.clone());
    }
    if !now.is_autodiff() {
        return value;
    }
    // What is multiplied is 0, and its gradient the slope.
    ((now - standing.autodiff()) * slope.autodiff()).sum() + value.autodiff()
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    const NOW: [f64; 6] = [0.5, -1.0, 0.25, 1.5, 0.75, -0.5];
    const BEFORE: [f64; 6] = [0.75, -0.5, 0.0, 1.0, 1.25, -1.0];
    /// Of two classes and of three, over vectors of three values.
    const ONE: ([f64; 6], [f64; 2]) = ([0.4, -0.7, 1.1, 0.3, 0.9, -0.2], [0.1, -0.3]);
    const OTHER: ([f64; 9], [f64; 3]) =
        ([1.0, 0.5, -0.5, -1.5, 0.2, 0.8, 0.6, -0.9, 0.7], [0.0, 0.2, -0.1]);
    const T: f64 = 2.0;

    fn narrow(values: &[f64]) -> Vec<f32> {
        values.iter().map(|value| *value as f32).collect()
    }

    fn rows(values: &[f64], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(narrow(values), [values.len() / 3, 3]), device)
    }

    fn heads(device: &Device) -> Vec<StandingHead> {
        let of = |weight: &[f64], bias: &[f64]| StandingHead {
            weight: rows(weight, device),
            bias: Tensor::from_floats(narrow(bias).as_slice(), device),
        };
        vec![of(&ONE.0, &ONE.1), of(&OTHER.0, &OTHER.1)]
    }

    fn log_probabilities(vector: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let logit = |(row, bias): (&[f64], &f64)| {
            (row.iter().zip(vector).map(|(w, x)| w * x).sum::<f64>() + bias) / T
        };
        let logits: Vec<f64> = weight.chunks(3).zip(bias).map(logit).collect();
        let whole = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        logits.into_iter().map(|logit| logit - whole).collect()
    }

    /// The formula in f64.
    fn reference(now: &[f64; 6]) -> f64 {
        let of = |weight: &[f64], bias: &[f64]| -> f64 {
            let rows = now.chunks(3).zip(BEFORE.chunks(3));
            rows.map(|(now, before)| {
                let says = log_probabilities(now, weight, bias);
                let said = log_probabilities(before, weight, bias);
                said.iter().zip(says).map(|(said, says)| said.exp() * (said - says)).sum::<f64>()
            })
            .sum()
        };
        T * T * (of(&ONE.0, &ONE.1) + of(&OTHER.0, &OTHER.1)) / 4.0
    }

    #[test]
    fn value_and_gradient_are_those_of_the_formula() {
        let device = Device::flex();
        let now = rows(&NOW, &device.clone().autodiff()).require_grad();
        let found = distance(now.clone(), rows(&BEFORE, &device), &heads(&device), T);
        let value = found.clone().into_data().try_to_vec::<f32>().unwrap()[0];
        assert!(value > 0.01, "{value}");
        assert!((f64::from(value) - reference(&NOW)).abs() < 2e-6, "{value}");
        let gradients = found.mul_scalar(3.0).backward();
        let found = now.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut now = NOW;
                now[place] += by;
                reference(&now)
            };
            let expected = 3.0 * (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
    }

    #[test]
    fn what_has_not_moved_costs_nothing_to_the_last_bit() {
        let device = Device::flex();
        let now = rows(&NOW, &device.clone().autodiff()).require_grad();
        let found = distance(now.clone(), rows(&NOW, &device), &heads(&device), T);
        assert_eq!(found.clone().into_data().try_to_vec::<f32>().unwrap(), [0.0]);
        let gradient = now.grad(&found.backward()).unwrap().into_data();
        assert!(gradient.try_to_vec::<f32>().unwrap().iter().all(|slope| *slope == 0.0));
    }
}
