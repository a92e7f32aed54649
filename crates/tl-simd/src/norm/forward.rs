//! Statistics of a batch, and the batch normalised by them.

use pulp::Simd;
use rayon::prelude::*;

use crate::rows::{Fold, Map, Rows, fold, map};
use crate::{Act, Level};

/// The mean and the biased variance of each channel of `[pixels, channels]`.
///
/// Each chunk sums its values less a guess of its mean, in f32; the chunks are joined in f64 (Chan, Golub and LeVeque,
/// 1979), so that neither a mean far from 0 nor a large batch costs accuracy. Without pixels both are 0.
pub fn statistics(level: Level, x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    if channels == 0 {
        return (Vec::new(), Vec::new());
    }
    let rows = Rows::new(level, channels);
    let chunks = x.len().div_ceil(rows.chunk);
    // Of each chunk its means, then its sums of squares about them.
    let mut moments = vec![0.0f64; chunks * 2 * channels];
    moments.par_chunks_mut(2 * channels).zip(x.par_chunks(rows.chunk)).for_each(|(sums, x)| {
        let guess = first_mean(x, channels);
        fold(level, rows, Squares, [x], [&guess], sums);
        let pixels = (x.len() / channels) as f64;
        let (means, squares) = sums.split_at_mut(channels);
        for ((mean, square), guess) in means.iter_mut().zip(squares).zip(guess) {
            *square -= *mean * *mean / pixels;
            *mean = f64::from(guess) + *mean / pixels;
        }
    });
    let (mut mean, mut square) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    for (index, chunk) in moments.chunks_exact(2 * channels).enumerate() {
        let before = (index * rows.chunk / channels) as f64;
        let count = (rows.chunk.min(x.len() - index * rows.chunk) / channels) as f64;
        let share = count / (before + count);
        let (means, squares) = chunk.split_at(channels);
        for (channel, (other, more)) in means.iter().zip(squares).enumerate() {
            let apart = other - mean[channel];
            mean[channel] += apart * share;
            square[channel] += more + apart * apart * before * share;
        }
    }
    let pixels = (x.len() / channels).max(1) as f64;
    let variance = square.into_iter().map(|square| (square.max(0.0) / pixels) as f32).collect();
    (mean.into_iter().map(|mean| mean as f32).collect(), variance)
}

/// The means of the first pixels of a chunk.
fn first_mean(x: &[f32], channels: usize) -> Vec<f32> {
    const PIXELS: usize = 8;
    let mut mean = vec![0.0; channels];
    let pixels = PIXELS.min(x.len() / channels);
    for pixel in x.chunks_exact(channels).take(pixels) {
        for (mean, value) in mean.iter_mut().zip(pixel) {
            *mean += value;
        }
    }
    mean.iter_mut().for_each(|mean| *mean *= 1.0 / pixels as f32);
    mean
}

/// `Σ (x - guess)` and `Σ (x - guess)²`.
#[derive(Clone, Copy)]
struct Squares;

impl Fold<1, 1, 2> for Squares {
    #[inline(always)]
    fn add<S: Simd>(
        self,
        simd: S,
        [x]: [S::f32s; 1],
        [guess]: [S::f32s; 1],
        [sum, square]: [S::f32s; 2],
    ) -> [S::f32s; 2] {
        let apart = simd.sub_f32s(x, guess);
        [simd.add_f32s(sum, apart), simd.mul_add_e_f32s(apart, apart, square)]
    }
}

/// What [`normalise`] takes: `gamma / sqrt(variance + epsilon)`, and `beta - mean·scale`.
pub fn scale_and_shift(
    mean: &[f32],
    variance: &[f32],
    epsilon: f64,
    gamma: &[f32],
    beta: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let scale = |(gamma, variance): (&f32, &f32)| {
        f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt()
    };
    let scales = gamma.iter().zip(variance).map(scale);
    let shift = |((scale, mean), beta): ((f64, &f32), &f32)| {
        (scale as f32, (f64::from(*beta) - f64::from(*mean) * scale) as f32)
    };
    scales.zip(mean).zip(beta).map(shift).unzip()
}

/// `act(x·scale + shift + residual)` of `[pixels, channels]`, where scale and shift are `[channels]`.
pub fn normalise(
    level: Level,
    x: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    act: Act,
    output: &mut [f32],
) {
    if x.is_empty() {
        return;
    }
    let rows = Rows::new(level, scale.len());
    match residual {
        None => map(level, rows, Affine(act), [x], [scale, shift], [output]),
        Some(residual) => map(level, rows, Affine(act), [x, residual], [scale, shift], [output]),
    }
}

/// `act(x·scale + shift + residual)`.
#[derive(Clone, Copy)]
struct Affine(Act);

impl Map<1, 2, 1> for Affine {
    const FRESH: bool = true;

    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [x]: [S::f32s; 1],
        [scale, shift]: [S::f32s; 2],
        _: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        [self.0.apply(simd, simd.mul_add_e_f32s(x, scale, shift))]
    }
}

impl Map<2, 2, 1> for Affine {
    const FRESH: bool = true;

    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        [x, residual]: [S::f32s; 2],
        [scale, shift]: [S::f32s; 2],
        _: [S::f32s; 1],
    ) -> [S::f32s; 1] {
        let sum = simd.add_f32s(simd.mul_add_e_f32s(x, scale, shift), residual);
        [self.0.apply(simd, sum)]
    }
}
