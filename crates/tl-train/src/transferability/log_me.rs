//! LogME (You et al. 2021, *LogME: Practical Assessment of Pre-trained Models for Transfer Learning*; the fixed-point iteration is
//! that of You et al. 2022, *Ranking and Tuning Pre-trained Models*, JMLR 23).

use super::{LabelledFeatures, ScoreError};

/// Beside squares that are divided by, as the authors' own program has it: labels that a plane fits without a rest would have no
/// finite evidence.
const ROOM: f64 = 1e-5;
/// Rounds at most, and the relative change of `α / β` after which there is no further one.
const ROUNDS: usize = 200;
const TOLERANCE: f64 = 1e-9;

/// The logarithm of the maximum evidence of a Bayesian linear model of each class, for one example, averaged over the classes.
///
/// For class `c` the labels `y` (1 and 0) are `F·w` and noise, `w ~ N(0, α⁻¹)`, noise `~ N(0, β⁻¹)`, and
///
/// ```text
/// ln p(y | F, α, β) = d/2·ln α + n/2·ln β − n/2·ln 2π − β/2·‖F·m − y‖² − α/2·‖m‖² − ½·ln det(α + β·FᵀF)
/// m = β·(α + β·FᵀF)⁻¹·Fᵀy
/// ```
///
/// is made large by repeating `γ = Σ βσ/(α + βσ)` over the eigenvalues `σ` of `FᵀF`, `α = γ/‖m‖²`, `β = (n − γ)/‖F·m − y‖²`.
/// `F` is `[n, d]`; the mean is taken over the classes that have examples.
///
/// # Errors
/// Features that cannot be decomposed.
pub fn log_me(examples: &LabelledFeatures) -> Result<f64, ScoreError> {
    let directions = examples.directions()?;
    let total = examples.examples() as f64;
    let evidence = |class: usize, count: usize| {
        let along: Vec<(f64, f64)> =
            directions.each().map(|(square, row)| (square, row[class] * row[class])).collect();
        maximum(&along, count as f64, total)
    };
    let classes = examples.counts().iter().enumerate();
    let sum: f64 = classes.map(|(class, count)| evidence(class, *count)).sum();
    Ok(sum / examples.counts().len() as f64)
}

/// The evidence for one example of labels whose squared coordinates stand beside the eigenvalues, and whose squares sum to
/// `length`.
fn maximum(along: &[(f64, f64)], length: f64, total: f64) -> f64 {
    let inside: f64 = along.iter().map(|(_, square)| square).sum();
    // What no direction reaches.
    let outside = (length - inside).max(0.0);
    // By α / β all that depends on F: γ, n − γ, ‖m‖² and ‖F·m − y‖².
    let sums = |ratio: f64| {
        let mut found = [0.0, total - along.len() as f64, 0.0, outside];
        for (sigma, square) in along {
            let whole = sigma + ratio;
            found[0] += sigma / whole;
            found[1] += ratio / whole;
            found[2] += sigma * square / (whole * whole);
            found[3] += square * (ratio / whole).powi(2);
        }
        found
    };
    let (mut alpha, mut beta) = (1.0, 1.0);
    for _ in 0..ROUNDS {
        let before: f64 = alpha / beta;
        let [gamma, free, weights, rest] = sums(before);
        alpha = gamma / (weights + ROOM);
        beta = free / (rest + ROOM);
        if (alpha / beta - before).abs() <= TOLERANCE * before {
            break;
        }
    }
    let ratio = alpha / beta;
    let [_, _, weights, rest] = sums(ratio);
    let determinant: f64 = along.iter().map(|(sigma, _)| (sigma / ratio).ln_1p()).sum();
    let logarithm =
        total * (beta / std::f64::consts::TAU).ln() - beta * rest - alpha * weights - determinant;
    logarithm / (2.0 * total)
}
