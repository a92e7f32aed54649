//! The rows of one task.

use pulp::{Simd, WithSimd};

use super::{Gradient, Loss};
use crate::math;

pub(super) struct Softmax<'a> {
    pub x: &'a [f32],
    pub classes: usize,
    pub output: &'a mut [f32],
    /// Whether the logarithm is wanted.
    pub logarithm: bool,
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let rows = self.x.chunks_exact(self.classes);
        for (x, output) in rows.zip(self.output.chunks_exact_mut(self.classes)) {
            let largest = maximum(simd, x);
            if self.logarithm {
                let total = sum_of_exponentials(simd, x, largest);
                shift(simd, x, [largest, total.ln()], output);
            } else {
                // A row of −∞ alone has no largest logit to be shifted by, and sums to 0.
                let largest = if largest == f32::NEG_INFINITY { 0.0 } else { largest };
                let total = exponentials(simd, x, largest, output);
                scale(simd, output, if total > 0.0 { 1.0 / total } else { total });
            }
        }
    }
}

pub(super) struct CrossEntropy<'a> {
    pub loss: Loss<'a>,
    /// The sum of all classes' weights.
    pub spread: f32,
    pub logits: &'a [f32],
    pub targets: &'a [u32],
    pub losses: &'a mut [f32],
    pub gradient: Option<Gradient<'a>>,
}

impl WithSimd for CrossEntropy<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Loss { classes, smoothing, weights } = self.loss;
        let each = smoothing / classes as f32;
        for (row, loss) in self.losses.iter_mut().enumerate() {
            let place = row * classes..(row + 1) * classes;
            let logits = &self.logits[place.clone()];
            let gradient = self
                .gradient
                .as_mut()
                .map(|gradient| (&mut gradient.values[place], gradient.scale));
            let target = self.targets[row] as usize;
            if target >= classes {
                *loss = 0.0;
                if let Some((gradient, _)) = gradient {
                    gradient.fill(0.0);
                }
                continue;
            }
            let own = (1.0 - smoothing) * weights.map_or(1.0, |weights| weights[target]);
            let all = own + each * self.spread;
            let largest = maximum(simd, logits);
            let total = match gradient {
                None => sum_of_exponentials(simd, logits, largest),
                Some((gradient, factor)) => {
                    let total = exponentials(simd, logits, largest, gradient);
                    // all · pₖ − each · wₖ, and −own at the target, by the loss's factor.
                    let lowered = -each * factor;
                    let probability = all * factor / total;
                    match weights {
                        _ if each == 0.0 => scale(simd, gradient, probability),
                        Some(weights) => {
                            lower(simd, gradient, probability, weights, lowered);
                        }
                        None => affine(simd, gradient, [probability, lowered]),
                    }
                    gradient[target] -= own * factor;
                    total
                }
            };
            // −ln pₖ is ln total − (zₖ − largest).
            let mut value = all * total.ln() - own * (logits[target] - largest);
            if each != 0.0 {
                value -= each * weighted_sum(simd, logits, largest, weights);
            }
            *loss = value;
        }
    }
}

#[inline(always)]
fn maximum<S: Simd>(simd: S, x: &[f32]) -> f32 {
    let least = simd.splat_f32s(f32::NEG_INFINITY);
    let mut largest = [least; 4];
    let (whole, tail) = S::as_simd_f32s(x);
    let (groups, rest) = whole.as_chunks::<4>();
    for group in groups {
        for k in 0..4 {
            largest[k] = simd.max_f32s(largest[k], group[k]);
        }
    }
    for x in rest {
        largest[0] = simd.max_f32s(largest[0], *x);
    }
    largest[1] = simd.max_f32s(largest[1], load_tail(simd, tail, f32::NEG_INFINITY));
    let first = simd.max_f32s(largest[0], largest[1]);
    let last = simd.max_f32s(largest[2], largest[3]);
    simd.reduce_max_f32s(simd.max_f32s(first, last))
}

/// The values of a tail, and `rest` in the lanes after it.
#[inline(always)]
fn load_tail<S: Simd>(simd: S, tail: &[f32], rest: f32) -> S::f32s {
    let filled = simd.mask_between_m32s(0, tail.len() as u32).mask();
    simd.select_f32s(filled, simd.partial_load_f32s(tail), simd.splat_f32s(rest))
}

/// Σ exp(x − shift).
#[inline(always)]
fn sum_of_exponentials<S: Simd>(simd: S, x: &[f32], shift: f32) -> f32 {
    let shift = simd.splat_f32s(shift);
    let (whole, tail) = S::as_simd_f32s(x);
    let mut sum = simd.splat_f32s(0.0);
    for x in whole {
        sum = simd.add_f32s(sum, math::exp(simd, simd.sub_f32s(*x, shift)));
    }
    let last = simd.sub_f32s(load_tail(simd, tail, f32::NEG_INFINITY), shift);
    simd.reduce_sum_f32s(simd.add_f32s(sum, math::exp(simd, last)))
}

/// exp(x − shift) into `output`, and the sum of them.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, x: &[f32], shift: f32, output: &mut [f32]) -> f32 {
    let shift = simd.splat_f32s(shift);
    let (whole, tail) = S::as_simd_f32s(x);
    let (output, output_tail) = S::as_mut_simd_f32s(output);
    let mut sum = simd.splat_f32s(0.0);
    for (x, output) in whole.iter().zip(output) {
        let value = math::exp(simd, simd.sub_f32s(*x, shift));
        sum = simd.add_f32s(sum, value);
        *output = value;
    }
    let last = simd.sub_f32s(load_tail(simd, tail, f32::NEG_INFINITY), shift);
    let last = math::exp(simd, last);
    simd.partial_store_f32s(output_tail, last);
    simd.reduce_sum_f32s(simd.add_f32s(sum, last))
}

/// (x − largest) − rest into `output`.
#[inline(always)]
fn shift<S: Simd>(simd: S, x: &[f32], [largest, rest]: [f32; 2], output: &mut [f32]) {
    let (largest, rest) = (simd.splat_f32s(largest), simd.splat_f32s(rest));
    let (whole, tail) = S::as_simd_f32s(x);
    let (output, output_tail) = S::as_mut_simd_f32s(output);
    for (x, output) in whole.iter().zip(output) {
        *output = simd.sub_f32s(simd.sub_f32s(*x, largest), rest);
    }
    let last = simd.sub_f32s(simd.partial_load_f32s(tail), largest);
    simd.partial_store_f32s(output_tail, simd.sub_f32s(last, rest));
}

/// x · factor + offset, in place.
#[inline(always)]
fn affine<S: Simd>(simd: S, x: &mut [f32], [factor, offset]: [f32; 2]) {
    let (factor, offset) = (simd.splat_f32s(factor), simd.splat_f32s(offset));
    let (whole, tail) = S::as_mut_simd_f32s(x);
    for x in whole {
        *x = simd.mul_add_e_f32s(*x, factor, offset);
    }
    let last = simd.mul_add_e_f32s(simd.partial_load_f32s(tail), factor, offset);
    simd.partial_store_f32s(tail, last);
}

#[inline(always)]
fn scale<S: Simd>(simd: S, x: &mut [f32], factor: f32) {
    affine(simd, x, [factor, 0.0]);
}

/// x · factor + weight · offset, in place.
#[inline(always)]
fn lower<S: Simd>(simd: S, x: &mut [f32], factor: f32, weights: &[f32], offset: f32) {
    let (factor, offset) = (simd.splat_f32s(factor), simd.splat_f32s(offset));
    let (whole, tail) = S::as_mut_simd_f32s(x);
    let (weights, weights_tail) = S::as_simd_f32s(weights);
    for (x, weight) in whole.iter_mut().zip(weights) {
        *x = simd.mul_add_e_f32s(*x, factor, simd.mul_f32s(*weight, offset));
    }
    let weight = simd.partial_load_f32s(weights_tail);
    let lowered = simd.mul_f32s(weight, offset);
    let last = simd.mul_add_e_f32s(simd.partial_load_f32s(tail), factor, lowered);
    simd.partial_store_f32s(tail, last);
}

/// Σ weight · (x − shift).
#[inline(always)]
fn weighted_sum<S: Simd>(simd: S, x: &[f32], shift: f32, weights: Option<&[f32]>) -> f32 {
    let level = simd.splat_f32s(shift);
    let one = simd.splat_f32s(1.0);
    let (whole, tail) = S::as_simd_f32s(x);
    let (weights, weights_tail) = match weights {
        Some(weights) => {
            let (whole, tail) = S::as_simd_f32s(weights);
            (Some(whole), Some(tail))
        }
        None => (None, None),
    };
    let mut sum = simd.splat_f32s(0.0);
    for (k, x) in whole.iter().enumerate() {
        let weight = weights.map_or(one, |weights| weights[k]);
        sum = simd.mul_add_e_f32s(weight, simd.sub_f32s(*x, level), sum);
    }
    // Lanes after the tail hold x − shift = 0.
    let last = simd.sub_f32s(load_tail(simd, tail, shift), level);
    let weight = weights_tail.map_or(one, |tail| simd.partial_load_f32s(tail));
    simd.reduce_sum_f32s(simd.mul_add_e_f32s(weight, last, sum))
}
