#![doc = include_str!("../README.md")]
//!
//! The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: *Parallel Random Numbers: As Easy as
//! 1, 2, 3*, SC 2011).

mod philox;

use philox::philox4x32;

/// The generator for one `(seed, purpose, step, index)`.
///
/// `purpose` names the use (`"shuffle"`, `"dropout"`, a parameter's path): two purposes never share
/// numbers. `step` and `index` are whatever counts there: epoch and image, step and layer.
pub fn rng(seed: u64, purpose: &str, step: u64, index: u64) -> Rng {
    let key = mix(mix(mix(seed) ^ hash(purpose)) ^ step);
    Rng { key: halves(key), index: halves(index), block: 0, ready: [0; 4], used: 4, spare: None }
}

/// A 64-bit hash of a text (FNV-1a), stable across platforms and versions.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection in which every input bit
/// reaches every output bit.
pub fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn halves(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}

/// A stream of random numbers; made by [`rng`].
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    index: [u32; 2],
    block: u64,
    ready: [u32; 4],
    used: usize,
    spare: Option<f64>,
}

impl Rng {
    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            let [low, high] = halves(self.block);
            self.ready = philox4x32([low, high, self.index[0], self.index[1]], self.key);
            self.block += 1;
            self.used = 0;
        }
        self.used += 1;
        self.ready[self.used - 1]
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// A number in `[0, 1)`, a multiple of 2⁻²⁴.
    pub fn uniform(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// A number in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn uniform_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in `[low, high)`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform_f64()
    }

    /// A whole number in `0..bound`, without bias; 0 when `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        // Lemire's rejection: accept unless the low half falls into the short, over-represented part.
        let bound = bound as u64;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number of the standard normal distribution (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.uniform_f64()).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.uniform_f64();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }

    /// A number of the distribution Beta(α, α), for a finite `alpha` above 0: below 1 by Jöhnk (1964), else the share of one
    /// of two gamma variates.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        if alpha >= 1.0 {
            let (one, other) = (self.gamma(alpha), self.gamma(alpha));
            return one / (one + other);
        }
        loop {
            let [x, y] = [(); 2].map(|()| self.uniform_f64().powf(1.0 / alpha));
            if x + y > 0.0 && x + y <= 1.0 {
                return x / (x + y);
            }
        }
    }

    /// A gamma variate of a `shape` from 1 (Marsaglia, Tsang 2000, "A simple method for generating gamma variables").
    fn gamma(&mut self, shape: f64) -> f64 {
        let scale = shape - 1.0 / 3.0;
        let spread = 1.0 / (9.0 * scale).sqrt();
        loop {
            let normal = self.normal();
            let cube = (1.0 + spread * normal).powi(3);
            let bound = 0.5 * normal * normal + scale * (1.0 - cube + cube.ln());
            if cube > 0.0 && self.uniform_f64().ln() < bound {
                return scale * cube;
            }
        }
    }

    /// Puts `items` into a random order (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// The numbers `0..length` in a random order.
    pub fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_key_changes_the_numbers() {
        let draw = |seed, purpose, step, index| rng(seed, purpose, step, index).next_u64();
        let base = draw(1, "a", 2, 3);
        assert_eq!(base, draw(1, "a", 2, 3));
        for other in
            [draw(2, "a", 2, 3), draw(1, "b", 2, 3), draw(1, "a", 3, 3), draw(1, "a", 2, 4)]
        {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut generator = rng(0, "moments", 0, 0);
        let n = 200_000;
        let uniform: Vec<f64> = (0..n).map(|_| f64::from(generator.uniform())).collect();
        let normal: Vec<f64> = (0..n).map(|_| generator.normal()).collect();
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let variance =
            |v: &[f64]| mean(&v.iter().map(|x| x * x).collect::<Vec<_>>()) - mean(v).powi(2);
        // Standard errors: 0.29 / √200,000 = 0.00065 and 1 / √200,000 = 0.0022; the bounds are over 4 of them.
        assert!((mean(&uniform) - 0.5).abs() < 0.003);
        assert!((variance(&uniform) - 1.0 / 12.0).abs() < 0.002);
        assert!(mean(&normal).abs() < 0.01);
        assert!((variance(&normal) - 1.0).abs() < 0.02);
    }

    #[test]
    fn beta_has_its_moments() {
        for alpha in [0.1, 0.4, 1.0, 3.5] {
            let mut generator = rng(0, "beta", 0, 0);
            let n = 40_000;
            let draws: Vec<f64> = (0..n).map(|_| generator.beta(alpha)).collect();
            assert!(draws.iter().all(|x| (0.0..=1.0).contains(x)));
            let mean = draws.iter().sum::<f64>() / f64::from(n);
            let variance = draws.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / f64::from(n);
            // Standard errors: at most .5 / √40,000 = .0025 of the mean, and less of the variance.
            assert!((mean - 0.5).abs() < 0.012, "{alpha}: {mean}");
            assert!((variance - 0.25 / (2.0 * alpha + 1.0)).abs() < 0.006, "{alpha}: {variance}");
        }
    }

    #[test]
    fn below_is_even_and_in_range() {
        let mut generator = rng(0, "below", 0, 0);
        let mut counts = [0usize; 7];
        for _ in 0..70_000 {
            counts[generator.below(7)] += 1;
        }
        // 10,000 each; the standard deviation is 93.
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        assert_eq!(generator.below(0), 0);
    }

    #[test]
    fn a_permutation_holds_every_number_once() {
        let mut order = rng(5, "shuffle", 0, 0).permutation(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
