//! What must hold before a head is fitted.

use super::{Examples, LogisticError, Options};

pub(super) fn positive(name: &'static str, value: f64) -> Result<(), LogisticError> {
    // A subnormal C or λ has an infinite inverse.
    if value > 0.0 && value.is_finite() && value.recip().is_finite() {
        Ok(())
    } else {
        Err(LogisticError::Option { name, value })
    }
}

pub(super) fn check_options(options: &Options) -> Result<(), LogisticError> {
    positive("l2", options.l2)?;
    positive("tolerance", options.tolerance)?;
    if options.max_iterations == 0 {
        return Err(LogisticError::Option { name: "max_iterations", value: 0.0 });
    }
    Ok(())
}

pub(super) fn shape(part: &'static str, examples: Examples<'_>, expected: String) -> LogisticError {
    LogisticError::Shape {
        part,
        values: examples.features.len(),
        examples: examples.labels.len(),
        expected,
    }
}

pub(super) fn check_training(
    features: &[f32],
    labels: &[usize],
    classes: usize,
) -> Result<(), LogisticError> {
    check_examples("training", features, labels, classes)?;
    check_classes(labels, classes)
}

/// Whether there is something to tell apart; the labels are among the classes.
pub(super) fn check_classes(labels: &[usize], classes: usize) -> Result<(), LogisticError> {
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    let found = counts.iter().filter(|&&count| count > 0).count();
    if found < 2 {
        return Err(LogisticError::OneClass { found });
    }
    match counts.iter().position(|&count| count == 0) {
        Some(class) => Err(LogisticError::EmptyClass { class }),
        None => Ok(()),
    }
}

pub(super) fn check_examples(
    part: &'static str,
    features: &[f32],
    labels: &[usize],
    classes: usize,
) -> Result<(), LogisticError> {
    if labels.is_empty() || features.is_empty() {
        return Err(LogisticError::Empty { part });
    }
    if !features.len().is_multiple_of(labels.len()) {
        let examples = Examples { features, labels };
        return Err(shape(part, examples, "the same number of them".to_string()));
    }
    check_labels(part, labels, classes)?;
    if let Some(index) = features.iter().position(|value| !sound(*value)) {
        let width = features.len() / labels.len();
        return Err(LogisticError::NonFinite {
            part,
            example: index / width,
            feature: index % width,
            value: features[index],
        });
    }
    Ok(())
}

/// 10¹⁵ squared, times a million features, still fits into f32.
pub(super) fn sound(value: f32) -> bool {
    value.abs() < 1e15
}

pub(super) fn check_labels(
    part: &'static str,
    labels: &[usize],
    classes: usize,
) -> Result<(), LogisticError> {
    match labels.iter().position(|&label| label >= classes) {
        Some(example) => {
            Err(LogisticError::Label { part, example, label: labels[example], classes })
        }
        None => Ok(()),
    }
}
