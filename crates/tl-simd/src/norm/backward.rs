//! The gradients of a norm, and the sums over pixels that gradients of channels are.

use pulp::Simd;
use rayon::prelude::*;

use crate::rows::{Fold, Map, Rows, fold, map};
use crate::{Act, Level};

/// The nonlinearity that a gradient has yet to pass on its way back.
#[derive(Clone, Copy, Debug)]
pub enum Slope<'a> {
    /// None: the gradient is that of the normalised batch.
    One,
    /// That of `act`, read off its output.
    Output(&'a [f32], Act),
    /// That of `act` over a norm without a residual: its output is made again of the input, with the scale and shift
    /// that [`normalise`](super::normalise) took, which spares reading it.
    Affine { scale: &'a [f32], shift: &'a [f32], act: Act },
}

impl Slope<'_> {
    /// The slope over part of the values.
    fn part(self, range: std::ops::Range<usize>) -> Self {
        match self {
            Slope::Output(output, act) => Slope::Output(&output[range], act),
            other => other,
        }
    }
}

/// The input of a norm and what it was normalised with.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// `[pixels, channels]`.
    pub x: &'a [f32],
    pub mean: &'a [f32],
    /// Biased.
    pub variance: &'a [f32],
    pub epsilon: f64,
    pub gamma: &'a [f32],
}

/// What the gradients of a norm have to know of all pixels; each is `[channels]`.
#[derive(Clone, Debug)]
pub struct Sums {
    /// `Σ gradient`: the gradient of beta.
    pub gradient: Vec<f64>,
    /// `Σ gradient·(x - mean)`.
    pub moment: Vec<f64>,
}

impl Sums {
    /// The gradients of gamma and beta.
    pub fn parameter_gradients(&self, variance: &[f32], epsilon: f64) -> (Vec<f32>, Vec<f32>) {
        let gamma = self.moment.iter().zip(variance);
        let gamma = gamma.map(|(sum, of)| (sum / (f64::from(*of) + epsilon).sqrt()) as f32);
        (gamma.collect(), self.gradient.iter().map(|sum| *sum as f32).collect())
    }
}

/// The sums of the gradient before the nonlinearity, which is `gradient` through `slope`.
pub fn sums(level: Level, x: &[f32], gradient: &[f32], slope: Slope<'_>, mean: &[f32]) -> Sums {
    let mut totals = in_chunks(level, mean.len(), x.len(), 2, |rows, range, sums| {
        let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
        match slope.part(range) {
            Slope::One => fold(level, rows, Moments(Act::None), [x, gradient], [mean], sums),
            Slope::Output(output, act) => {
                fold(level, rows, Moments(act), [x, gradient, output], [mean], sums);
            }
            Slope::Affine { scale, shift, act } => {
                fold(level, rows, Moments(act), [x, gradient], [mean, scale, shift], sums);
            }
        }
    });
    let moment = totals.split_off(mean.len());
    Sums { gradient: totals, moment }
}

/// The sum of each channel of `[pixels, channels]`: the gradient of a bias.
pub fn channel_sums(level: Level, x: &[f32], channels: usize) -> Vec<f32> {
    let totals = in_chunks(level, channels, x.len(), 1, |rows, range, sums| {
        fold(level, rows, Total, [&x[range]], [], sums);
    });
    totals.into_iter().map(|total| total as f32).collect()
}

/// Folds chunks of `length` values on all threads, and adds the sums up in the order of the chunks.
fn in_chunks(
    level: Level,
    channels: usize,
    length: usize,
    kinds: usize,
    fold: impl Fn(Rows, std::ops::Range<usize>, &mut [f64]) + Sync,
) -> Vec<f64> {
    let mut totals = vec![0.0; kinds * channels];
    if channels == 0 {
        return totals;
    }
    let rows = Rows::new(level, channels);
    let mut sums = vec![0.0; length.div_ceil(rows.chunk) * totals.len()];
    sums.par_chunks_mut(totals.len()).enumerate().for_each(|(index, sums)| {
        fold(rows, index * rows.chunk..length.min((index + 1) * rows.chunk), sums);
    });
    for sums in sums.chunks_exact(totals.len()) {
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    totals
}

/// `Σ x`.
#[derive(Clone, Copy)]
struct Total;

impl Fold<1, 0, 1> for Total {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x]: [S::f32s; 1],
        _: [S::f32s; 0],
        [sum]: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        [simd.add_f32s(sum, x)]
    }
}

/// `Σ gradient` and `Σ gradient·(x - mean)`, of the gradient before the nonlinearity.
#[derive(Clone, Copy)]
struct Moments(Act);

impl Fold<3, 1, 2> for Moments {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x, gradient, output]: [S::f32s; 3],
        [mean]: [S::f32s; 1],
        [sum, moment]: [S::f32s; 2],
    ) -> [S::f32s; 2] {
        let gradient = self.0.backward(simd, output, gradient);
        let moment = simd.mul_add_e_f32s(gradient, simd.sub_f32s(x, mean), moment);
        [simd.add_f32s(sum, gradient), moment]
    }
}

impl Fold<2, 1, 2> for Moments {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x, gradient]: [S::f32s; 2],
        mean: [S::f32s; 1],
        sums: [S::f32s; 2],
    ) -> [S::f32s; 2] {
        Moments(Act::None).add(simd, [x, gradient, gradient], mean, sums)
    }
}

impl Fold<2, 3, 2> for Moments {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x, gradient]: [S::f32s; 2],
        [mean, scale, shift]: [S::f32s; 3],
        sums: [S::f32s; 2],
    ) -> [S::f32s; 2] {
        // A nonlinearity has slope 1 where its argument has: no need to apply it.
        let argument = simd.mul_add_e_f32s(x, scale, shift);
        self.add(simd, [x, gradient, argument], [mean], sums)
    }
}

/// Writes the gradient of a norm's input; into `residual` that of the residual, the gradient before the nonlinearity.
pub fn input_gradient(
    level: Level,
    inputs: Inputs<'_>,
    slope: Slope<'_>,
    sums: &Sums,
    gradient: &[f32],
    target: &mut [f32],
    residual: Option<&mut [f32]>,
) {
    let x = inputs.x;
    let [mean, a, b, c] = &inputs.factors(sums);
    let own: [&[f32]; 4] = [mean, a, b, c];
    match (slope, residual) {
        (Slope::One, None) => write(level, Apart(Act::None), [x, gradient], own, [target]),
        (Slope::One, Some(residual)) => {
            write(level, Apart(Act::None), [x, gradient], own, [target, residual]);
        }
        (Slope::Output(y, act), None) => write(level, Apart(act), [x, gradient, y], own, [target]),
        (Slope::Output(y, act), Some(residual)) => {
            write(level, Apart(act), [x, gradient, y], own, [target, residual]);
        }
        (Slope::Affine { scale, shift, act }, None) => {
            write(level, Apart(act), [x, gradient], [mean, a, b, c, scale, shift], [target]);
        }
        (Slope::Affine { scale, shift, act }, Some(residual)) => {
            let all: [&[f32]; 6] = [mean, a, b, c, scale, shift];
            write(level, Apart(act), [x, gradient], all, [target, residual]);
        }
    }
}

/// As [`input_gradient`], written over the gradient that it is made of.
pub fn input_gradient_in_place(
    level: Level,
    inputs: Inputs<'_>,
    slope: Slope<'_>,
    sums: &Sums,
    gradient: &mut [f32],
    residual: Option<&mut [f32]>,
) {
    let x = inputs.x;
    let [mean, a, b, c] = &inputs.factors(sums);
    let own: [&[f32]; 4] = [mean, a, b, c];
    match (slope, residual) {
        (Slope::One, None) => write(level, Over(Act::None), [x], own, [gradient]),
        (Slope::One, Some(residual)) => {
            write(level, Over(Act::None), [x], own, [gradient, residual]);
        }
        (Slope::Output(y, act), None) => write(level, Over(act), [x, y], own, [gradient]),
        (Slope::Output(y, act), Some(residual)) => {
            write(level, Over(act), [x, y], own, [gradient, residual]);
        }
        (Slope::Affine { scale, shift, act }, None) => {
            write(level, Over(act), [x], [mean, a, b, c, scale, shift], [gradient]);
        }
        (Slope::Affine { scale, shift, act }, Some(residual)) => {
            let all: [&[f32]; 6] = [mean, a, b, c, scale, shift];
            write(level, Over(act), [x], all, [gradient, residual]);
        }
    }
}

impl Inputs<'_> {
    /// Of `gradient·a + (x - mean)·b + c` the mean, a, b and c of each channel.
    fn factors(&self, sums: &Sums) -> [Vec<f32>; 4] {
        let channels = self.mean.len();
        let pixels = (self.x.len() / channels.max(1)).max(1) as f64;
        let mut factors = [const { Vec::new() }; 4];
        for channel in 0..channels {
            let inverse = 1.0 / (f64::from(self.variance[channel]) + self.epsilon).sqrt();
            let scale = f64::from(self.gamma[channel]) * inverse;
            let slope = -scale * sums.moment[channel] * inverse * inverse / pixels;
            let shift = -scale * sums.gradient[channel] / pixels;
            factors[0].push(self.mean[channel]);
            factors[1].push(scale as f32);
            factors[2].push(slope as f32);
            factors[3].push(shift as f32);
        }
        factors
    }
}

fn write<F: Map<N, P, K>, const N: usize, const P: usize, const K: usize>(
    level: Level,
    made: F,
    inputs: [&[f32]; N],
    parameters: [&[f32]; P],
    outputs: [&mut [f32]; K],
) {
    if !outputs[0].is_empty() {
        map(level, Rows::new(level, parameters[0].len()), made, inputs, parameters, outputs);
    }
}

/// The gradient of the input, and that before the nonlinearity, of the gradient among the inputs.
#[derive(Clone, Copy)]
struct Apart(Act);

impl<const N: usize, const P: usize, const K: usize> Map<N, P, K> for Apart {
    const FRESH: bool = true;

    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        inputs: [S::f32s; N],
        parameters: [S::f32s; P],
        held: [S::f32s; K],
    ) -> [S::f32s; K] {
        let output = if N == 3 { Some(inputs[2]) } else { None };
        both(simd, self.0, [inputs[0], inputs[1]], output, parameters, held)
    }
}

/// The same of the gradient that the output holds.
#[derive(Clone, Copy)]
struct Over(Act);

impl<const N: usize, const P: usize, const K: usize> Map<N, P, K> for Over {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        inputs: [S::f32s; N],
        parameters: [S::f32s; P],
        held: [S::f32s; K],
    ) -> [S::f32s; K] {
        let output = if N == 2 { Some(inputs[1]) } else { None };
        both(simd, self.0, [inputs[0], held[0]], output, parameters, held)
    }
}

/// `results[0] = gradient·a + (x - mean)·b + c`, and into a second result the gradient. The parameters are mean, a, b
/// and c; with a norm's scale and shift behind them, the output is made again.
#[inline(always)]
fn both<S: Simd, const P: usize, const K: usize>(
    simd: S,
    act: Act,
    [x, gradient]: [S::f32s; 2],
    output: Option<S::f32s>,
    parameters: [S::f32s; P],
    mut results: [S::f32s; K],
) -> [S::f32s; K] {
    // A nonlinearity has slope 1 at its output where it has at its argument: no need to apply it.
    let output =
        if P == 6 { Some(simd.mul_add_e_f32s(x, parameters[4], parameters[5])) } else { output };
    let gradient = output.map_or(gradient, |output| act.backward(simd, output, gradient));
    let apart = simd.sub_f32s(x, parameters[0]);
    let centred = simd.mul_add_e_f32s(apart, parameters[2], parameters[3]);
    results[0] = simd.mul_add_e_f32s(gradient, parameters[1], centred);
    if K == 2 {
        results[1] = gradient;
    }
    results
}

/// Turns the gradient of `act`'s output into that of its argument, of values of any shape.
pub fn through_act(level: Level, gradient: &mut [f32], output: &[f32], act: Act) {
    if act != Act::None {
        map(level, Rows::new(level, 1), Through(act), [output], [], [gradient]);
    }
}

#[derive(Clone, Copy)]
struct Through(Act);

impl Map<1, 0, 1> for Through {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [output]: [S::f32s; 1],
        _: [S::f32s; 0],
        [gradient]: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        [self.0.backward(simd, output, gradient)]
    }
}
