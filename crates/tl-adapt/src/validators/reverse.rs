//! Reverse validation (Zhong et al. 2010; Ganin et al. 2016, section 5.1.2), on features.

use tl_train::logistic::{Options, fit};

use super::thinned;
use crate::AdaptError;
use crate::outputs::{LabelledOutputs, Outputs};

/// Rows of the target beyond it are thinned for the fit.
const MOST_ROWS: usize = 2000;

/// The accuracy on the source's validation part of a linear classifier that is fitted on the
/// target's features and the model's own predictions there. A whole reverse training run, as in the
/// papers, costs as much as the run; this costs a fit.
///
/// # Errors
/// When fewer than two classes are predicted, or the classifier cannot be fitted.
pub fn reverse_validation(
    target: &Outputs,
    validation: &LabelledOutputs,
) -> Result<f64, AdaptError> {
    let target = thinned(target, MOST_ROWS);
    let predicted = target.predictions();
    // The fit wants classes without a gap: those that are predicted.
    let mut classes = predicted.clone();
    classes.sort_unstable();
    classes.dedup();
    let place = |class: usize| classes.binary_search(&class).unwrap_or_default();
    let labels: Vec<usize> = predicted.into_iter().map(place).collect();
    let head = fit(&target.features, &labels, classes.len(), &Options::default())?;
    let found = head.predict(&validation.outputs.features);
    let right = found.iter().zip(&validation.labels).filter(|(f, label)| classes[**f] == **label);
    Ok(right.count() as f64 / found.len().max(1) as f64)
}
