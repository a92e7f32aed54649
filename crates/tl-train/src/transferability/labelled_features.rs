//! Features and labels that scores can be computed of.

use std::sync::OnceLock;

use super::ScoreError;
use super::directions::Directions;

/// Features `[n, width]` in row order, and the label of each row: finite, and of two classes at least. What several scores need
/// is computed once.
#[derive(Clone, Debug)]
pub struct LabelledFeatures {
    values: Vec<f64>,
    width: usize,
    /// The class of each example among those that have examples.
    labels: Vec<usize>,
    /// Examples of each of those.
    counts: Vec<usize>,
    plain: OnceLock<Result<Directions, ScoreError>>,
    centred: OnceLock<Result<Directions, ScoreError>>,
}

impl LabelledFeatures {
    /// Takes `features` `[n, width]` in row order and the class of each row, below `classes`; classes without an example count
    /// for nothing.
    ///
    /// # Errors
    /// No example, shapes that do not fit, a label out of range, a single class, a value that no f32 is.
    pub fn new<T: Copy + Into<f64>>(
        features: &[T],
        labels: &[usize],
        classes: usize,
    ) -> Result<Self, ScoreError> {
        let (values, examples) = (features.len(), labels.len());
        if values == 0 || examples == 0 {
            return Err(ScoreError::Empty);
        }
        if !values.is_multiple_of(examples) {
            return Err(ScoreError::Shape { what: "feature values", values, examples });
        }
        let (labels, counts) = present(labels, classes)?;
        let width = values / examples;
        let values: Vec<f64> = features.iter().map(|value| (*value).into()).collect();
        // Their fourth powers are added up.
        let sound = |value: &f64| value.abs() <= f64::from(f32::MAX);
        if let Some(place) = values.iter().position(|value| !sound(value)) {
            let (example, feature, value) = (place / width, place % width, values[place]);
            return Err(ScoreError::NonFinite { example, feature, value });
        }
        let (plain, centred) = (OnceLock::new(), OnceLock::new());
        Ok(Self { values, width, labels, counts, plain, centred })
    }

    /// Examples.
    pub fn examples(&self) -> usize {
        self.labels.len()
    }

    /// The width of the features.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The class of each example among those that have examples.
    pub(super) fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// How many examples each class has; none has 0.
    pub(super) fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The values with the mean of each feature taken off.
    pub(super) fn centred_values(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.width];
        for row in self.values.chunks_exact(self.width) {
            means.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
        }
        means.iter_mut().for_each(|mean| *mean /= self.examples() as f64);
        let rows = self.values.chunks_exact(self.width);
        rows.flat_map(|row| row.iter().zip(&means).map(|(value, mean)| value - mean)).collect()
    }

    /// The directions of the features as they are.
    pub(super) fn directions(&self) -> Result<&Directions, ScoreError> {
        let found = self.plain.get_or_init(|| Directions::of(&self.values, self));
        found.as_ref().map_err(Clone::clone)
    }

    /// The directions of the features less their mean.
    pub(super) fn centred_directions(&self) -> Result<&Directions, ScoreError> {
        let found = self.centred.get_or_init(|| Directions::of(&self.centred_values(), self));
        found.as_ref().map_err(Clone::clone)
    }
}

/// Labels as numbers among the classes that occur, and how often each does.
pub(super) fn present(
    labels: &[usize],
    classes: usize,
) -> Result<(Vec<usize>, Vec<usize>), ScoreError> {
    let mut counts = vec![0usize; classes];
    for (example, &label) in labels.iter().enumerate() {
        match counts.get_mut(label) {
            Some(count) => *count += 1,
            None => return Err(ScoreError::Label { example, label, classes }),
        }
    }
    let mut numbers = vec![0; classes];
    let mut occurring = Vec::new();
    for (number, count) in numbers.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
        *number = occurring.len();
        occurring.push(count);
    }
    match occurring.len() {
        0 => Err(ScoreError::Empty),
        1 => Err(ScoreError::OneClass),
        _ => Ok((labels.iter().map(|&label| numbers[label]).collect(), occurring)),
    }
}
