//! How sure a number is: the interval of a proportion, the deviation over seeds.

use serde::{Deserialize, Serialize};

/// A 95 % interval of a proportion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    pub low: f64,
    pub high: f64,
}

/// The 97.5 % quantile of the standard normal distribution.
pub(super) const QUANTILE: f64 = 1.959_963_984_540_054;

impl Interval {
    /// The score interval for `correct` of `n` (Wilson, *Probable inference*, JASA 1927); `[0, 1]`
    /// when `n` is 0. Unlike the normal approximation it stays within 0 and 1 and holds for few images.
    pub fn wilson(correct: u64, n: u64) -> Self {
        if n == 0 {
            return Self { low: 0.0, high: 1.0 };
        }
        let n = n as f64;
        let share = correct as f64 / n;
        let square = QUANTILE * QUANTILE;
        let centre = (share + square / (2.0 * n)) / (1.0 + square / n);
        let half = QUANTILE / (1.0 + square / n)
            * (share * (1.0 - share) / n + square / (4.0 * n * n)).sqrt();
        Self { low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }
}

/// The mean and the sample deviation (divisor n − 1) of `values`, such as accuracies over seeds.
///
/// The deviation of a single value is 0; both are NaN when there is none.
pub fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, if mean.is_nan() { mean } else { 0.0 });
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    #[test]
    fn the_interval_ends_where_the_score_test_just_rejects() {
        // The interval's ends are by definition the proportions p with (share − p)² = z²·p(1 − p)/n,
        // found here by bisection instead of by the formula.
        let end = |correct: u64, n: u64, mut inside: f64, mut outside: f64| {
            let share = correct as f64 / n as f64;
            for _ in 0..200 {
                let p = (inside + outside) / 2.0;
                if (share - p).powi(2) <= 1.959963984540054_f64.powi(2) * p * (1.0 - p) / n as f64 {
                    inside = p;
                } else {
                    outside = p;
                }
            }
            inside
        };
        for (correct, n) in [(8, 10), (1, 3), (500, 1000), (9_999, 10_000)] {
            let share = correct as f64 / n as f64;
            let interval = Interval::wilson(correct, n);
            close(interval.low, end(correct, n, share, 0.0), 1e-9);
            close(interval.high, end(correct, n, share, 1.0), 1e-9);
        }
        let eight_of_ten = Interval::wilson(8, 10);
        close(eight_of_ten.low, 0.4901, 1e-4);
        close(eight_of_ten.high, 0.9433, 1e-4);
    }

    #[test]
    fn the_interval_stays_within_zero_and_one() {
        assert_eq!(Interval::wilson(0, 0), Interval { low: 0.0, high: 1.0 });
        let square = QUANTILE * QUANTILE;
        // Closed forms at the borders: n / (n + z²) and z² / (n + z²).
        close(Interval::wilson(20, 20).low, 20.0 / (20.0 + square), 1e-12);
        close(Interval::wilson(20, 20).high, 1.0, 1e-12);
        close(Interval::wilson(0, 20).high, square / (20.0 + square), 1e-12);
        close(Interval::wilson(0, 20).low, 0.0, 1e-12);
    }

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 4.0]);
        close(mean, 7.0 / 3.0, 1e-15);
        close(deviation, (7.0f64 / 3.0).sqrt(), 1e-15);
        assert_eq!(mean_and_deviation(&[0.5]), (0.5, 0.0));
        assert!(mean_and_deviation(&[]).0.is_nan() && mean_and_deviation(&[]).1.is_nan());
    }
}
