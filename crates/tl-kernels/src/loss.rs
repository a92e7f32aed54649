//! Cross-entropy with label smoothing.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::log_softmax;

/// The mean over the batch of `−Σ_k q_k·log softmax(z)_k`, where the target `q` is `1 − s` on the label
/// plus `s / K` on every class (Szegedy et al. 2016, section 7; PyTorch's `CrossEntropyLoss` with
/// `label_smoothing`).
///
/// Shapes: `logits` is `[batch, classes]`, `labels` has `batch` entries below `classes`; the result is
/// `[1]`.
pub fn cross_entropy(logits: Tensor<2>, labels: &[usize], smoothing: f64) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::extension::runs_on_flex(&logits) && fit(logits.dims(), labels) {
        let labels = labels.iter().map(|&label| label as u32).collect();
        return crate::extension::cross_entropy_unit(logits, labels, smoothing as f32);
    }
    composed_cross_entropy(logits, labels, smoothing)
}

/// The same where each class weighs differently, as PyTorch's `CrossEntropyLoss` with `weight` has it:
/// `−Σ_i Σ_k w_k·q_ik·log softmax(z_i)_k / Σ_i w_{y_i}`, of Burn's operations.
///
/// Shapes as there; `weights` has an entry for each class.
pub fn weighted_cross_entropy(
    logits: Tensor<2>,
    labels: &[usize],
    smoothing: f64,
    weights: &[f32],
) -> Tensor<1> {
    let weight = |class: usize| f64::from(weights.get(class).copied().unwrap_or(1.0));
    let sum: f64 = labels.iter().map(|&label| weight(label)).sum();
    let device = logits.device().without_autodiff();
    let columns = TensorData::new(
        (0..logits.dims()[1]).map(|it| weight(it) as f32).collect(),
        [1, logits.dims()[1]],
    );
    let columns = Tensor::<2>::from_data(columns, &device);
    let columns = if logits.is_autodiff() { columns.autodiff() } else { columns };
    let target = target(&logits, labels, smoothing);
    (log_softmax(logits, 1) * target * columns).sum().mul_scalar(-1.0 / sum)
}

/// Whether every row has a label, and every label is a class.
#[cfg(feature = "flex")]
fn fit([batch, classes]: [usize; 2], labels: &[usize]) -> bool {
    batch == labels.len() && batch > 0 && labels.iter().all(|&label| label < classes)
}

fn composed_cross_entropy(logits: Tensor<2>, labels: &[usize], smoothing: f64) -> Tensor<1> {
    let [batch, _] = logits.dims();
    let target = target(&logits, labels, smoothing);
    (log_softmax(logits, 1) * target).sum().mul_scalar(-1.0 / batch as f64)
}

/// The targets of all rows, beside the logits.
fn target(logits: &Tensor<2>, labels: &[usize], smoothing: f64) -> Tensor<2> {
    let [batch, classes] = logits.dims();
    let spread = (smoothing / classes as f64) as f32;
    let mut target = vec![spread; batch * classes];
    for (row, &label) in labels.iter().enumerate() {
        if let Some(entry) = target.get_mut(row * classes + label) {
            *entry += (1.0 - smoothing) as f32;
        }
    }
    let device = logits.device().without_autodiff();
    let target = Tensor::<2>::from_data(TensorData::new(target, [batch, classes]), &device);
    if logits.is_autodiff() { target.autodiff() } else { target }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    const CLASSES: usize = 7;

    fn logits(batch: usize) -> Tensor<2> {
        let values: Vec<f32> =
            (0..batch * CLASSES).map(|it| (it as f32 * 1.7).sin() * 4.0).collect();
        let data = TensorData::new(values, [batch, CLASSES]);
        Tensor::from_data(data, &Device::flex()).autodiff().require_grad()
    }

    type Loss = fn(Tensor<2>, &[usize], f64) -> Tensor<1>;

    /// The loss, and the gradient of three times the loss.
    fn both_ways(loss: Loss, batch: usize, smoothing: f64) -> (f32, Vec<f32>) {
        let logits = logits(batch);
        let labels: Vec<usize> = (0..batch).map(|row| row * 3 % CLASSES).collect();
        let loss = loss(logits.clone(), &labels, smoothing);
        let value = loss.clone().into_scalar::<f32>();
        let gradients = loss.mul_scalar(3.0).backward();
        (value, logits.grad(&gradients).unwrap().into_data().try_to_vec().unwrap())
    }

    #[test]
    fn loss_and_gradient_equal_the_composition() {
        for (batch, smoothing) in [(1, 0.0), (5, 0.1), (64, 1.0)] {
            let (loss, gradient) = both_ways(cross_entropy, batch, smoothing);
            let (expected, slopes) = both_ways(composed_cross_entropy, batch, smoothing);
            assert!((loss - expected).abs() <= 1e-6 * expected, "{loss} should be {expected}");
            for (found, expected) in gradient.iter().zip(&slopes) {
                assert!((found - expected).abs() <= 1e-6, "{found} should be {expected}");
            }
        }
    }

    #[test]
    fn classes_weigh_as_their_examples_repeated_would() {
        // Rows of class k that stand there w_k times are what the weight w_k means.
        let (labels, weights) = ([0usize, 2, 1, 2], [2.0, 1.0, 3.0, 1.0, 1.0, 1.0, 1.0]);
        let rows: Vec<usize> = vec![0, 0, 1, 1, 1, 2, 3, 3, 3];
        let logits = logits(4);
        let repeated: Vec<Tensor<2>> =
            rows.iter().map(|row| logits.clone().narrow(0, *row, 1)).collect();
        let of_rows: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
        let expected = cross_entropy(Tensor::cat(repeated, 0), &of_rows, 0.0);
        let found = weighted_cross_entropy(logits.clone(), &labels, 0.0, &weights);
        let off = (found.clone() - expected.clone()).abs().into_scalar::<f32>();
        assert!(off < 1e-6, "{off:.1e}");
        let of = |loss: Tensor<1>| logits.grad(&loss.backward()).unwrap();
        let off = (of(found) - of(expected)).abs().max().into_scalar::<f32>();
        assert!(off < 1e-6, "gradient {off:.1e}");
        let even = weighted_cross_entropy(logits.clone(), &labels, 0.1, &[5.0; CLASSES]);
        let plain = cross_entropy(logits, &labels, 0.1);
        assert!((even - plain).abs().into_scalar::<f32>() < 1e-6);
    }

    #[test]
    fn a_plain_tensor_has_the_same_loss() {
        let labels = [0, 3, 6];
        let tracked = cross_entropy(logits(3), &labels, 0.1).into_scalar::<f32>();
        let plain = cross_entropy(logits(3).without_autodiff(), &labels, 0.1);
        assert_eq!(plain.into_scalar::<f32>().to_bits(), tracked.to_bits());
    }
}
