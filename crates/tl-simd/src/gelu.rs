//! The Gaussian error linear unit (Hendrycks and Gimpel 2016, arXiv 1606.08415).

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{Level, math};

/// The values of one task: 64 KiB of each operand.
const CHUNK: usize = 16_384;

/// √(8/π): twice the slope of the approximation's tanh argument at 0.
const SLOPE: f32 = 1.595_769;
/// The weight of the cube in that argument.
const CUBE: f32 = 0.044_715;

/// Which of the two formulas in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// x Φ(x).
    Exact,
    /// x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).
    Tanh,
}

impl Gelu {
    /// The unit's value of each lane.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        match self {
            Gelu::Exact => gelu(simd, x),
            Gelu::Tanh => gelu_tanh(simd, x),
        }
    }

    /// The unit's slope at each lane of its input.
    #[inline(always)]
    pub(crate) fn slope<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        match self {
            Gelu::Exact => {
                let (below, bell) = math::normal(simd, x);
                // 1/√(2π), the density at 0.
                let density = simd.mul_f32s(bell, simd.splat_f32s(0.398_942_3));
                simd.mul_add_e_f32s(x, density, below)
            }
            Gelu::Tanh => {
                // With s = sigmoid(u): (x s)′ = s + x u′ s (1 − s).
                let square = simd.mul_f32s(x, x);
                let gate = math::sigmoid(simd, argument(simd, x, square));
                let rise = simd.mul_add_e_f32s(
                    square,
                    simd.splat_f32s(3.0 * CUBE * SLOPE),
                    simd.splat_f32s(SLOPE),
                );
                let spread = simd.mul_f32s(gate, simd.sub_f32s(simd.splat_f32s(1.0), gate));
                simd.mul_add_e_f32s(simd.mul_f32s(x, rise), spread, gate)
            }
        }
    }
}

/// x Φ(x) of each lane.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.mul_f32s(x, math::normal(simd, x).0)
}

/// The approximation by tanh, of each lane: (1 + tanh u) / 2 is sigmoid(2u).
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let square = simd.mul_f32s(x, x);
    simd.mul_f32s(x, math::sigmoid(simd, argument(simd, x, square)))
}

/// √(8/π) (x + 0.044715 x³).
#[inline(always)]
fn argument<S: Simd>(simd: S, x: S::f32s, square: S::f32s) -> S::f32s {
    let factor = simd.mul_add_e_f32s(square, simd.splat_f32s(CUBE * SLOPE), simd.splat_f32s(SLOPE));
    simd.mul_f32s(x, factor)
}

/// The unit of every value of `x`, into `output`.
///
/// # Panics
/// If the slices differ in length.
pub fn forward(level: Level, kind: Gelu, x: &[f32], output: &mut [f32]) {
    assert_eq!(x.len(), output.len());
    let tasks = x.par_chunks(CHUNK).zip(output.par_chunks_mut(CHUNK));
    tasks.for_each(|(x, output)| level.run(Forward { kind, x, output }));
}

/// The gradient of the unit's input `x`, into `dx`, of the `gradient` of its output.
///
/// # Panics
/// If the slices differ in length.
pub fn backward(level: Level, kind: Gelu, x: &[f32], gradient: &[f32], dx: &mut [f32]) {
    assert_eq!(x.len(), gradient.len());
    assert_eq!(x.len(), dx.len());
    let sources = x.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK));
    let tasks = sources.zip(dx.par_chunks_mut(CHUNK));
    tasks.for_each(|((x, gradient), dx)| level.run(Backward { kind, x, gradient, dx }));
}

struct Forward<'a> {
    kind: Gelu,
    x: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (x, x_tail) = S::as_simd_f32s(self.x);
        let (output, output_tail) = S::as_mut_simd_f32s(self.output);
        for (x, output) in x.iter().zip(output) {
            *output = self.kind.apply(simd, *x);
        }
        let tail = self.kind.apply(simd, simd.partial_load_f32s(x_tail));
        simd.partial_store_f32s(output_tail, tail);
    }
}

struct Backward<'a> {
    kind: Gelu,
    x: &'a [f32],
    gradient: &'a [f32],
    dx: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (x, x_tail) = S::as_simd_f32s(self.x);
        let (gradient, gradient_tail) = S::as_simd_f32s(self.gradient);
        let (dx, dx_tail) = S::as_mut_simd_f32s(self.dx);
        for ((x, gradient), dx) in x.iter().zip(gradient).zip(dx) {
            *dx = simd.mul_f32s(*gradient, self.kind.slope(simd, *x));
        }
        let slope = self.kind.slope(simd, simd.partial_load_f32s(x_tail));
        let tail = simd.mul_f32s(simd.partial_load_f32s(gradient_tail), slope);
        simd.partial_store_f32s(dx_tail, tail);
    }
}

#[cfg(test)]
mod tests {
    use super::{Gelu, backward, forward};
    use crate::Level;

    /// The unit and its slope in f64; Φ by the series around 0, whose terms stay small up to |x| = 6.
    fn reference(kind: Gelu, x: f64) -> (f64, f64) {
        match kind {
            Gelu::Exact => {
                let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
                let (mut term, mut sum) = (x, x);
                for k in 1..200 {
                    term *= x * x / f64::from(2 * k + 1);
                    sum += term;
                }
                let below = 0.5 + density * sum;
                (x * below, below + x * density)
            }
            Gelu::Tanh => {
                let root = (2.0 / std::f64::consts::PI).sqrt();
                let tanh = (root * (x + 0.044715 * x * x * x)).tanh();
                let rise = root * (1.0 + 3.0 * 0.044715 * x * x);
                (0.5 * x * (1.0 + tanh), 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * rise)
            }
        }
    }

    fn input(count: usize) -> (Vec<f32>, Vec<f32>) {
        let x = (0..count).map(|k| (k as f32 * 0.7311).sin() * 6.0).collect();
        (x, (0..count).map(|k| (k as f32 * 1.37).cos()).collect())
    }

    #[test]
    fn values_and_slopes_agree_with_f64_for_any_length() {
        for level in Level::all() {
            for kind in [Gelu::Exact, Gelu::Tanh] {
                for count in [0, 1, 7, 16, 33, 1000, 40_001] {
                    let (x, gradient) = input(count);
                    let (mut output, mut dx) = (vec![f32::NAN; count], vec![f32::NAN; count]);
                    forward(level, kind, &x, &mut output);
                    backward(level, kind, &x, &gradient, &mut dx);
                    for k in 0..count {
                        let (value, slope) = reference(kind, f64::from(x[k]));
                        let slope = slope * f64::from(gradient[k]);
                        let at = format!("{} {kind:?} of {count} at {}", level.name(), x[k]);
                        let bound = 1e-6 * (1.0 + value.abs());
                        assert!((f64::from(output[k]) - value).abs() < bound, "{at}");
                        assert!((f64::from(dx[k]) - slope).abs() < 2e-6, "{at}");
                    }
                }
            }
        }
    }

    #[test]
    fn large_inputs_go_to_themselves_or_to_zero() {
        for level in Level::all() {
            for kind in [Gelu::Exact, Gelu::Tanh] {
                let mut output = [f32::NAN; 6];
                let x = [-1e4, -60.0, 60.0, 1e4, f32::INFINITY, f32::NAN];
                forward(level, kind, &x, &mut output);
                let expected = [0.0, 0.0, 60.0, 1e4, f32::INFINITY];
                assert_eq!(output[..5], expected, "{} {kind:?}", level.name());
                assert!(output[5].is_nan(), "{} {kind:?}", level.name());
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bits() {
        let (x, gradient) = input(100_003);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (mut output, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            pool.install(|| {
                forward(Level::best(), Gelu::Exact, &x, &mut output);
                backward(Level::best(), Gelu::Exact, &x, &gradient, &mut dx);
            });
            (output, dx)
        };
        let one = run(1);
        assert!(one == run(2) && one == run(4));
    }
}
