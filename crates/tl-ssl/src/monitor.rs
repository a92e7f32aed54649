//! Watching for collapse: the features of all images becoming one, or lying on one line.

use serde::{Deserialize, Serialize};

use crate::knn::unit_rows;

/// How different the features of a batch are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The standard deviation of each value of the features, brought to length 1, over the batch: the
    /// mean over the values, times √width. 1 for features in all directions alike, 0 for features that are
    /// all the same (Chen and He 2020, SimSiam, figure 2).
    pub deviation: f64,
    /// How many directions the features vary in: `(Σλ)² / Σλ²` of the eigenvalues λ of their covariance
    /// (the participation ratio). 1 for features on a line.
    pub effective_rank: f64,
}

impl Spread {
    /// Of features `[batch, width]` in row order, of which there are at least two.
    pub fn of(features: &[f32], width: usize) -> Option<Self> {
        let rows = features.len() / width.max(1);
        if rows < 2 || width == 0 {
            return None;
        }
        let unit = unit_rows(features, width);
        let mut mean = vec![0.0f64; width];
        for row in unit.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        mean.iter_mut().for_each(|sum| *sum /= rows as f64);
        let centred: Vec<f64> = unit
            .chunks_exact(width)
            .flat_map(|row| row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean))
            .collect();
        let mut variance = vec![0.0f64; width];
        for row in centred.chunks_exact(width) {
            variance.iter_mut().zip(row).for_each(|(sum, value)| *sum += value * value);
        }
        let deviations: f64 = variance.iter().map(|sum| (sum / rows as f64).sqrt()).sum();
        // The trace and the squares of the smaller of the two products hold all that is asked.
        let (trace, squares) = gram(&centred, rows, width);
        Some(Self {
            deviation: deviations / width as f64 * (width as f64).sqrt(),
            effective_rank: if squares > 0.0 { trace * trace / squares } else { 1.0 },
        })
    }
}

/// Trace and sum of squares of `X·Xᵀ`.
fn gram(rows_of: &[f64], rows: usize, width: usize) -> (f64, f64) {
    let row = |at: usize| &rows_of[at * width..(at + 1) * width];
    let (mut trace, mut squares) = (0.0, 0.0);
    for one in 0..rows {
        for other in 0..=one {
            let product: f64 = row(one).iter().zip(row(other)).map(|(a, b)| a * b).sum();
            if one == other {
                trace += product;
                squares += product * product;
            } else {
                squares += 2.0 * product * product;
            }
        }
    }
    (trace, squares)
}

/// Steps between two looks.
pub const EVERY: u64 = 20;
/// Rows of a batch that are looked at.
const ROWS: usize = 128;
/// Looks in a row that must show a collapse before it is called one.
const PATIENCE: u32 = 3;

/// Below these the features of a method that compares images count as collapsed: there they lie near 1,
/// and in many directions, from the first step on.
pub const LEAST: Spread = Spread { deviation: 0.1, effective_rank: 1.2 };

/// What was seen so far; part of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Monitor {
    /// Of the last look.
    pub spread: Option<Spread>,
    /// Looks in a row that showed a collapse.
    collapsed: u32,
}

impl Monitor {
    /// Looks at features `[batch, width]`; the reason, in words, once they have stayed below `least`.
    pub fn look(&mut self, features: &[f32], width: usize, least: Spread) -> Option<String> {
        let rows = &features[..features.len().min(ROWS * width)];
        let spread = Spread::of(rows, width)?;
        self.spread = Some(spread);
        let reason = if spread.deviation.is_nan() || spread.deviation < least.deviation {
            format!(
                "they deviate by {:.4} where features of all directions do by 1",
                spread.deviation
            )
        } else if spread.effective_rank < least.effective_rank {
            format!("they vary in {:.2} directions", spread.effective_rank)
        } else {
            self.collapsed = 0;
            return None;
        };
        self.collapsed += 1;
        (self.collapsed >= PATIENCE).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(rows: usize, width: usize) -> Vec<f32> {
        let mut random = tl_random::rng(3, "features", 0, 0);
        (0..rows * width).map(|_| random.normal() as f32).collect()
    }

    #[test]
    fn features_of_all_directions_have_deviation_1_and_many_directions() {
        let spread = Spread::of(&random(400, 16), 16).unwrap();
        assert!((spread.deviation - 1.0).abs() < 0.05, "{spread:?}");
        assert!(spread.effective_rank > 14.0 && spread.effective_rank <= 16.0, "{spread:?}");
    }

    #[test]
    fn the_effective_rank_is_that_of_equal_eigenvalues() {
        // On a plane within eight dimensions, around the origin.
        let features: Vec<f32> = (0..12)
            .flat_map(|at| {
                let angle = f64::from(at) * std::f64::consts::TAU / 12.0;
                let mut row = [0.0f32; 8];
                row[2] = angle.cos() as f32;
                row[5] = angle.sin() as f32;
                row
            })
            .collect();
        let spread = Spread::of(&features, 8).unwrap();
        assert!((spread.effective_rank - 2.0).abs() < 1e-6, "{spread:?}");
    }

    #[test]
    fn a_collapse_is_told_after_three_looks_and_no_sooner() {
        let mut monitor = Monitor::default();
        let same: Vec<f32> =
            random(64, 8).iter().enumerate().map(|(at, x)| (at % 8) as f32 + 0.001 * x).collect();
        assert_eq!(monitor.look(&same, 8, LEAST), None);
        assert_eq!(monitor.look(&same, 8, LEAST), None);
        assert_eq!(monitor.look(&random(64, 8), 8, LEAST), None);
        assert_eq!(monitor.look(&same, 8, LEAST), None);
        assert_eq!(monitor.look(&same, 8, LEAST), None);
        assert!(monitor.look(&same, 8, LEAST).unwrap().contains("deviate"));
    }

    #[test]
    fn features_on_a_line_are_a_collapse_too() {
        let line: Vec<f32> =
            random(64, 1).iter().flat_map(|x| [*x, 2.0 * x, -*x, 0.5 * x]).collect();
        let mut monitor = Monitor::default();
        let looks: Vec<Option<String>> = (0..3).map(|_| monitor.look(&line, 4, LEAST)).collect();
        assert!(looks[2].as_ref().is_some_and(|reason| reason.contains("directions")), "{looks:?}");
    }

    #[test]
    fn features_that_are_no_numbers_are_a_collapse() {
        let mut monitor = Monitor::default();
        let looks: Vec<_> = (0..3).map(|_| monitor.look(&[f32::NAN; 16], 4, LEAST)).collect();
        assert!(looks[2].is_some());
    }
}
