//! The greatest value of each window.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Level;

/// The windows of a pooling; of each pair the first is along the height.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// At most 16 each: the place of a value in its window is kept in a byte.
    pub kernel: [usize; 2],
    /// At least 1.
    pub stride: [usize; 2],
    /// At most half of the kernel, so that every window holds a value.
    pub padding: [usize; 2],
}

impl Window {
    /// Height and width of the output: as many windows as fit whole into the padded image.
    pub fn output_size(&self, size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let padded = size[axis] + 2 * self.padding[axis];
            padded.checked_sub(self.kernel[axis]).map_or(0, |room| room / self.stride[axis] + 1)
        })
    }

    /// The taps of a window that lie inside the image.
    fn taps(&self, axis: usize, window: usize, size: usize) -> Range<usize> {
        let (first, padding) = (window * self.stride[axis], self.padding[axis]);
        let end = (size + padding).saturating_sub(first).min(self.kernel[axis]);
        padding.saturating_sub(first).min(end)..end
    }

    /// The windows that hold a place of the image.
    fn windows(&self, axis: usize, place: usize, windows: usize) -> Range<usize> {
        let padded = place + self.padding[axis];
        let first = (padded + 1).saturating_sub(self.kernel[axis]).div_ceil(self.stride[axis]);
        let end = (padded / self.stride[axis] + 1).min(windows);
        first.min(end)..end
    }
}

/// The greatest value of each window of `[batch, height, width, channels]`; `shape` is that of `x`.
///
/// A window that holds a NaN gives NaN. `taps`, as large as the output, gets the place of the value in its window
/// (`row · kernel width + column`), the first where several are equal, for [`max_backward`].
pub fn max(
    level: Level,
    x: &[f32],
    shape: [usize; 4],
    window: Window,
    output: &mut [f32],
    taps: Option<&mut [u8]>,
) {
    let [_, height, width, channels] = shape;
    let [rows, columns] = window.output_size([height, width]);
    let line = columns * channels;
    if output.is_empty() {
        return;
    }
    let work = |index: usize, output: &mut [f32], taps: &mut [u8]| {
        let image = &x[index / rows * height * width * channels..][..height * width * channels];
        let size = [height, width];
        level.run(MaxRow { image, size, channels, window, row: index % rows, output, taps });
    };
    let lines = output.par_chunks_mut(line).enumerate();
    match taps {
        Some(taps) => lines
            .zip(taps.par_chunks_mut(line))
            .for_each(|((index, output), taps)| work(index, output, taps)),
        None => lines.for_each(|(index, output)| work(index, output, &mut [])),
    }
}

/// One row of windows.
struct MaxRow<'a> {
    image: &'a [f32],
    size: [usize; 2],
    channels: usize,
    window: Window,
    row: usize,
    output: &'a mut [f32],
    /// Empty where no taps are wanted.
    taps: &'a mut [u8],
}

impl WithSimd for MaxRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { image, size: [height, width], channels, window, row, output, taps } = self;
        let down = window.taps(0, row, height);
        for (column, output) in output.chunks_exact_mut(channels).enumerate() {
            let across = window.taps(1, column, width);
            if down.is_empty() || across.is_empty() {
                output.fill(f32::NEG_INFINITY);
                continue;
            }
            let top = row * window.stride[0] + down.start - window.padding[0];
            let left = column * window.stride[1] + across.start - window.padding[1];
            let place = Place {
                values: &image[(top * width + left) * channels..],
                pitch: width * channels,
                channels,
                size: [down.len(), across.len()],
                first: down.start * window.kernel[1] + across.start,
                kernel_width: window.kernel[1],
            };
            match taps.get_mut(column * channels..(column + 1) * channels) {
                Some(taps) => place.with_taps(simd, output, taps),
                None => place.without_taps(simd, output),
            }
        }
    }
}

/// The part of a window that lies inside the image.
#[derive(Clone, Copy)]
struct Place<'a> {
    /// From its first value on.
    values: &'a [f32],
    /// Values of a row of the image.
    pitch: usize,
    channels: usize,
    size: [usize; 2],
    /// The number of its first tap, and the taps in a row of the whole window.
    first: usize,
    kernel_width: usize,
}

impl Place<'_> {
    #[inline(always)]
    fn without_taps<S: Simd>(self, simd: S, output: &mut [f32]) {
        for (index, target) in output.chunks_mut(S::F32_LANES).enumerate() {
            let mut best = simd.splat_f32s(f32::NEG_INFINITY);
            for row in 0..self.size[0] {
                for column in 0..self.size[1] {
                    let value = self.value(simd, row, column, index, target.len());
                    let better = greater_or_nan(simd, value, best);
                    best = simd.select_f32s(better, value, best);
                }
            }
            simd.partial_store_f32s(target, best);
        }
    }

    #[inline(always)]
    fn with_taps<S: Simd>(self, simd: S, output: &mut [f32], taps: &mut [u8]) {
        let parts = output.chunks_mut(S::F32_LANES).zip(taps.chunks_mut(S::F32_LANES));
        for (index, (target, taps)) in parts.enumerate() {
            let mut best = simd.splat_f32s(f32::NEG_INFINITY);
            let mut best_tap = simd.splat_u32s(self.first as u32);
            for row in 0..self.size[0] {
                for column in 0..self.size[1] {
                    let tap = self.first + row * self.kernel_width + column;
                    let value = self.value(simd, row, column, index, target.len());
                    let better = greater_or_nan(simd, value, best);
                    best = simd.select_f32s(better, value, best);
                    best_tap = simd.select_u32s(better, simd.splat_u32s(tap as u32), best_tap);
                }
            }
            simd.partial_store_f32s(target, best);
            // As many as the widest register has.
            let mut wide = [0u32; 16];
            simd.partial_store_u32s(&mut wide[..S::F32_LANES], best_tap);
            for (tap, wide) in taps.iter_mut().zip(wide) {
                *tap = wide as u8;
            }
        }
    }

    /// A register of one tap.
    #[inline(always)]
    fn value<S: Simd>(
        &self,
        simd: S,
        row: usize,
        column: usize,
        index: usize,
        count: usize,
    ) -> S::f32s {
        let start = row * self.pitch + column * self.channels + index * S::F32_LANES;
        simd.partial_load_f32s(&self.values[start..start + count])
    }
}

/// Where a value takes the place of the best: a NaN always does, and gives way to another NaN alone.
#[inline(always)]
fn greater_or_nan<S: Simd>(simd: S, value: S::f32s, best: S::f32s) -> S::m32s {
    let (greater, number) = (simd.greater_than_f32s(value, best), simd.equal_f32s(value, value));
    let nan = simd.equal_u32s(
        simd.select_u32s(number, simd.splat_u32s(1), simd.splat_u32s(0)),
        simd.splat_u32s(0),
    );
    simd.or_m32s(greater, nan)
}

/// Writes the gradient of the input of [`max`] from that of its output; `shape` is that of the input.
///
/// Each value gathers from the windows that it is the greatest of, in their order.
pub fn max_backward(
    level: Level,
    gradient: &[f32],
    taps: &[u8],
    shape: [usize; 4],
    window: Window,
    target: &mut [f32],
) {
    let [_, height, width, channels] = shape;
    let [rows, columns] = window.output_size([height, width]);
    if target.is_empty() {
        return;
    }
    let image = rows * columns * channels;
    target.par_chunks_mut(width * channels).enumerate().for_each(|(index, target)| {
        let range = index / height * image..(index / height + 1) * image;
        let (gradient, taps) = (&gradient[range.clone()], &taps[range]);
        let (row, size) = (index % height, [rows, columns]);
        level.run(GatherRow { gradient, taps, size, channels, window, row, target });
    });
}

/// One row of the input.
struct GatherRow<'a> {
    gradient: &'a [f32],
    taps: &'a [u8],
    /// Windows down and across.
    size: [usize; 2],
    channels: usize,
    window: Window,
    row: usize,
    target: &'a mut [f32],
}

impl WithSimd for GatherRow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { gradient, taps, size: [rows, columns], channels, window, row, target } = self;
        target.fill(0.0);
        let down = window.windows(0, row, rows);
        for (column, target) in target.chunks_exact_mut(channels).enumerate() {
            let across = window.windows(1, column, columns);
            for y in down.clone() {
                let tap_row = row + window.padding[0] - y * window.stride[0];
                for x in across.clone() {
                    let tap_column = column + window.padding[1] - x * window.stride[1];
                    let tap = (tap_row * window.kernel[1] + tap_column) as u8;
                    let start = (y * columns + x) * channels;
                    let from = &gradient[start..start + channels];
                    let own = &taps[start..start + channels];
                    for ((target, value), own) in target.iter_mut().zip(from).zip(own) {
                        *target += if *own == tap { *value } else { 0.0 };
                    }
                }
            }
        }
    }
}
