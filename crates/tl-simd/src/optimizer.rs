//! One step of an optimizer over the values of a parameter, in one pass over memory.
//!
//! The formulas and their order are those of PyTorch's single-tensor loops; numbers that are the same for all values
//! are computed in f64.

#[cfg(test)]
mod tests;

use pulp::Simd;
use rayon::prelude::*;

use crate::Level;
use crate::rows::{Fold, Map, Rows, fold, map};

/// The numbers of a step of SGD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    pub rate: f64,
    pub momentum: f64,
    /// Of the gradient, where it joins the momentum.
    pub dampening: f64,
    /// Added to the gradient.
    pub weight_decay: f64,
    pub nesterov: bool,
    /// Whether the momentum begins here: then it is the gradient, and what the buffer held counts for nothing.
    pub first: bool,
    /// Multiplies the gradient before all else, for clipping by the global norm.
    pub scale: f64,
}

/// The numbers of a step of AdamW (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    pub rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Decoupled from the gradient.
    pub weight_decay: f64,
    /// Of this step, from 1. At 1 what the moments held counts for nothing.
    pub step: u64,
    /// Multiplies the gradient before all else, for clipping by the global norm.
    pub scale: f64,
}

/// `v ← momentum·v + (1 − dampening)·g`, `p ← p − rate·v`, with `g` the gradient plus `weight_decay·p`; with
/// Nesterov's look-ahead `p ← p − rate·(g + momentum·v)`. Without a buffer `p ← p − rate·g`.
///
/// # Panics
/// When the slices have different lengths.
pub fn sgd(
    level: Level,
    parameter: &mut [f32],
    gradient: &[f32],
    momentum_buffer: Option<&mut [f32]>,
    settings: Sgd,
) {
    assert_eq!(gradient.len(), parameter.len(), "the gradient's length");
    let rows = Rows::new(level, 1);
    let Some(buffer) = momentum_buffer else {
        return map(level, rows, Plain::new(settings), [gradient], [], [parameter]);
    };
    assert_eq!(buffer.len(), parameter.len(), "the momentum's length");
    let step = Heavy {
        plain: Plain::new(settings),
        momentum: settings.momentum as f32,
        share: (1.0 - settings.dampening) as f32,
        nesterov: settings.nesterov,
        first: settings.first,
    };
    map(level, rows, step, [gradient], [], [parameter, buffer]);
}

/// `m ← beta1·m + (1 − beta1)·g`, `v ← beta2·v + (1 − beta2)·g²`,
/// `p ← (1 − rate·weight_decay)·p − rate·m̂ / (√v̂ + epsilon)`, with `m̂` and `v̂` corrected for their start at 0.
///
/// # Panics
/// When the slices have different lengths.
pub fn adamw(
    level: Level,
    parameter: &mut [f32],
    gradient: &[f32],
    first_moment: &mut [f32],
    second_moment: &mut [f32],
    settings: AdamW,
) {
    assert_eq!(gradient.len(), parameter.len(), "the gradient's length");
    assert_eq!(first_moment.len(), parameter.len(), "the first moment's length");
    assert_eq!(second_moment.len(), parameter.len(), "the second moment's length");
    let AdamW { rate, beta1, beta2, epsilon, weight_decay, step, scale } = settings;
    let exponent = i32::try_from(step).unwrap_or(i32::MAX);
    let correction1 = 1.0 - beta1.powi(exponent);
    let correction2 = 1.0 - beta2.powi(exponent);
    let step = Adam {
        scale: scale as f32,
        keep: (1.0 - rate * weight_decay) as f32,
        beta1: beta1 as f32,
        rest1: (1.0 - beta1) as f32,
        beta2: beta2 as f32,
        rest2: (1.0 - beta2) as f32,
        root: (1.0 / correction2.sqrt()) as f32,
        epsilon: epsilon as f32,
        rate: (rate / correction1) as f32,
        first: settings.step == 1,
    };
    let outputs = [parameter, first_moment, second_moment];
    map(level, Rows::new(level, 1), step, [gradient], [], outputs);
}

/// The sum of the squares of `x`: chunks of fixed size in f32 lanes, joined in order in f64.
pub fn sum_of_squares(level: Level, x: &[f32]) -> f64 {
    let rows = Rows::new(level, 1);
    let mut sums = vec![0.0f64; x.len().div_ceil(rows.chunk)];
    sums.par_iter_mut().zip(x.par_chunks(rows.chunk)).for_each(|(sum, x)| {
        fold(level, rows, Squares, [x], [], std::slice::from_mut(sum));
    });
    sums.iter().sum()
}

/// SGD without momentum.
#[derive(Clone, Copy)]
struct Plain {
    rate: f32,
    weight_decay: f32,
    scale: f32,
}

impl Plain {
    fn new(settings: Sgd) -> Self {
        Self {
            rate: settings.rate as f32,
            weight_decay: settings.weight_decay as f32,
            scale: settings.scale as f32,
        }
    }

    /// The gradient with scale and decay.
    #[inline(always)]
    fn gradient<S: Simd>(self, simd: S, gradient: S::f32s, value: S::f32s) -> S::f32s {
        let gradient = simd.mul_f32s(gradient, simd.splat_f32s(self.scale));
        if self.weight_decay == 0.0 {
            // A parameter that is no number must not spoil its momentum for nothing.
            return gradient;
        }
        simd.mul_add_e_f32s(value, simd.splat_f32s(self.weight_decay), gradient)
    }

    /// The value after a step along `direction`.
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, value: S::f32s, direction: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(direction, simd.splat_f32s(-self.rate), value)
    }
}

impl Map<1, 0, 1> for Plain {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [gradient]: [S::f32s; 1],
        []: [S::f32s; 0],
        [value]: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        [self.step(simd, value, self.gradient(simd, gradient, value))]
    }
}

/// SGD with momentum.
#[derive(Clone, Copy)]
struct Heavy {
    plain: Plain,
    momentum: f32,
    share: f32,
    nesterov: bool,
    first: bool,
}

impl Map<1, 0, 2> for Heavy {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [gradient]: [S::f32s; 1],
        []: [S::f32s; 0],
        [value, velocity]: [S::f32s; 2],
    ) -> [S::f32s; 2] {
        let gradient = self.plain.gradient(simd, gradient, value);
        let momentum = simd.splat_f32s(self.momentum);
        let velocity = if self.first {
            gradient
        } else {
            let fresh = simd.mul_f32s(gradient, simd.splat_f32s(self.share));
            simd.mul_add_e_f32s(velocity, momentum, fresh)
        };
        let direction = if self.nesterov {
            simd.mul_add_e_f32s(velocity, momentum, gradient)
        } else {
            velocity
        };
        [self.plain.step(simd, value, direction), velocity]
    }
}

#[derive(Clone, Copy)]
struct Adam {
    scale: f32,
    keep: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    /// 1 / √(the second moment's correction).
    root: f32,
    epsilon: f32,
    /// Over the first moment's correction.
    rate: f32,
    first: bool,
}

impl Map<1, 0, 3> for Adam {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [gradient]: [S::f32s; 1],
        []: [S::f32s; 0],
        [value, first, second]: [S::f32s; 3],
    ) -> [S::f32s; 3] {
        let gradient = times(simd, gradient, self.scale);
        let fresh = times(simd, gradient, self.rest1);
        let square = times(simd, simd.mul_f32s(gradient, gradient), self.rest2);
        let (first, second) = if self.first {
            (fresh, square)
        } else {
            (
                simd.mul_add_e_f32s(first, simd.splat_f32s(self.beta1), fresh),
                simd.mul_add_e_f32s(second, simd.splat_f32s(self.beta2), square),
            )
        };
        let spread = simd.mul_add_e_f32s(
            simd.sqrt_f32s(second),
            simd.splat_f32s(self.root),
            simd.splat_f32s(self.epsilon),
        );
        let direction = simd.div_f32s(first, spread);
        let decayed = times(simd, value, self.keep);
        let value = simd.mul_add_e_f32s(direction, simd.splat_f32s(-self.rate), decayed);
        [value, first, second]
    }
}

#[inline(always)]
fn times<S: Simd>(simd: S, x: S::f32s, by: f32) -> S::f32s {
    simd.mul_f32s(x, simd.splat_f32s(by))
}

#[derive(Clone, Copy)]
struct Squares;

impl Fold<1, 0, 1> for Squares {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x]: [S::f32s; 1],
        []: [S::f32s; 0],
        [sum]: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        [simd.mul_add_e_f32s(x, x, sum)]
    }
}
