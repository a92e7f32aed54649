//! Depthwise convolution, channels last: every channel has a window of its own.
//!
//! There is little arithmetic for each value read, so what counts is to touch memory once and in order. Vectors run
//! over channels. Two rows of the output are made together where their windows overlap, in blocks of neighbouring
//! columns: each value of the input that a block loads serves every window which holds it. The rows that come next are
//! asked for while these are made. Borders are not padded: columns whose window reaches out of the image form blocks
//! of their own, with shorter windows.
//!
//! The gradient of the input is a sum of the same form, over the gradient, with the windows reversed; with stride 2
//! even and odd positions have windows of their own.

mod access;
mod gather;
mod geometry;
mod plan;
#[cfg(test)]
mod tests;
mod weigh;

use rayon::prelude::*;

use crate::{Act, Level};
use gather::Gather;
pub use geometry::Depthwise;
use plan::Plan;
use weigh::Weigh;

/// Values of the output that one task writes, about: 128 KB.
const TASK: usize = 1 << 15;

/// Values of the gradient that one partial sum of the weight's gradient takes in, about.
const CHUNK: usize = 1 << 16;

/// Writes act(convolution + bias + residual) into `output`.
///
/// `x` is `[batch, height, width, channels]`, `weight` `[channels, kernel height, kernel width]`, `bias` `[channels]`,
/// `residual` and `output` `[batch, output height, output width, channels]`.
///
/// # Panics
/// When a slice's length is not that of its shape.
#[allow(clippy::too_many_arguments, reason = "one operand each")]
pub fn forward(
    level: Level,
    geometry: &Depthwise,
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    act: Act,
    output: &mut [f32],
) {
    gather(level, geometry, &Plan::forward(geometry), x, weight, bias, residual, act, output);
}

/// Overwrites `target` with the gradient of the input.
///
/// `gradient` is that of the convolution's output, before the nonlinearity; shapes as in [`forward`].
///
/// # Panics
/// When a slice's length is not that of its shape.
pub fn input_gradient(
    level: Level,
    geometry: &Depthwise,
    weight: &[f32],
    gradient: &[f32],
    target: &mut [f32],
) {
    let plan = Plan::input_gradient(geometry);
    gather(level, geometry, &plan, gradient, weight, None, None, Act::None, target);
}

/// Overwrites `target`, `[channels, kernel height, kernel width]`, with the gradient of the weight.
///
/// Each partial sum takes in a fixed number of rows, and partial sums are added in order, so that the bits do not
/// depend on the number of threads. Shapes as in [`forward`].
///
/// # Panics
/// When a slice's length is not that of its shape.
pub fn weight_gradient(
    level: Level,
    geometry: &Depthwise,
    x: &[f32],
    gradient: &[f32],
    target: &mut [f32],
) {
    let plan = Plan::forward(geometry);
    assert_eq!(x.len(), plan.source_values(), "the input's length");
    assert_eq!(gradient.len(), plan.target_values(), "the gradient's length");
    assert_eq!(target.len(), geometry.weight_values(), "the weight's length");
    target.fill(0.0);
    if gradient.is_empty() || target.is_empty() {
        return;
    }
    let rows = plan.batch * plan.target[0];
    let chunk = plan.task(CHUNK);
    let mut partial = vec![0.0f32; rows.div_ceil(chunk) * target.len()];
    partial.par_chunks_mut(target.len()).enumerate().for_each(|(index, sums)| {
        let rows = index * chunk..rows.min((index + 1) * chunk);
        level.run(Weigh { plan: &plan, x, gradient, rows, sums });
    });
    let (total, others) = partial.split_at_mut(target.len());
    for sums in others.chunks_exact(total.len()) {
        for (total, sum) in total.iter_mut().zip(sums) {
            *total += sum;
        }
    }
    unpack(geometry, total, target);
}

#[allow(clippy::too_many_arguments, reason = "one operand each")]
fn gather(
    level: Level,
    geometry: &Depthwise,
    plan: &Plan,
    source: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    act: Act,
    target: &mut [f32],
) {
    assert_eq!(source.len(), plan.source_values(), "the input's length");
    assert_eq!(target.len(), plan.target_values(), "the output's length");
    assert_eq!(weight.len(), geometry.weight_values(), "the weight's length");
    assert!(bias.is_none_or(|bias| bias.len() == plan.channels), "the bias' length");
    assert!(
        residual.is_none_or(|residual| residual.len() == target.len()),
        "the residual's length"
    );
    if target.is_empty() {
        return;
    }
    let weight = &pack(geometry, weight);
    let rows = plan.task(TASK);
    target.par_chunks_mut(rows * plan.target_row()).enumerate().for_each(|(index, target)| {
        let first_row = index * rows;
        level.run(Gather { plan, source, weight, bias, residual, act, first_row, target });
    });
}

/// `[kernel height, kernel width, channels]` of `[channels, kernel height, kernel width]`.
fn pack(geometry: &Depthwise, weight: &[f32]) -> Vec<f32> {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let mut packed = vec![0.0; weight.len()];
    for (channel, window) in weight.chunks_exact(taps.max(1)).enumerate() {
        for (tap, value) in window.iter().enumerate() {
            packed[tap * geometry.channels + channel] = *value;
        }
    }
    packed
}

/// The inverse of [`pack`].
fn unpack(geometry: &Depthwise, packed: &[f32], weight: &mut [f32]) {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    for (channel, window) in weight.chunks_exact_mut(taps.max(1)).enumerate() {
        for (tap, value) in window.iter_mut().enumerate() {
            *value = packed[tap * geometry.channels + channel];
        }
    }
}
