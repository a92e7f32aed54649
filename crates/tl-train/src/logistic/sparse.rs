//! Features of which most are 0: words of texts.

use std::ops::Range;

/// Examples as the features that they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SparseRows {
    width: usize,
    /// Where each example ends among the columns.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseRows {
    /// No example, of `width` features.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Adds an example with these features and their values; a feature beyond the width is left out.
    pub fn push(&mut self, features: impl IntoIterator<Item = (u32, f32)>) {
        let known = features.into_iter().filter(|(column, _)| (*column as usize) < self.width);
        for (column, value) in known {
            self.columns.push(column);
            self.values.push(value);
        }
        self.ends.push(self.columns.len());
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Features of an example.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The values that are not 0, with the number of their example and feature.
    pub(super) fn entries(&self) -> impl Iterator<Item = (usize, usize, f32)> {
        (0..self.len()).flat_map(|row| self.row(row).map(move |(at, value)| (row, at, value)))
    }

    fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        let own = start..self.ends[row];
        let columns = self.columns[own.clone()].iter().map(|column| *column as usize);
        columns.zip(self.values[own].iter().copied())
    }

    /// As [`super::products::scores_into`] for the examples `rows`.
    pub(super) fn scores_into(
        &self,
        rows: Range<usize>,
        weight: &[f32],
        bias: &[f64],
        scores: &mut [f64],
    ) {
        // A head that was read from a file may have no class.
        for (row, scores) in rows.zip(scores.chunks_exact_mut(bias.len().max(1))) {
            scores.copy_from_slice(bias);
            for (column, value) in self.row(row) {
                let own = weight.get(column..).unwrap_or_default();
                let weights = own.iter().step_by(self.width.max(1));
                for (score, weight) in scores.iter_mut().zip(weights) {
                    *score += f64::from(value) * f64::from(*weight);
                }
            }
        }
    }

    /// As [`super::products::add_outer`] for the examples `rows`.
    pub(super) fn add_outer(&self, rows: Range<usize>, slopes: &[f32], sums: &mut [f64]) {
        let classes = sums.len() / self.width;
        for (row, slopes) in rows.zip(slopes.chunks_exact(classes)) {
            for (column, value) in self.row(row) {
                let sums = sums[column..].iter_mut().step_by(self.width);
                for (sum, slope) in sums.zip(slopes) {
                    *sum += f64::from(value) * f64::from(*slope);
                }
            }
        }
    }
}
