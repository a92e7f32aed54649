//! Means of windows that share an image out.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Level;

/// Registers that are summed side by side.
const BLOCK: usize = 4;
/// Values that are summed in f32 before their sum is added to those before: rounding grows with either count alone.
const RUN: usize = 64;

/// The places that output `index` of `count` is the mean of; ranges of neighbours may overlap by one.
///
/// By symmetry also the outputs that a place is part of, with `size` and `count` exchanged.
fn share(index: usize, count: usize, size: usize) -> Range<usize> {
    index * size / count..((index + 1) * size).div_ceil(count)
}

/// The means of `[batch, height, width, channels]` over as many windows as `output_size` says; `shape` is that of `x`.
pub fn adaptive_average(
    level: Level,
    x: &[f32],
    shape: [usize; 4],
    output_size: [usize; 2],
    output: &mut [f32],
) {
    let [_, height, width, channels] = shape;
    let [rows, columns] = output_size;
    if output.is_empty() {
        return;
    }
    let pixels = height * width * channels;
    output.par_chunks_mut(columns * channels).enumerate().for_each(|(index, output)| {
        let image = &x[index / rows * pixels..][..pixels];
        let down = share(index % rows, rows, height);
        level.run(Means { image, size: [height, width], down, channels, output });
    });
}

/// One row of means.
struct Means<'a> {
    image: &'a [f32],
    size: [usize; 2],
    /// The rows of the image that they are of.
    down: Range<usize>,
    channels: usize,
    output: &'a mut [f32],
}

impl WithSimd for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, size: [_, width], down, channels, output } = self;
        let columns = output.len() / channels;
        for (column, output) in output.chunks_exact_mut(channels).enumerate() {
            let across = share(column, columns, width);
            let inverse = 1.0 / (down.len() * across.len()) as f32;
            for (block, target) in output.chunks_mut(BLOCK * S::F32_LANES).enumerate() {
                let from = block * BLOCK * S::F32_LANES;
                let zero = [simd.splat_f32s(0.0); BLOCK];
                let (mut total, mut part, mut count) = (zero, zero, 0);
                for row in down.clone() {
                    for column in across.clone() {
                        let start = (row * width + column) * channels + from;
                        let values = &image[start..start + target.len()];
                        add(simd, values, &mut part);
                        count += 1;
                        if count == RUN {
                            for b in 0..BLOCK {
                                total[b] = simd.add_f32s(total[b], part[b]);
                            }
                            (part, count) = (zero, 0);
                        }
                    }
                }
                for (b, target) in target.chunks_mut(S::F32_LANES).enumerate() {
                    let sum = simd.add_f32s(total[b], part[b]);
                    simd.partial_store_f32s(target, simd.mul_f32s(sum, simd.splat_f32s(inverse)));
                }
            }
        }
    }
}

/// Adds values to as many registers as they fill.
#[inline(always)]
fn add<S: Simd>(simd: S, values: &[f32], sums: &mut [S::f32s; BLOCK]) {
    let (heads, tail) = S::as_simd_f32s(values);
    if let [a, b, c, d] = *heads {
        for (sum, value) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = simd.add_f32s(*sum, value);
        }
        return;
    }
    for (b, value) in heads.iter().enumerate() {
        sums[b] = simd.add_f32s(sums[b], *value);
    }
    if !tail.is_empty() {
        let b = heads.len();
        sums[b] = simd.add_f32s(sums[b], simd.partial_load_f32s(tail));
    }
}

/// Writes the gradient of the input of [`adaptive_average`] from that of its output; `shape` is that of the input.
pub fn adaptive_average_backward(
    level: Level,
    gradient: &[f32],
    shape: [usize; 4],
    output_size: [usize; 2],
    target: &mut [f32],
) {
    let [_, height, width, channels] = shape;
    let [rows, columns] = output_size;
    if target.is_empty() {
        return;
    }
    let image = rows * columns * channels;
    target.par_chunks_mut(width * channels).enumerate().for_each(|(index, target)| {
        let gradient = &gradient[index / height * image..][..image];
        let (row, size) = (index % height, [height, width]);
        level.run(Spread { gradient, row, size, output_size, channels, target });
    });
}

/// One row of the input.
struct Spread<'a> {
    gradient: &'a [f32],
    row: usize,
    size: [usize; 2],
    output_size: [usize; 2],
    channels: usize,
    target: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradient, row, size: [height, width], output_size, channels, target } = self;
        let [rows, columns] = output_size;
        for (column, target) in target.chunks_exact_mut(channels).enumerate() {
            let mut first = true;
            for y in share(row, height, rows) {
                for x in share(column, width, columns) {
                    let count = share(y, rows, height).len() * share(x, columns, width).len();
                    let inverse = 1.0 / count as f32;
                    let from = &gradient[(y * columns + x) * channels..][..channels];
                    for (target, value) in target.iter_mut().zip(from) {
                        let part = value * inverse;
                        *target = if first { part } else { *target + part };
                    }
                    first = false;
                }
            }
            if first {
                // Without outputs there is nothing to gather.
                target.fill(0.0);
            }
        }
    }
}

/// The mean over the pixels of `[batch, pixels, channels]`, as `[batch, channels]`.
pub fn global_average(level: Level, x: &[f32], pixels: usize, channels: usize, output: &mut [f32]) {
    let images = output.len() / channels.max(1);
    adaptive_average(level, x, [images, 1, pixels, channels], [1, 1], output);
}

/// Writes the gradient of the input of [`global_average`] from that of its output.
pub fn global_average_backward(
    level: Level,
    gradient: &[f32],
    pixels: usize,
    channels: usize,
    target: &mut [f32],
) {
    let images = gradient.len() / channels.max(1);
    adaptive_average_backward(level, gradient, [images, 1, pixels, channels], [1, 1], target);
}
