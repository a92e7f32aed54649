//! Deep embedded validation (You et al. 2019, ICML): the source's validation risk, weighted so that
//! it estimates the target's.

use tl_train::logistic::{LinearHead, Options, fit};
use tl_train::metrics::cross_entropy;

use super::thinned;
use crate::AdaptError;
use crate::outputs::{LabelledOutputs, Outputs};

/// Rows of each domain beyond it are thinned for the fit of the domain classifier.
const MOST_ROWS: usize = 2000;

/// Minus the weighted risk with its control variate: −(mean(wℓ) + η·(mean(w) − 1)), η = −cov(wℓ, w)
/// / var(w), where ℓ is the cross-entropy in nats of a validation example and w its density under
/// the target over that under the source.
///
/// # Errors
/// When the domain classifier cannot be fitted.
pub fn deep_embedded_validation(
    training: &Outputs,
    validation: &LabelledOutputs,
    target: &Outputs,
) -> Result<f64, AdaptError> {
    let weights = importance_weights(training, &validation.outputs, target)?;
    let rows = validation.outputs.logit_rows().zip(&validation.labels);
    let losses: Vec<f64> = rows.map(|(row, &label)| cross_entropy(row, label)).collect();
    Ok(-controlled_risk(&weights, &losses))
}

/// mean(wℓ) + η·(mean(w) − 1).
pub(super) fn controlled_risk(weights: &[f64], losses: &[f64]) -> f64 {
    let count = weights.len().max(1) as f64;
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / count;
    let weighted: Vec<f64> = weights.iter().zip(losses).map(|(w, l)| w * l).collect();
    let mean_weight = mean(&mut weights.iter().copied());
    let mean_weighted = mean(&mut weighted.iter().copied());
    let pairs = weighted.iter().zip(weights);
    let covariance = mean(&mut pairs.map(|(wl, w)| (wl - mean_weighted) * (w - mean_weight)));
    let variance = mean(&mut weights.iter().map(|w| (w - mean_weight).powi(2)));
    let eta = if variance > 0.0 { -covariance / variance } else { 0.0 };
    mean_weighted + eta * (mean_weight - 1.0)
}

/// The density of each row of `rows` under the target over that under the source: n_S / n_T ·
/// p(target) / p(source) by a linear domain classifier on the features of `training` and `target`.
///
/// # Errors
/// When the classifier cannot be fitted.
pub fn importance_weights(
    training: &Outputs,
    rows: &Outputs,
    target: &Outputs,
) -> Result<Vec<f64>, AdaptError> {
    let (source, target) = (thinned(training, MOST_ROWS), thinned(target, MOST_ROWS));
    let classifier = domain_classifier(&source.features, &target.features, source.width)?;
    let ratio = source.rows() as f64 / target.rows().max(1) as f64;
    let logits = classifier.logits(&rows.features);
    Ok(logits.chunks_exact(2).map(|z| ratio * f64::from(z[1] - z[0]).exp()).collect())
}

/// A linear classifier: 0 is the source, 1 the target.
pub(crate) fn domain_classifier(
    source: &[f32],
    target: &[f32],
    width: usize,
) -> Result<LinearHead, AdaptError> {
    let (sources, targets) = (source.len() / width.max(1), target.len() / width.max(1));
    let features = [source, target].concat();
    let labels = [vec![0; sources], vec![1; targets]].concat();
    Ok(fit(&features, &labels, 2, &Options::default())?)
}
