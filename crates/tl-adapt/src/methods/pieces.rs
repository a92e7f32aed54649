//! What several losses are made of.

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::{log_sigmoid, log_softmax, softmax};

use crate::AdaptError;

/// A constant beside `like`, in its graph if it has one.
pub(crate) fn constant<const D: usize, const E: usize>(
    values: Vec<f32>,
    dims: [usize; D],
    like: &Tensor<E>,
) -> Tensor<D> {
    let device = like.device().without_autodiff();
    let plain = Tensor::from_data(TensorData::new(values, dims), &device);
    if like.is_autodiff() { plain.autodiff() } else { plain }
}

/// −Σ p·log p of each row of `logits` `[batch, classes]`: `[batch, 1]`.
pub(crate) fn row_entropy(logits: Tensor<2>) -> Tensor<2> {
    (softmax(logits.clone(), 1) * log_softmax(logits, 1)).sum_dim(1).neg()
}

/// −Σ p·log p of the mean probabilities of a batch: `[1]`, at most the logarithm of the classes.
pub(crate) fn marginal_entropy(logits: Tensor<2>) -> Tensor<1> {
    let mean = softmax(logits, 1).mean_dim(0);
    // A probability below the smallest f32 is 0, and 0·log 0 is 0.
    (mean.clone() * mean.clamp_min(f32::MIN_POSITIVE).log()).sum().neg()
}

/// The mean of a column `[batch, 1]`: `[1]`.
pub(crate) fn mean(column: Tensor<2>) -> Tensor<1> {
    let rows = column.dims()[0];
    column.sum().div_scalar(rows.max(1) as f64)
}

/// Binary cross-entropy of a domain classifier's answers `[batch, 1]`, above 0 for the source: half
/// the mean over the source of −log σ(z) plus half the mean over the target of −log σ(−z); ln 2 for
/// a classifier that cannot tell.
pub fn domain_loss(source: Tensor<2>, target: Tensor<2>) -> Tensor<1> {
    let (source, target) = (log_sigmoid(source), log_sigmoid(target.neg()));
    (mean(source) + mean(target)).mul_scalar(-0.5)
}

/// The share of rows whose domain the classifier tells, each domain with the same weight.
///
/// # Errors
/// When the device cannot be read.
pub fn domain_accuracy(source: Tensor<2>, target: Tensor<2>) -> Result<f64, AdaptError> {
    let share = |answers: Tensor<2>, right: fn(f32) -> bool| {
        let values = host(answers)?;
        let found = values.iter().filter(|value| right(**value)).count();
        Ok::<_, AdaptError>(found as f64 / values.len().max(1) as f64)
    };
    Ok(0.5 * (share(source, |z| z > 0.0)? + share(target, |z| z <= 0.0)?))
}

/// The values of a tensor on the host, without its graph.
pub(crate) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, AdaptError> {
    let elements = tensor.shape().num_elements();
    tl_core::parameters::values(tensor.without_autodiff().reshape([elements]))
        .map_err(AdaptError::device)
}

/// λ(p) = 2 / (1 + exp(−γp)) − 1: from 0 to nearly 1 as the share `progress` of the steps is done
/// (Ganin et al. 2016, section 5.2.2; γ = 10).
pub fn rising_lambda(progress: f64, gamma: f64) -> f64 {
    2.0 / (1.0 + (-gamma * progress).exp()) - 1.0
}

/// 1 at each row's label, 0 elsewhere: `[rows, classes]`, a constant beside `like`.
pub(crate) fn one_hot(labels: &[usize], classes: usize, like: &Tensor<2>) -> Tensor<2> {
    let mut values = vec![0.0; labels.len() * classes];
    for (row, label) in labels.iter().enumerate().filter(|(_, label)| **label < classes) {
        values[row * classes + label] = 1.0;
    }
    constant(values, [labels.len(), classes], like)
}

/// The likeliest class of each row of logits.
pub(crate) fn predictions(logits: &Tensor<2>) -> Result<Vec<usize>, AdaptError> {
    let [_, classes] = logits.dims();
    let values = host(logits.clone())?;
    Ok(values.chunks_exact(classes.max(1)).map(tl_train::metrics::argmax).collect())
}

/// The length of each row, `[rows, 1]`; a row of zeros has no direction and gets no gradient.
pub(crate) fn lengths(rows: Tensor<2>) -> Tensor<2> {
    (rows.clone() * rows).sum_dim(1).clamp_min(1e-24).sqrt()
}

/// What a method found or drew on the way. It is no setting: neither its `Debug` text nor a
/// comparison says anything of it.
#[derive(Clone, Default)]
pub(crate) struct Found<T>(pub T);

impl<T> PartialEq for Found<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> std::fmt::Debug for Found<T> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("_")
    }
}
