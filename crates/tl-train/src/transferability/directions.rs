//! The singular values of features, and how the classes lie along their left singular vectors.

use super::{LabelledFeatures, ScoreError};
use crate::symmetric::{eigen, gram, transposed};

/// Of features `F = U·diag(s)·Vᵀ` `[n, width]` what scores are made of; directions of no extent are left out.
#[derive(Clone, Debug)]
pub(super) struct Directions {
    /// `s²` of each direction.
    pub squares: Vec<f64>,
    /// `[directions, classes]` in row order: `u · 1_c`, with 1 at the examples of class `c` and 0 at all others.
    pub classes: Vec<f64>,
    /// The number of classes.
    pub count: usize,
}

/// Directions whose `s²` is no larger than this share of the largest one are rounding: of singular values a millionth, which is
/// what values of f32 and their sums are good for.
const NEGLIGIBLE: f64 = 1e-12;

impl Directions {
    /// Of `values`, which are `examples`' or these less something.
    ///
    /// The smaller of `FᵀF` and `FFᵀ` is decomposed. With `FFᵀ = U·diag(s²)·Uᵀ` the coordinates of `1_c` along `U` are what is
    /// wanted; with `FᵀF = V·diag(s²)·Vᵀ` they are those of the class's sum `Fᵀ1_c` along `V`, divided by `s`.
    pub fn of(values: &[f64], examples: &LabelledFeatures) -> Result<Self, ScoreError> {
        let (rows, width, count) = (examples.examples(), examples.width(), examples.counts().len());
        let tall = rows > width;
        let size = rows.min(width);
        let mut vectors = vec![0.0; size * count];
        let matrix = if tall {
            for (row, class) in values.chunks_exact(width).zip(examples.labels()) {
                let sums = vectors.iter_mut().skip(*class).step_by(count);
                sums.zip(row).for_each(|(sum, value)| *sum += value);
            }
            gram(&transposed(values, rows, width), width, rows)
        } else {
            for (example, class) in examples.labels().iter().enumerate() {
                vectors[example * count + class] = 1.0;
            }
            gram(values, rows, width)
        };
        let found = eigen(matrix, size, vectors).ok_or(ScoreError::Decomposition)?;
        let least = NEGLIGIBLE * found.values.iter().copied().fold(0.0, f64::max);
        let mut directions = Self { squares: Vec::new(), classes: Vec::new(), count };
        for (square, row) in found.values.iter().zip(found.coordinates.chunks_exact(count)) {
            if *square > least {
                let length = if tall { square.sqrt() } else { 1.0 };
                directions.squares.push(*square);
                directions.classes.extend(row.iter().map(|value| value / length));
            }
        }
        Ok(directions)
    }

    /// `s²` and the row of classes of each direction.
    pub fn each(&self) -> impl Iterator<Item = (f64, &[f64])> {
        self.squares.iter().copied().zip(self.classes.chunks_exact(self.count))
    }
}
