//! Whether the predicted classes are clusters of the target's features.

use rayon::prelude::*;

use super::thinned;
use crate::outputs::Outputs;

/// Rows beyond it are thinned: the cost grows with their square.
const MOST_ROWS: usize = 1000;

/// The mean silhouette (Rousseeuw 1987) of the predicted classes: (b − a) / max(a, b), where a is
/// an example's mean distance to its own class and b that to the nearest other one; 0 for a class
/// of one. From −1 to 1.
///
/// `None` where fewer than two classes are predicted.
pub fn silhouette(target: &Outputs) -> Option<f64> {
    let target = thinned(target, MOST_ROWS);
    let labels = target.predictions();
    let mut counts = vec![0usize; target.classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    if counts.iter().filter(|count| **count > 0).count() < 2 {
        return None;
    }
    let rows: Vec<&[f32]> = target.feature_rows().collect();
    let values: Vec<f64> = rows
        .par_iter()
        .zip(&labels)
        .map(|(row, &own)| {
            let mut sums = vec![0.0; counts.len()];
            for (other, &label) in rows.iter().zip(&labels) {
                sums[label] += square_distance(row, other).sqrt();
            }
            if counts[own] < 2 {
                return 0.0;
            }
            let within = sums[own] / (counts[own] - 1) as f64;
            let beside = (0..counts.len())
                .filter(|&class| class != own && counts[class] > 0)
                .map(|class| sums[class] / counts[class] as f64)
                .fold(f64::INFINITY, f64::min);
            let largest = within.max(beside);
            if largest > 0.0 { (beside - within) / largest } else { 0.0 }
        })
        .collect();
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

fn square_distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum()
}

/// The variance-ratio criterion (Caliński and Harabasz 1974) of the predicted classes: the spread
/// between their centroids over that within them, each divided by its degrees of freedom. From 0
/// upwards, whatever the features' scale.
///
/// `None` where fewer than two classes are predicted, or each example is one.
pub fn calinski_harabasz(target: &Outputs) -> Option<f64> {
    let labels = target.predictions();
    let width = target.width;
    let mut counts = vec![0usize; target.classes];
    let mut sums = vec![vec![0.0; width]; target.classes];
    for (row, &label) in target.feature_rows().zip(&labels) {
        counts[label] += 1;
        sums[label].iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    let (rows, clusters) = (labels.len(), counts.iter().filter(|count| **count > 0).count());
    if clusters < 2 || rows <= clusters {
        return None;
    }
    let centre: Vec<f64> =
        (0..width).map(|at| sums.iter().map(|sum| sum[at]).sum::<f64>() / rows as f64).collect();
    for (sum, &count) in sums.iter_mut().zip(&counts) {
        sum.iter_mut().for_each(|value| *value /= count.max(1) as f64);
    }
    let between: f64 = sums
        .iter()
        .zip(&counts)
        .map(|(centroid, &count)| {
            let square: f64 = centroid.iter().zip(&centre).map(|(a, b)| (a - b).powi(2)).sum();
            count as f64 * square
        })
        .sum();
    let within: f64 = target
        .feature_rows()
        .zip(&labels)
        .map(|(row, &label)| -> f64 {
            row.iter().zip(&sums[label]).map(|(a, b)| (f64::from(*a) - b).powi(2)).sum()
        })
        .sum();
    // Clusters of points that coincide: as good as f64 can say.
    let within = (within / (rows - clusters) as f64).max(f64::MIN_POSITIVE);
    Some((between / (clusters - 1) as f64 / within).min(f64::MAX))
}
