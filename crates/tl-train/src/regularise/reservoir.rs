//! Any examples of a stream whose length nobody knows before, each as likely as the others (Vitter 1985, *Random Sampling with a
//! Reservoir*, ACM Transactions on Mathematical Software 11, algorithm R).
//!
//! The first `size` are taken. The one after `n` others takes a place that is drawn among `n + 1`, if that is one of the `size`. After
//! `n` examples each of them is kept with probability `size / n`.

use tl_core::rng;

/// Which of `0..count` are kept, at most `size` of them, ascending; drawn from `seed`.
pub fn reservoir(count: usize, size: usize, seed: u64) -> Vec<usize> {
    let mut random = rng(seed, "reservoir", 0, 0);
    let mut kept: Vec<usize> = (0..count.min(size)).collect();
    for item in kept.len()..count {
        if let Some(place) = kept.get_mut(random.below(item + 1)) {
            *place = item;
        }
    }
    kept.sort_unstable();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_as_likely_as_the_others() {
        let (count, size, draws) = (20, 5, 4000);
        let mut often = vec![0; count];
        for seed in 0..draws {
            let kept = reservoir(count, size, seed);
            assert_eq!(kept.len(), size);
            assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
            kept.iter().for_each(|item| often[*item] += 1);
        }
        // A share of 1/4 over 4,000 draws, whose deviation is the root of 4000 · 1/4 · 3/4.
        let (mean, deviation) = (1000.0, 750f64.sqrt());
        for (item, often) in often.into_iter().enumerate() {
            assert!((f64::from(often) - mean).abs() < 5.0 * deviation, "{item}: {often}");
        }
    }

    #[test]
    fn what_is_kept_follows_from_the_seed_and_all_of_few_are_kept() {
        assert_eq!(reservoir(1000, 10, 7), reservoir(1000, 10, 7));
        assert_ne!(reservoir(1000, 10, 7), reservoir(1000, 10, 8));
        assert_eq!(reservoir(3, 10, 1), [0, 1, 2]);
        assert!(reservoir(0, 10, 1).is_empty() && reservoir(10, 0, 1).is_empty());
    }
}
