//! What is done to each value after the sum, and its way back.

use rayon::prelude::*;

use super::processor::by_processor;
use crate::Nonlinearity;

/// Values that one task treats; fixed, so that nothing depends on the number of threads.
const TASK: usize = 1 << 15;

/// The nonlinearity. Its comparisons are false for NaN, which so passes through as in Burn's own operations.
#[inline(always)]
fn value_after(value: f32, act: Nonlinearity) -> f32 {
    match act {
        Nonlinearity::None => value,
        Nonlinearity::Relu => {
            if value < 0.0 {
                0.0
            } else {
                value
            }
        }
        Nonlinearity::Relu6 => {
            let low = if value < 0.0 { 0.0 } else { value };
            if low > 6.0 { 6.0 } else { low }
        }
    }
}

/// The gradient before the nonlinearity.
#[inline(always)]
fn gradient_before(gradient: f32, output: f32, act: Nonlinearity) -> f32 {
    let passes = match act {
        Nonlinearity::None => true,
        Nonlinearity::Relu => output > 0.0,
        Nonlinearity::Relu6 => (output > 0.0) & (output < 6.0),
    };
    if passes { gradient } else { 0.0 }
}

/// Calls `$run` with the nonlinearity known when it is compiled, so that no loop asks which it is.
macro_rules! for_each_act {
    ($act:expr, |$known:ident| $run:expr) => {
        match $act {
            Nonlinearity::None => {
                const $known: Nonlinearity = Nonlinearity::None;
                $run
            }
            Nonlinearity::Relu => {
                const $known: Nonlinearity = Nonlinearity::Relu;
                $run
            }
            Nonlinearity::Relu6 => {
                const $known: Nonlinearity = Nonlinearity::Relu6;
                $run
            }
        }
    };
}

#[inline(always)]
fn add_act_body<const FUSED: bool>(
    values: &mut [f32],
    shift: f32,
    residual: Option<&[f32]>,
    act: Nonlinearity,
) {
    for_each_act!(act, |ACT| match residual {
        Some(residual) => values.iter_mut().zip(residual).for_each(|(value, other)| {
            *value = value_after(*value + shift + other, ACT);
        }),
        None => values.iter_mut().for_each(|value| *value = value_after(*value + shift, ACT)),
    });
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
fn act_rows_body<const FUSED: bool>(
    plane: &mut [f32],
    width: usize,
    source: &[f32],
    pitch: usize,
    act: Nonlinearity,
) {
    for_each_act!(act, |ACT| {
        for (row, source) in plane.chunks_exact_mut(width).zip(source.chunks(pitch)) {
            row.iter_mut().zip(source).for_each(|(value, sum)| *value = value_after(*sum, ACT));
        }
    });
}

by_processor! {
    /// `plane = act(source)`; rows of the plane are `width` values, those of the source begin `pitch` values apart.
    pub(super) fn act_rows(
        plane: &mut [f32],
        width: usize,
        source: &[f32],
        pitch: usize,
        act: Nonlinearity,
    ) = act_rows_body
}

#[inline(always)]
fn slope_body<const FUSED: bool>(
    target: &mut [f32],
    pitch: usize,
    width: usize,
    gradient: &[f32],
    output: &[f32],
    act: Nonlinearity,
) {
    let rows =
        target.chunks_mut(pitch).zip(gradient.chunks_exact(width).zip(output.chunks_exact(width)));
    for_each_act!(act, |ACT| rows.for_each(|(target, (gradient, output))| {
        for (target, (gradient, output)) in target.iter_mut().zip(gradient.iter().zip(output)) {
            *target = gradient_before(*gradient, *output, ACT);
        }
    }));
}

by_processor! {
    /// `target` = the gradient before the nonlinearity, from the gradient after it and its output. Rows of the target
    /// begin `pitch` values apart, those of the others are `width` values.
    pub(super) fn slope_rows(
        target: &mut [f32],
        pitch: usize,
        width: usize,
        gradient: &[f32],
        output: &[f32],
        act: Nonlinearity,
    ) = slope_body
}

#[inline(always)]
fn slope_in_place_body<const FUSED: bool>(gradient: &mut [f32], output: &[f32], act: Nonlinearity) {
    let values = gradient.iter_mut().zip(output);
    for_each_act!(act, |ACT| values.for_each(|(gradient, output)| {
        *gradient = gradient_before(*gradient, *output, ACT);
    }));
}

by_processor! {
    fn slope_in_place(gradient: &mut [f32], output: &[f32], act: Nonlinearity) = slope_in_place_body
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
