//! The H-score with a covariance that is drawn to a sphere (Ibrahim et al. 2021, *Newer is not always better: Rethinking
//! transferability metrics, their peculiarities, stability and performance*).

use super::h_score::between;
use super::{LabelledFeatures, ScoreError};

/// `tr(Σ_λ⁻¹ · (1 − λ)·cov(E[f | y]))` with `Σ_λ = (1 − λ)·cov(f) + λ·μ`, `μ = tr(cov(f)) / d`, and the strength `λ` by Ledoit and
/// Wolf (2004); both covariances are over `n`.
///
/// With few examples of many features the plain score takes noise for structure; this one does not. Features `[n, d]`.
///
/// # Errors
/// Features that cannot be decomposed.
pub fn shrunk_h_score(examples: &LabelledFeatures) -> Result<f64, ScoreError> {
    let directions = examples.centred_directions()?;
    let (total, width) = (examples.examples() as f64, examples.width() as f64);
    let mean = directions.squares.iter().sum::<f64>() / total / width;
    let strength = strength(examples, &directions.squares);
    let kept = 1.0 - strength;
    let share = |(square, row): (f64, &[f64])| {
        let spread = square / total;
        kept * spread * between(row, examples.counts()) / (kept * spread + strength * mean)
    };
    Ok(directions.each().map(share).fold(0.0, |sum, share| sum + share))
}

/// The share of the sphere that makes the expected squared error of the covariance least, from 0 to 1.
///
/// With `S = cov(f)`: `λ = min(b, d) / d` of `d = ‖S − μ‖²` and `b = (1/n²)·Σᵢ ‖xᵢxᵢᵀ − S‖²`.
fn strength(examples: &LabelledFeatures, squares: &[f64]) -> f64 {
    let (total, width) = (examples.examples() as f64, examples.width() as f64);
    let values = examples.centred_values();
    let rows = values.chunks_exact(examples.width());
    let fourth: f64 =
        rows.map(|row| row.iter().map(|value| value * value).sum::<f64>().powi(2)).sum();
    let size: f64 = squares.iter().map(|square| (square / total).powi(2)).sum();
    let trace = squares.iter().sum::<f64>() / total;
    let apart = size - trace * trace / width;
    let noise = (fourth / total - size) / total;
    // A sphere already, up to rounding: nothing to draw.
    if apart <= 1e-12 * size { 0.0 } else { (noise / apart).clamp(0.0, 1.0) }
}
