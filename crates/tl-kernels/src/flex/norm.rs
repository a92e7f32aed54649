//! Batch normalisation with the statistics of the batch (Ioffe and Szegedy, 2015).

use rayon::prelude::*;

use super::depthwise::planes_by_channel;
use super::elementwise::{add_act, add_sum, slope_rows};
use super::processor::{by_processor, multiply_add};
use crate::Nonlinearity;

/// A normalised batch and the statistics it was normalised with.
pub(crate) struct Normed {
    pub output: Vec<f32>,
    pub mean: Vec<f32>,
    /// Biased.
    pub variance: Vec<f32>,
}

#[inline(always)]
fn squares_body<const FUSED: bool>(values: &[f32], mean: f32, total: &mut f64) {
    for block in values.chunks(4096) {
        let mut lanes = [0.0f32; 16];
        let mut rows = block.chunks_exact(16);
        for row in rows.by_ref() {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane = multiply_add::<FUSED>(value - mean, value - mean, *lane);
            }
        }
        let rest = rows.remainder().iter().map(|value| (value - mean) * (value - mean));
        *total += lanes.into_iter().chain(rest).map(f64::from).sum::<f64>();
    }
}

by_processor! {
    /// Adds `Σ (value - mean)²` to `total`.
    fn add_squares(values: &[f32], mean: f32, total: &mut f64) = squares_body
}

#[inline(always)]
fn moments_body<const FUSED: bool>(gradient: &[f32], x: &[f32], mean: f32, total: &mut f64) {
    for (gradient, x) in gradient.chunks(4096).zip(x.chunks(4096)) {
        let mut lanes = [0.0f32; 16];
        let (gradients, values) = (gradient.chunks_exact(16), x.chunks_exact(16));
        let rest =
            gradients.remainder().iter().zip(values.remainder()).map(|(g, x)| g * (x - mean));
        let rest: f64 = rest.map(f64::from).sum();
        for (gradients, values) in gradients.zip(values) {
            for ((lane, gradient), value) in lanes.iter_mut().zip(gradients).zip(values) {
                *lane = multiply_add::<FUSED>(*gradient, value - mean, *lane);
            }
        }
        *total += lanes.into_iter().map(f64::from).sum::<f64>() + rest;
    }
}

by_processor! {
    /// Adds `Σ gradient·(x - mean)` to `total`.
    fn add_moments(gradient: &[f32], x: &[f32], mean: f32, total: &mut f64) = moments_body
}

#[inline(always)]
fn affine_body<const FUSED: bool>(
    target: &mut [f32],
    x: &[f32],
    mean: f32,
    scale: f32,
    shift: f32,
) {
    for (target, value) in target.iter_mut().zip(x) {
        *target = multiply_add::<FUSED>(value - mean, scale, shift);
    }
}

by_processor! {
    /// `target = (x - mean)·scale + shift`.
    fn affine(target: &mut [f32], x: &[f32], mean: f32, scale: f32, shift: f32) = affine_body
}

#[inline(always)]
fn input_body<const FUSED: bool>(gradient: &mut [f32], x: &[f32], mean: f32, factors: [f32; 3]) {
    let [scale, slope, shift] = factors;
    for (gradient, value) in gradient.iter_mut().zip(x) {
        let centred = multiply_add::<FUSED>(value - mean, slope, shift);
        *gradient = multiply_add::<FUSED>(*gradient, scale, centred);
    }
}

by_processor! {
    /// `gradient = scale·gradient + slope·(x - mean) + shift`.
    fn input_gradient_in_place(
        gradient: &mut [f32],
        x: &[f32],
        mean: f32,
        factors: [f32; 3],
    ) = input_body
}

/// `act((x - mean) / sqrt(variance + epsilon)·weight + bias + residual)` over `[batch, channels, plane]`.
pub(crate) fn normalise(
    x: &[f32],
    plane: usize,
    weight: &[f32],
    bias: &[f32],
    residual: Option<&[f32]>,
    epsilon: f64,
    act: Nonlinearity,
) -> Normed {
    let channels = weight.len();
    let mut output = vec![0.0; x.len()];
    let statistics: Vec<(f32, f32)> = planes_by_channel(&mut output, channels, plane)
        .into_par_iter()
        .enumerate()
        .map(|(channel, targets)| {
            let count = (targets.len() * plane) as f64;
            let range = |image: usize| {
                (image * channels + channel) * plane..(image * channels + channel + 1) * plane
            };
            let (mut sum, mut squares) = (0.0, 0.0);
            (0..targets.len()).for_each(|image| add_sum(&x[range(image)], &mut sum));
            let mean = (sum / count) as f32;
            (0..targets.len()).for_each(|image| add_squares(&x[range(image)], mean, &mut squares));
            let variance = squares / count;
            let scale = (f64::from(weight[channel]) / (variance + epsilon).sqrt()) as f32;
            for (image, target) in targets.into_iter().enumerate() {
                affine(target, &x[range(image)], mean, scale, bias[channel]);
                add_act(target, 0.0, residual.map(|residual| &residual[range(image)]), act);
            }
            (mean, variance as f32)
        })
        .collect();
    let (mean, variance) = statistics.into_iter().unzip();
    Normed { output, mean, variance }
}

/// What a norm's gradients are read off.
pub(crate) struct NormInputs<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub mean: &'a [f32],
    /// Biased.
    pub variance: &'a [f32],
    pub epsilon: f64,
}

/// The gradients of input, weight and bias from that of the sum; with `output` from that of the result and the
/// result itself.
pub(crate) fn norm_backward(
    inputs: NormInputs<'_>,
    plane: usize,
    gradient: &[f32],
    output: Option<(&[f32], Nonlinearity)>,
    wants_input: bool,
) -> [Vec<f32>; 3] {
    let NormInputs { x, weight, .. } = inputs;
    let channels = weight.len();
    let mut target = vec![0.0; x.len()];
    let sums: Vec<(f32, f32)> = planes_by_channel(&mut target, channels, plane)
        .into_par_iter()
        .enumerate()
        .map(|(channel, mut targets)| {
            let count = (targets.len() * plane) as f64;
            let range = |image: usize| {
                (image * channels + channel) * plane..(image * channels + channel + 1) * plane
            };
            let mean = inputs.mean[channel];
            let variance = f64::from(inputs.variance[channel]);
            let (mut sum, mut moment) = (0.0, 0.0);
            for (image, target) in targets.iter_mut().enumerate() {
                // The target holds the gradient of the sum until the sums are known.
                match output {
                    Some((output, act)) => slope_rows(
                        target,
                        plane,
                        plane,
                        &gradient[range(image)],
                        &output[range(image)],
                        act,
                    ),
                    None => target.copy_from_slice(&gradient[range(image)]),
                }
                add_sum(target, &mut sum);
                add_moments(target, &x[range(image)], mean, &mut moment);
            }
            let inverse = 1.0 / (variance + inputs.epsilon).sqrt();
            if wants_input {
                let scale = f64::from(weight[channel]) * inverse;
                let slope = -scale * moment * inverse * inverse / count;
                let factors = [scale as f32, slope as f32, (-scale * sum / count) as f32];
                for (image, target) in targets.iter_mut().enumerate() {
                    input_gradient_in_place(target, &x[range(image)], mean, factors);
                }
            }
            ((moment * inverse) as f32, sum as f32)
        })
        .collect();
    let (weights, biases) = sums.into_iter().unzip();
    [target, weights, biases]
}
