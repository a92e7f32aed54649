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
    let target = if logits.is_autodiff() { target.autodiff() } else { target };
    (log_softmax(logits, 1) * target).sum().mul_scalar(-1.0 / batch as f64)
}

/// The one value of a loss.
///
/// # Errors
/// When the device cannot be read.
pub fn scalar(loss: Tensor<1>) -> Result<f64, String> {
    let values = tl_core::parameters::values(loss.without_autodiff())?;
    values.first().map(|value| f64::from(*value)).ok_or_else(|| "an empty loss".into())
}
