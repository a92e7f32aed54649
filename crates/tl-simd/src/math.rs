//! The exponential and what is made of it, on registers.
//!
//! The polynomials are weighted minimax fits made for these files, in f64, of the functions named beside them.

use pulp::Simd;

/// The coefficients, lowest first, of (eʳ − 1 − r) / r² for |r| ≤ ln(2) / 2: relative error of eʳ below 4e-9.
const EXPONENTIAL: [f32; 5] =
    [0.499_999_94, 0.166_665_2, 0.041_668_4, 0.008_368_852, 0.001_381_431_8];

/// The coefficients, lowest first, of exp(z²) erfc(z) / t in 2t − 1, with t = 1 / (1 + 0.4 z) and 0 ≤ z ≤ 10:
/// relative error below 4e-8, each rounded with regard to those rounded before.
const TAIL: [f32; 10] = [
    0.421_612_74,
    0.321_860_7,
    0.181_565_64,
    0.068_501_8,
    0.011_344_517,
    -0.003_368_237_8,
    -0.001_922_702_7,
    0.000_210_097_44,
    0.000_253_279_23,
    -0.000_057_803_576,
];

/// Σ coefficients[k] xᵏ.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::f32s, coefficients: [f32; N]) -> S::f32s {
    let mut sum = simd.splat_f32s(coefficients[N - 1]);
    for k in (0..N - 1).rev() {
        sum = simd.mul_add_e_f32s(sum, x, simd.splat_f32s(coefficients[k]));
    }
    sum
}

/// eˣ, relative error below 2e-7; 0 where the true value is no normal number, ∞ above 88.72.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Adding 1.5 · 2²³ leaves the nearest integer in the low bits of the sum.
    let shift = simd.splat_f32s(12_582_912.0);
    let shifted = simd.mul_add_e_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), shift);
    let n = simd.sub_f32s(shifted, shift);
    // ln 2 in two parts: n times the first, of 12 bits, is exact.
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(2.121_944_4e-4), r);
    let curve = polynomial(simd, r, EXPONENTIAL);
    let one = simd.splat_f32s(1.0);
    let power = simd.add_f32s(one, simd.mul_add_e_f32s(simd.mul_f32s(r, r), curve, r));
    // n is added to the exponent's bits; what n has above them falls off.
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let scaled = simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(power), bits));
    let small = simd.less_than_f32s(x, simd.splat_f32s(-87.336_54));
    let scaled = simd.select_f32s(small, simd.splat_f32s(0.0), scaled);
    let fits = simd.less_than_f32s(x, simd.splat_f32s(88.722_83));
    // Above, x · ∞ is ∞, and what is not a number stays so.
    simd.select_f32s(fits, scaled, simd.mul_f32s(x, simd.splat_f32s(f32::INFINITY)))
}

/// 1 / (1 + e⁻ˣ), relative error below 4e-7; tanh x is 2 · sigmoid(2x) − 1.
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    simd.div_f32s(one, simd.add_f32s(one, exp(simd, simd.neg_f32s(x))))
}

/// Φ(x), the chance that a standard normal variable lies below `x`, and exp(−x²/2).
///
/// Φ's error is below 1.2e-7 (so that of erf z = 2 Φ(z √2) − 1 is below 2.4e-7), and far below 0 it is relative: below
/// 5e-7 · (1 + x²).
#[inline(always)]
pub(crate) fn normal<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (zero, quarter, one) = (simd.splat_f32s(0.0), simd.splat_f32s(0.25), simd.splat_f32s(1.0));
    let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5)));
    // 0.4 z = 0.4 |x| / √2; the quotient is 2t − 1, with a smaller error than by way of t.
    let width = simd.splat_f32s(0.4 * std::f32::consts::FRAC_1_SQRT_2);
    // The bound keeps the quotient a number where x is infinite.
    let far = simd.mul_f32s(simd.abs_f32s(x), width);
    let far = simd.min_f32s(far, simd.splat_f32s(1e6));
    let place = simd.div_f32s(simd.sub_f32s(one, far), simd.add_f32s(one, far));
    let half_t = simd.mul_add_e_f32s(place, quarter, quarter);
    let curve = simd.mul_f32s(polynomial(simd, place, TAIL), half_t);
    let tail = simd.mul_f32s(curve, bell);
    let below = simd.less_than_f32s(x, zero);
    (simd.select_f32s(below, tail, simd.sub_f32s(one, tail)), bell)
}

#[cfg(test)]
mod tests {
    use pulp::{Simd, WithSimd};

    use super::{exp, normal, sigmoid};
    use crate::Level;

    /// `[exp, sigmoid, Φ, bell]` of every value.
    struct All<'a>(&'a [f32]);

    impl WithSimd for All<'_> {
        type Output = Vec<[f32; 4]>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
            let mut found = Vec::new();
            for chunk in self.0.chunks(S::F32_LANES) {
                let x = simd.partial_load_f32s(chunk);
                let (below, bell) = normal(simd, x);
                let mut values = [[0.0; 64]; 4];
                for (values, lanes) in
                    values.iter_mut().zip([exp(simd, x), sigmoid(simd, x), below, bell])
                {
                    simd.partial_store_f32s(&mut values[..S::F32_LANES], lanes);
                }
                found.extend((0..chunk.len()).map(|lane| std::array::from_fn(|f| values[f][lane])));
            }
            found
        }
    }

    /// Φ by Simpson's rule from 0 or, far out, by the continued fraction of the tail.
    fn normal_f64(x: f64) -> f64 {
        let density = |t: f64| (-t * t / 2.0).exp() / std::f64::consts::TAU.sqrt();
        if x.abs() > 3.0 {
            let fraction = (1..200).rev().fold(x.abs(), |sum, k| x.abs() + k as f64 / sum);
            let tail = density(x) / fraction;
            return if x < 0.0 { tail } else { 1.0 - tail };
        }
        let step = x / 2000.0;
        let inner: f64 =
            (1..2000).map(|k| density(k as f64 * step) * if k % 2 == 1 { 4.0 } else { 2.0 }).sum();
        0.5 + (density(0.0) + inner + density(x)) * step / 3.0
    }

    #[test]
    fn the_exponential_is_right_to_two_units_of_the_last_place_over_its_range() {
        let x: Vec<f32> = (0..200_001).map(|k| -87.33 + k as f32 * (176.05 / 200_000.0)).collect();
        for level in Level::all() {
            for (&x, found) in x.iter().zip(level.run(All(&x))) {
                let true_value = f64::from(x).exp();
                let error = (f64::from(found[0]) - true_value).abs() / true_value;
                assert!(error < 2e-7, "{}: exp({x}) is off by {error:e}", level.name());
                let true_value = 1.0 / (1.0 + (-f64::from(x)).exp());
                let error = (f64::from(found[1]) - true_value).abs() / true_value;
                assert!(error < 4e-7, "{}: sigmoid({x}) is off by {error:e}", level.name());
            }
        }
    }

    #[test]
    fn the_exponential_keeps_zero_infinity_and_what_is_not_a_number() {
        let x = [f32::NEG_INFINITY, -1e30, -200.0, 0.0, 88.8, 1e30, f32::INFINITY, f32::NAN];
        for level in Level::all() {
            let found: Vec<f32> = level.run(All(&x)).iter().map(|f| f[0]).collect();
            assert_eq!(found[..4], [0.0, 0.0, 0.0, 1.0], "{}", level.name());
            assert_eq!(found[4..7], [f32::INFINITY; 3], "{}", level.name());
            assert!(found[7].is_nan(), "{}", level.name());
        }
    }

    #[test]
    fn the_normal_distribution_is_right_in_its_middle_and_in_its_tail() {
        let x: Vec<f32> = (-6000..=6000).map(|k| k as f32 * 2e-3).collect();
        for level in Level::all() {
            for (&x, found) in x.iter().zip(level.run(All(&x))) {
                let true_value = normal_f64(f64::from(x));
                let error = (f64::from(found[2]) - true_value).abs();
                assert!(error < 1.2e-7, "{}: Φ({x}) is off by {error:e}", level.name());
                let relative = error / true_value;
                let bound = 5e-7 * (1.0 + f64::from(x * x));
                assert!(relative < bound, "{}: Φ({x}) is off by {relative:e}", level.name());
            }
        }
    }
}
