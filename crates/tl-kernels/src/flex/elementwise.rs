//! What is done to each value after the sum, and its way back.

use rayon::prelude::*;

use super::processor::by_processor;
use crate::Nonlinearity;

/// Values that one task treats; fixed, so that nothing depends on the number of threads.
const TASK: usize = 1 << 15;

#[inline(always)]
fn add_act_body<const FUSED: bool>(
    values: &mut [f32],
    shift: f32,
    residual: Option<&[f32]>,
    act: Nonlinearity,
) {
    #[inline(always)]
    fn run(values: &mut [f32], shift: f32, residual: Option<&[f32]>, act: impl Fn(f32) -> f32) {
        match residual {
            Some(residual) => {
                for (value, other) in values.iter_mut().zip(residual) {
                    *value = act(*value + shift + other);
                }
            }
            None => {
                for value in values.iter_mut() {
                    *value = act(*value + shift);
                }
            }
        }
    }
    match act {
        Nonlinearity::None => run(values, shift, residual, |value| value),
        // Comparisons that are false for NaN, so that it passes through as in Burn's own operations.
        Nonlinearity::Relu => run(values, shift, residual, |value| if value < 0.0 { 0.0 } else { value }),
        Nonlinearity::Relu6 => run(values, shift, residual, |value| {
            let low = if value < 0.0 { 0.0 } else { value };
            if low > 6.0 { 6.0 } else { low }
        }),
    }
}

by_processor! {
    /// `values = act(values + shift + residual)`.
    pub(super) fn add_act(
        values: &mut [f32],
        shift: f32,
        residual: Option<&[f32]>,
        act: Nonlinearity,
    ) = add_act_body
}

#[inline(always)]
fn slope_body<const FUSED: bool>(target: &mut [f32], gradient: &[f32], output: &[f32], act: Nonlinearity) {
    let values = target.iter_mut().zip(gradient.iter().zip(output));
    match act {
        Nonlinearity::None => target.copy_from_slice(gradient),
        Nonlinearity::Relu => values.for_each(|(target, (&gradient, &output))| {
            *target = if output > 0.0 { gradient } else { 0.0 };
        }),
        Nonlinearity::Relu6 => values.for_each(|(target, (&gradient, &output))| {
            *target = if (output > 0.0) & (output < 6.0) { gradient } else { 0.0 };
        }),
    }
}

by_processor! {
    /// `target` = the gradient before the nonlinearity, from the gradient after it and its output.
    pub(super) fn slope_into(
        target: &mut [f32],
        gradient: &[f32],
        output: &[f32],
        act: Nonlinearity,
    ) = slope_body
}

#[inline(always)]
fn slope_in_place_body<const FUSED: bool>(gradient: &mut [f32], output: &[f32], act: Nonlinearity) {
    let values = gradient.iter_mut().zip(output);
    match act {
        Nonlinearity::None => {}
        Nonlinearity::Relu => values.for_each(|(gradient, &output)| {
            *gradient = if output > 0.0 { *gradient } else { 0.0 };
        }),
        Nonlinearity::Relu6 => values.for_each(|(gradient, &output)| {
            *gradient = if (output > 0.0) & (output < 6.0) { *gradient } else { 0.0 };
        }),
    }
}

by_processor! {
    fn slope_in_place(gradient: &mut [f32], output: &[f32], act: Nonlinearity) = slope_in_place_body
}

/// `act(x + residual)` of whole tensors.
pub(crate) fn activate(x: &[f32], residual: Option<&[f32]>, act: Nonlinearity) -> Vec<f32> {
    let mut output = vec![0.0; x.len()];
    output.par_chunks_mut(TASK).enumerate().for_each(|(task, output)| {
        let range = task * TASK..task * TASK + output.len();
        output.copy_from_slice(&x[range.clone()]);
        add_act(output, 0.0, residual.map(|residual| &residual[range]), act);
    });
    output
}

/// Turns the gradient after the nonlinearity into the one before it.
pub(crate) fn through_act(gradient: &mut [f32], output: &[f32], act: Nonlinearity) {
    if act == Nonlinearity::None {
        return;
    }
    gradient
        .par_chunks_mut(TASK)
        .zip(output.par_chunks(TASK))
        .for_each(|(gradient, output)| slope_in_place(gradient, output, act));
}

#[inline(always)]
fn sum_body<const FUSED: bool>(values: &[f32], total: &mut f64) {
    // 256 values a lane at most before the sum goes on in f64.
    for block in values.chunks(4096) {
        let mut lanes = [0.0f32; 16];
        let mut rows = block.chunks_exact(16);
        for row in rows.by_ref() {
            for (lane, value) in lanes.iter_mut().zip(row) {
                *lane += value;
            }
        }
        *total += lanes.iter().chain(rows.remainder()).map(|&value| f64::from(value)).sum::<f64>();
    }
}

by_processor! {
    /// Adds the sum of `values` to `total`.
    pub(super) fn add_sum(values: &[f32], total: &mut f64) = sum_body
}

/// The sum of `[batch, channels, plane]` over all but the channels.
pub(crate) fn channel_sums(values: &[f32], channels: usize, plane: usize) -> Vec<f32> {
    (0..channels)
        .into_par_iter()
        .map(|channel| {
            let mut total = 0.0;
            for image in values.chunks_exact(channels * plane) {
                add_sum(&image[channel * plane..][..plane], &mut total);
            }
            total as f32
        })
        .collect()
}
