//! The bootstrap: how much a figure would vary over other examples of the same kind (Efron 1979).

use rayon::prelude::*;
use tl_random::rng;

/// Draws of an interval.
pub(super) const DRAWS: u64 = 1000;

/// The middle 95 % of drawn values; those that are not finite are left out. Zeros where there is none.
pub(super) fn middle(mut drawn: Vec<f64>) -> [f64; 2] {
    drawn.retain(|value| value.is_finite());
    drawn.sort_by(f64::total_cmp);
    let at =
        |share: f64| drawn.get((share * drawn.len() as f64) as usize).copied().unwrap_or_default();
    [at(0.025), at(0.975)]
}

/// What `figures` makes of each draw of as many of `count` examples, with putting back: it is told how often each example was
/// drawn. The draws depend on `count` and the purpose alone, not on the number of threads.
pub(super) fn draws<const N: usize>(
    count: usize,
    purpose: &str,
    figures: impl Fn(&[u32]) -> [f64; N] + Sync,
) -> [Vec<f64>; N] {
    let all: Vec<[f64; N]> = (0..DRAWS)
        .into_par_iter()
        .map(|draw| {
            let mut random = rng(0, purpose, draw, 0);
            let mut times = vec![0; count];
            for _ in 0..count {
                times[random.below(count)] += 1;
            }
            figures(&times)
        })
        .collect();
    std::array::from_fn(|figure| all.iter().map(|found| found[figure]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_is_about_two_standard_errors_wide() {
        let values: Vec<f64> = (0..400).map(|at| f64::from(at % 20)).collect();
        let count = values.len() as f64;
        let [means] = draws(values.len(), "a test", |times| {
            let weighed = values.iter().zip(times).map(|(value, times)| value * f64::from(*times));
            [weighed.sum::<f64>() / count]
        });
        assert_eq!(means.len(), DRAWS as usize);
        let [low, high] = middle(means);
        // Of 0 to 19 the mean is 9.5, the variance (20² − 1) / 12.
        let half = 1.96 * ((400.0 - 1.0) / 12.0 / count).sqrt();
        assert!((low - (9.5 - half)).abs() < 0.15 * half, "{low}");
        assert!((high - (9.5 + half)).abs() < 0.15 * half, "{high}");
    }

    #[test]
    fn the_middle_leaves_out_what_is_no_number() {
        let values: Vec<f64> = (0..1000).rev().map(f64::from).chain([f64::NAN]).collect();
        assert_eq!(middle(values), [25.0, 975.0]);
        assert_eq!(middle(Vec::new()), [0.0, 0.0]);
    }
}
