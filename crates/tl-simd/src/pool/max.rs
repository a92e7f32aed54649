//! The greatest value of each window.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Level;

/// Registers that go through a window side by side.
const BLOCK: usize = 4;

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
                Some(taps) => place.all::<S, true>(simd, output, taps),
                None => place.all::<S, false>(simd, output, &mut []),
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
    /// All channels; `taps` is empty without `TAPS`.
    #[inline(always)]
    fn all<S: Simd, const TAPS: bool>(self, simd: S, output: &mut [f32], taps: &mut [u8]) {
        let mut from = 0;
        while from < output.len() {
            let left = output.len() - from;
            let count = if left < BLOCK * S::F32_LANES {
                left.min(S::F32_LANES)
            } else {
                BLOCK * S::F32_LANES
            };
            let target = &mut output[from..from + count];
            let taps = if TAPS { &mut taps[from..from + count] } else { &mut [] };
            if count > S::F32_LANES {
                self.block::<S, BLOCK, TAPS>(simd, from, target, taps);
            } else {
                self.block::<S, 1, TAPS>(simd, from, target, taps);
            }
            from += count;
        }
    }

    /// The channels `from` on, `V` registers of them or a part of one.
    #[inline(always)]
    fn block<S: Simd, const V: usize, const TAPS: bool>(
        self,
        simd: S,
        from: usize,
        target: &mut [f32],
        taps: &mut [u8],
    ) {
        let zero = simd.splat_f32s(0.0);
        let mut best = [simd.splat_f32s(f32::NEG_INFINITY); V];
        let mut best_tap = [simd.splat_u32s(self.first as u32); V];
        let mut strange = [zero; V];
        for row in 0..self.size[0] {
            for column in 0..self.size[1] {
                let tap = simd.splat_u32s((self.first + row * self.kernel_width + column) as u32);
                let start = row * self.pitch + column * self.channels + from;
                let source = &self.values[start..start + target.len()];
                for v in 0..V {
                    let value = if V == 1 {
                        simd.partial_load_f32s(source)
                    } else {
                        S::as_simd_f32s(source).0[v]
                    };
                    let better = simd.greater_than_f32s(value, best[v]);
                    best[v] = simd.select_f32s(better, value, best[v]);
                    if TAPS {
                        best_tap[v] = simd.select_u32s(better, tap, best_tap[v]);
                    }
                    // Stays 0 but for NaN and infinities, for less than it costs to look for them here.
                    strange[v] = simd.mul_add_e_f32s(value, zero, strange[v]);
                }
            }
        }
        let mut sum = strange[0];
        for more in &strange[1..] {
            sum = simd.add_f32s(sum, *more);
        }
        let plain = simd.equal_f32s(sum, zero);
        let any = simd.first_true_m32s(simd.xor_m32s(plain, simd.equal_f32s(zero, zero)));
        if any < S::F32_LANES {
            self.one_by_one::<TAPS>(from, target, taps);
            return;
        }
        for (v, target) in target.chunks_mut(S::F32_LANES).enumerate() {
            simd.partial_store_f32s(target, best[v]);
        }
        for (v, taps) in taps.chunks_mut(S::F32_LANES).enumerate() {
            // As many as the widest register has.
            let mut wide = [0u32; 16];
            S::as_mut_simd_u32s(&mut wide).0[0] = best_tap[v];
            let wide = &wide[..S::F32_LANES];
            for (tap, wide) in taps.iter_mut().zip(wide) {
                *tap = *wide as u8;
            }
        }
    }

    /// Channels among whose values there is a NaN, which always takes the place of the best, or an infinity.
    #[inline(never)]
    fn one_by_one<const TAPS: bool>(&self, from: usize, target: &mut [f32], taps: &mut [u8]) {
        for (index, target) in target.iter_mut().enumerate() {
            let (mut best, mut best_tap) = (f32::NEG_INFINITY, self.first);
            for row in 0..self.size[0] {
                for column in 0..self.size[1] {
                    let start = row * self.pitch + column * self.channels;
                    let value = self.values[start + from + index];
                    if value > best || value.is_nan() {
                        (best, best_tap) = (value, self.first + row * self.kernel_width + column);
                    }
                }
            }
            *target = best;
            if TAPS {
                taps[index] = best_tap as u8;
            }
        }
    }
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
        let down = window.windows(0, row, rows);
        for (column, target) in target.chunks_exact_mut(channels).enumerate() {
            let across = window.windows(1, column, columns);
            // Of no use where no window holds the place.
            let tap_row = (row + window.padding[0]).saturating_sub(down.start * window.stride[0]);
            let tap_column =
                (column + window.padding[1]).saturating_sub(across.start * window.stride[1]);
            let windows = Windows {
                gradient,
                taps,
                columns,
                channels,
                down: down.clone(),
                across,
                stride: window.stride,
                tap: [tap_row, tap_column],
                kernel_width: window.kernel[1],
            };
            let mut from = 0;
            while from < channels {
                from += match channels - from {
                    64.. => windows.gather::<64>(from, target),
                    16.. => windows.gather::<16>(from, target),
                    8.. => windows.gather::<8>(from, target),
                    _ => windows.gather::<1>(from, target),
                };
            }
        }
    }
}

/// The windows that hold one place of the input.
struct Windows<'a> {
    gradient: &'a [f32],
    taps: &'a [u8],
    columns: usize,
    channels: usize,
    down: Range<usize>,
    across: Range<usize>,
    stride: [usize; 2],
    /// The place's own in the first of them, and the taps in a row.
    tap: [usize; 2],
    kernel_width: usize,
}

impl Windows<'_> {
    /// Writes `N` channels, and returns `N`.
    #[inline(always)]
    fn gather<const N: usize>(&self, from: usize, target: &mut [f32]) -> usize {
        let mut sums = [0.0f32; N];
        for (below, y) in self.down.clone().enumerate() {
            for (beside, x) in self.across.clone().enumerate() {
                let tap_row = self.tap[0] - below * self.stride[0];
                let tap_column = self.tap[1] - beside * self.stride[1];
                let tap = (tap_row * self.kernel_width + tap_column) as u8;
                let start = (y * self.columns + x) * self.channels + from;
                let values = &self.gradient[start..start + N];
                let taps = &self.taps[start..start + N];
                for n in 0..N {
                    sums[n] += if taps[n] == tap { values[n] } else { 0.0 };
                }
            }
        }
        target[from..from + N].copy_from_slice(&sums);
        N
    }
}
