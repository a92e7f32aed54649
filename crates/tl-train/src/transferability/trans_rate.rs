//! TransRate (Huang et al. 2022, *Frustratingly Easy Transferability Estimation*).

use super::{LabelledFeatures, ScoreError};
use crate::symmetric::{gram, log_determinant, transposed};

/// What is lost of the features in their code: the paper's value.
const DISTORTION: f64 = 1e-4;

/// `R(Z) − Σ_c n_c/n · R(Z_c)`, an estimate of what the features and the classes tell of each other, with the coding rate
/// `R(Z) = ½·ln det(1 + ZᵀZ / (n·ε))` of the centred features `Z` `[n, d]` and of the `n_c` of them in class `c`, ε = 10⁻⁴. Of
/// classes of one size the paper's own program gives the same.
///
/// It depends on the scale of the features.
///
/// # Errors
/// Features that cannot be decomposed.
pub fn trans_rate(examples: &LabelledFeatures) -> Result<f64, ScoreError> {
    let total = examples.examples() as f64;
    let squares = &examples.centred_directions()?.squares;
    let whole: f64 = squares.iter().map(|square| (square / (total * DISTORTION)).ln_1p()).sum();
    let (values, width) = (examples.centred_values(), examples.width());
    let mut members: Vec<Vec<f64>> = vec![Vec::new(); examples.counts().len()];
    for (row, class) in values.chunks_exact(width).zip(examples.labels()) {
        members[*class].extend_from_slice(row);
    }
    let classes = members.iter().zip(examples.counts());
    let within: f64 = classes.map(|(rows, count)| *count as f64 * rate(rows, *count, width)).sum();
    Ok(0.5 * (whole - within / total))
}

/// `ln det(1 + ZᵀZ / (n·ε))`, in the smaller of both orders.
fn rate(rows: &[f64], count: usize, width: usize) -> f64 {
    let scale = 1.0 / (count as f64 * DISTORTION);
    match count <= width {
        true => log_determinant(gram(rows, count, width), count, scale),
        false => log_determinant(gram(&transposed(rows, count, width), width, count), width, scale),
    }
}
