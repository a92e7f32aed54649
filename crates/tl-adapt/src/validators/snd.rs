//! Soft neighbourhood density (Saito et al. 2021, arXiv 2108.10860).

use rayon::prelude::*;

use super::thinned;
use crate::outputs::{Outputs, entropy};

/// The paper's temperature.
pub(super) const TEMPERATURE: f64 = 0.05;
/// Rows beyond it are thinned: the cost grows with their square.
const MOST_ROWS: usize = 2000;

/// The mean entropy of the distribution over neighbours: each example's similarities to all others
/// (cosines of their probabilities) divided by `temperature`, through a softmax. Dense
/// neighbourhoods score high.
pub fn soft_neighbourhood_density(target: &Outputs, temperature: f64) -> f64 {
    let rows: Vec<Vec<f64>> = thinned(target, MOST_ROWS)
        .probabilities()
        .into_iter()
        .map(|row| {
            let length = row.iter().map(|p| p * p).sum::<f64>().sqrt();
            row.iter().map(|p| p / length).collect()
        })
        .collect();
    if rows.len() < 2 {
        return 0.0;
    }
    let entropies: Vec<f64> = (0..rows.len())
        .into_par_iter()
        .map(|own| {
            let cosine =
                |other: &Vec<f64>| -> f64 { rows[own].iter().zip(other).map(|(a, b)| a * b).sum() };
            let others = rows.iter().enumerate().filter(|(other, _)| *other != own);
            // A cosine is at most 1, so that no exponential is above 1.
            let mut weights: Vec<f64> =
                others.map(|(_, other)| ((cosine(other) - 1.0) / temperature).exp()).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            entropy(&weights)
        })
        .collect();
    entropies.iter().sum::<f64>() / rows.len() as f64
}
