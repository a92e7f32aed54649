//! H-score (Bao et al. 2019, *An Information-Theoretic Approach to Transferability in Task Transfer Learning*).

use super::{LabelledFeatures, ScoreError};

/// `tr(cov(f)⁺ · cov(E[f | y]))`: how much of the features' spread lies between the means of the classes, direction by direction;
/// from 0 to the number of classes less 1.
///
/// With the centred features `[n, d]` as `U·diag(s)·Vᵀ` it is `Σ_c ‖Uᵀ1_c‖² / n_c`. Directions of no extent are left out, as the
/// pseudoinverse does.
///
/// # Errors
/// Features that cannot be decomposed.
pub fn h_score(examples: &LabelledFeatures) -> Result<f64, ScoreError> {
    let directions = examples.centred_directions()?;
    let counts = examples.counts();
    Ok(directions.each().map(|(_, row)| between(row, counts)).fold(0.0, |sum, share| sum + share))
}

/// The share of a direction's spread that lies between the classes: `Σ_c (u · 1_c)² / n_c`.
pub(super) fn between(row: &[f64], counts: &[usize]) -> f64 {
    row.iter().zip(counts).map(|(along, count)| along * along / *count as f64).sum()
}
