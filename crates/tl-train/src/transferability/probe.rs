//! A linear head, measured on other examples.

use crate::fit::CANDIDATES;
use crate::logistic::{Examples, LogisticError, Options, fit_chosen};

/// The best accuracy on `others` of logistic regression on `examples`, over the strengths of its penalty that a probe chooses
/// among. Every class has one of `examples` at least.
///
/// # Errors
/// As [`fit_chosen`].
pub fn probe_accuracy(
    examples: Examples<'_>,
    others: Examples<'_>,
    classes: usize,
) -> Result<f64, LogisticError> {
    let chosen = fit_chosen(examples, others, classes, &CANDIDATES, &Options::default())?;
    let best = chosen.candidates.iter().map(|it| it.validation_accuracy);
    Ok(best.fold(0.0, f64::max))
}
