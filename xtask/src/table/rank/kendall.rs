//! How alike two rankings are, where their tops count most.

use std::cmp::Ordering;

/// The weighted Kendall τ of two lists of values of the same things (Vigna 2015, *A Weighted Correlation Index for Rankings with
/// Ties*): 1 where larger values in one are larger in the other, −1 where they are smaller.
///
/// Of every pair the signs of both differences are multiplied and weighed by `1/(r + 1) + 1/(q + 1)`, with the ranks `r` and `q`
/// of both things from 0 for the largest; the sum is divided by its largest possible value, which leaves out pairs that are
/// equal in a list. It is the mean of what the ranks in either list give, equal ones in the order of the other list:
/// as `scipy.stats.weightedtau`. Nothing for lists of different lengths, for one in which all is equal, or for a value that is
/// no number.
pub fn weighted_tau(one: &[f64], other: &[f64]) -> Option<f64> {
    if one.len() != other.len() || one.iter().chain(other).any(|value| value.is_nan()) {
        return None;
    }
    Some((by_ranks_of(one, other)? + by_ranks_of(other, one)?) / 2.0)
}

/// With the ranks of `first`.
fn by_ranks_of(first: &[f64], second: &[f64]) -> Option<f64> {
    let count = first.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| {
        let descending = |values: &[f64]| values[b].partial_cmp(&values[a]);
        let first = descending(first).unwrap_or(Ordering::Equal);
        first.then(descending(second).unwrap_or(Ordering::Equal))
    });
    let mut weights = vec![0.0; count];
    for (rank, item) in order.into_iter().enumerate() {
        weights[item] = 1.0 / (rank as f64 + 1.0);
    }
    let [mut together, mut of_first, mut of_second] = [0.0f64; 3];
    for (a, own) in weights.iter().enumerate() {
        for (b, other) in weights[..a].iter().enumerate() {
            let weight = own + other;
            let sign = |values: &[f64]| match values[a].partial_cmp(&values[b]) {
                Some(Ordering::Greater) => 1.0,
                Some(Ordering::Less) => -1.0,
                _ => 0.0,
            };
            let (first, second) = (sign(first), sign(second));
            together += weight * first * second;
            of_first += weight * first * first;
            of_second += weight * second * second;
        }
    }
    (of_first > 0.0 && of_second > 0.0).then(|| together / (of_first * of_second).sqrt())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// A case of `xtask/parity/record_kendall.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        one: Vec<f64>,
        other: Vec<f64>,
        tau: f64,
    }

    #[test]
    fn the_correlation_is_scipy_s() {
        let text = include_str!("../../../tests/fixtures/kendall.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert_eq!(cases.len(), 6);
        for Case { name, one, other, tau } in cases {
            let found = weighted_tau(&one, &other).unwrap();
            assert!((found - tau).abs() < 1e-12, "{name}: {found} is not {tau}");
        }
    }

    #[test]
    fn the_same_order_gives_one_and_the_opposite_less_one() {
        let values = [0.3, 0.9, 0.1, 0.5];
        let [cubed, less] = [values.map(|value| value * value * value), values.map(|value| -value)];
        assert_eq!(weighted_tau(&values, &cubed), Some(1.0));
        assert_eq!(weighted_tau(&values, &less), Some(-1.0));
        // Ranks 1, 2, 3 weigh 1, 1/2, 1/3: of the pairs' 3/2, 4/3 and 5/6 the last is against the others.
        let found = weighted_tau(&[3.0, 2.0, 1.0], &[3.0, 1.0, 2.0]).unwrap();
        assert!((found - (1.5 + 4.0 / 3.0 - 5.0 / 6.0) / (11.0 / 3.0)).abs() < 1e-15);
    }

    #[test]
    fn where_there_is_no_order_there_is_no_correlation() {
        for (one, other) in [
            (&[1.0, 1.0][..], &[1.0, 2.0][..]),
            (&[1.0, 2.0], &[3.0, 3.0]),
            (&[1.0], &[2.0]),
            (&[], &[]),
            (&[1.0, 2.0], &[1.0]),
            (&[1.0, f64::NAN], &[1.0, 2.0]),
        ] {
            assert_eq!(weighted_tau(one, other), None, "{one:?} {other:?}");
        }
    }
}
