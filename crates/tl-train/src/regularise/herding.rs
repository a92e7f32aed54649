//! Examples whose mean follows that of their class (Rebuffi et al. 2017, iCaRL, arXiv 1611.07725, algorithm 4, equation 4; Welling
//! 2009 for the name).
//!
//! With the features `φ(x)` of a class, each of length 1, and their mean `μ`, the `k`-th example is
//! `argmin_x ‖μ − (φ(x) + Σ_{j<k} φ(p_j)) / k‖` among those that were not taken. The first ones of the list are the best ones: a
//! shorter memory keeps the beginning.

use burn::prelude::*;
use tl_core::{Activation, Backbone, Head, Model, Pass};

use crate::{Dataset, TrainError};

/// The places of `count` of the vectors of `width` values in `features`, in the order in which they are taken; of equals the
/// first.
pub fn herding(features: &[f32], width: usize, count: usize) -> Vec<usize> {
    let rows: Vec<Vec<f64>> = features.chunks_exact(width.max(1)).map(of_length_1).collect();
    let mut mean = vec![0.0; width];
    for row in &rows {
        add(&mut mean, row, 1.0 / rows.len() as f64);
    }
    let mut sum = vec![0.0; width];
    let mut left: Vec<usize> = (0..rows.len()).collect();
    let mut taken = Vec::new();
    while taken.len() < count && !left.is_empty() {
        let share = 1.0 / (taken.len() + 1) as f64;
        let far = |row: &[f64]| -> f64 {
            let parts = mean.iter().zip(&sum).zip(row);
            parts.map(|((mean, sum), value)| (mean - (sum + value) * share).powi(2)).sum()
        };
        let mut best = (0, f64::INFINITY);
        for (place, row) in left.iter().enumerate() {
            let far = far(&rows[*row]);
            if far < best.1 {
                best = (place, far);
            }
        }
        let row = left.remove(best.0);
        add(&mut sum, &rows[row], 1.0);
        taken.push(row);
    }
    taken
}

fn of_length_1(row: &[f32]) -> Vec<f64> {
    let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    let length = if length > 0.0 { length } else { 1.0 };
    row.iter().map(|value| f64::from(*value) / length).collect()
}

fn add(sum: &mut [f64], row: &[f64], share: f64) {
    sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * share);
}

/// How many of `size` places each class gets that has so many examples: all the same, and what a small class leaves goes to the
/// others; the first classes get the odd ones.
pub fn quotas(size: usize, counts: &[usize]) -> Vec<usize> {
    let mut given = vec![0; counts.len()];
    let mut left = size.min(counts.iter().sum());
    while left > 0 {
        for (given, count) in given.iter_mut().zip(counts) {
            if left > 0 && *given < *count {
                *given += 1;
                left -= 1;
            }
        }
    }
    given
}

/// The vectors that the head of `model`, which is plain, multiplies, for those of `items` that can be read: the item, its vector,
/// of a text in windows the mean of theirs.
///
/// # Errors
/// Items that cannot be read under a strict reader, a device that fails.
pub fn features_of<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    batch_size: usize,
    device: &Device,
) -> Result<Vec<(usize, Vec<f32>)>, TrainError> {
    let stages = model.backbone.stages().len();
    let mut found: Vec<(usize, Vec<f32>, usize)> = Vec::new();
    for batch in data.batches(data.rows(items), batch_size, None, device) {
        let (rows, input) = batch?;
        let output = model.backbone.forward_stages(input, 0..stages, Pass::default())?;
        let vectors = model.head.features(output)?;
        let [_, width] = vectors.dims();
        let values = Activation::Vector(vectors).into_rows().map_err(TrainError::Device)?;
        for (row, vector) in rows.iter().zip(values.chunks_exact(width.max(1))) {
            let Some(item) = data.items_of(&[*row]).into_iter().next() else { continue };
            match found.last_mut() {
                // The windows of a text stand behind each other.
                Some((last, sum, windows)) if *last == item => {
                    sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
                    *windows += 1;
                }
                _ => found.push((item, vector.to_vec(), 1)),
            }
        }
    }
    let mean = |(item, sum, windows): (usize, Vec<f32>, usize)| {
        (item, sum.into_iter().map(|value| value / windows as f32).collect())
    };
    Ok(found.into_iter().map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The k-th example by equation 4, written down anew: every mean is computed from its members.
    fn plainly(rows: &[[f32; 3]], count: usize) -> Vec<usize> {
        let unit: Vec<[f64; 3]> = rows
            .iter()
            .map(|row| {
                let row = row.map(f64::from);
                let length = (row[0] * row[0] + row[1] * row[1] + row[2] * row[2]).sqrt();
                row.map(|value| value / length)
            })
            .collect();
        let mean = |of: &[usize], place: usize| {
            of.iter().map(|row| unit[*row][place]).sum::<f64>() / of.len() as f64
        };
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut taken: Vec<usize> = Vec::new();
        for _ in 0..count {
            let far = |row: &usize| -> f64 {
                let with = [&taken[..], &[*row]].concat();
                (0..3).map(|it| (mean(&all, it) - mean(&with, it)).powi(2)).sum()
            };
            let free = all.iter().filter(|row| !taken.contains(row));
            let best = free.min_by(|one, other| far(one).total_cmp(&far(other))).unwrap();
            taken.push(*best);
        }
        taken
    }

    fn rows(seed: u64, count: u64) -> Vec<[f32; 3]> {
        let of = |row| {
            let mut random = tl_core::rng(seed, "rows", 0, row);
            [0; 3].map(|_| random.normal() as f32)
        };
        (0..count).map(of).collect()
    }

    #[test]
    fn the_examples_are_those_of_the_equation() {
        for seed in 0..20 {
            let rows = rows(seed, 12);
            assert_eq!(herding(&rows.concat(), 3, 7), plainly(&rows, 7), "seed {seed}");
        }
    }

    #[test]
    fn a_shorter_memory_is_the_beginning_of_a_longer_one() {
        let rows = rows(3, 30).concat();
        let whole = herding(&rows, 3, 100);
        assert_eq!(whole.len(), 30);
        assert_eq!(herding(&rows, 3, 9), whole[..9]);
        let mut sorted = whole;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..30).collect::<Vec<_>>());
        assert_eq!(herding(&[1.0, 0.0, 1.0, 0.0], 2, 1), [0], "of equals the first");
        assert!(herding(&[], 3, 4).is_empty());
    }

    #[test]
    fn places_are_shared_evenly_and_none_is_lost() {
        assert_eq!(quotas(10, &[50, 50, 50]), [4, 3, 3]);
        assert_eq!(quotas(10, &[2, 50, 50]), [2, 4, 4]);
        assert_eq!(quotas(100, &[2, 3]), [2, 3]);
        assert_eq!(quotas(1, &[5, 5]), [1, 0]);
        assert_eq!(quotas(5, &[0, 0]), [0, 0]);
        assert!(quotas(5, &[]).is_empty());
    }
}
