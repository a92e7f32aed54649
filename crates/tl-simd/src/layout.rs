//! Images between channels first and channels last.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Level;
use crate::rows::prefetch;

/// Side of a tile: a line of the cache is read, and a line written, by one tile alone.
const LINE: usize = 16;
/// Tiles that are asked for before their turn.
const AHEAD: usize = 2;
/// Side of what is turned in registers.
const TILE: usize = 4;

/// `[batch, channels, height, width]` into `[batch, height, width, channels]`; `shape` is the former.
pub fn to_channels_last(level: Level, x: &[f32], shape: [usize; 4], output: &mut [f32]) {
    let [batch, channels, height, width] = shape;
    let pixels = height * width;
    if x.is_empty() {
        return;
    }
    // Each task writes whole pixels, one after the other.
    let mut tasks = Vec::with_capacity(batch * pixels.div_ceil(task(channels)));
    for (image, target) in output.chunks_exact_mut(channels * pixels).enumerate() {
        let planes = &x[image * channels * pixels..][..channels * pixels];
        for (block, target) in target.chunks_mut(task(channels) * channels).enumerate() {
            tasks.push((planes, block * task(channels), target));
        }
    }
    tasks.into_par_iter().for_each(|(planes, first, target)| {
        level.run(Last { planes, pixels, first, channels, target });
    });
}

/// `[batch, height, width, channels]` into `[batch, channels, height, width]`; `shape` is the latter.
pub fn to_channels_first(level: Level, x: &[f32], shape: [usize; 4], output: &mut [f32]) {
    let [_, channels, height, width] = shape;
    let pixels = height * width;
    if x.is_empty() {
        return;
    }
    // Each task writes some planes of an image: a plane is whole, and what is read of a pixel is a line of the cache.
    let images = output.chunks_exact_mut(channels * pixels).zip(x.chunks_exact(channels * pixels));
    let tasks: Vec<_> = images
        .flat_map(|(planes, x)| {
            let parts = planes.chunks_mut(16 * pixels).enumerate();
            parts.map(move |(part, planes)| First { x, pixels, channels, from: part * 16, planes })
        })
        .collect();
    tasks.into_par_iter().for_each(|task| level.run(task));
}

/// Pixels of a task: whole tiles, about 256 KB, so that what is written waits for its neighbours in the cache.
fn task(channels: usize) -> usize {
    (65_536 / (channels * LINE)).max(1) * LINE
}

struct Last<'a> {
    planes: &'a [f32],
    pixels: usize,
    first: usize,
    channels: usize,
    target: &'a mut [f32],
}

impl WithSimd for Last<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { planes, pixels, first, channels, target } = self;
        let count = target.len() / channels;
        match channels {
            1 => target.copy_from_slice(&planes[first..first + count]),
            3 => {
                let [red, green, blue] =
                    [0, 1, 2].map(|plane| &planes[plane * pixels + first..][..count]);
                for (i, pixel) in target.chunks_exact_mut(3).enumerate() {
                    pixel[0] = red[i];
                    pixel[1] = green[i];
                    pixel[2] = blue[i];
                }
            }
            _ => turn(&planes[first..], pixels, [channels, count], target, channels),
        }
    }
}

struct First<'a> {
    x: &'a [f32],
    pixels: usize,
    channels: usize,
    from: usize,
    planes: &'a mut [f32],
}

impl WithSimd for First<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { x, pixels, channels, from, planes } = self;
        if channels == 3 {
            let (red, others) = planes.split_at_mut(pixels);
            let (green, blue) = others.split_at_mut(pixels);
            let blue = &mut blue[..pixels];
            for (i, pixel) in x.chunks_exact(3).enumerate().take(pixels) {
                red[i] = pixel[0];
                green[i] = pixel[1];
                blue[i] = pixel[2];
            }
            return;
        }
        let count = planes.len() / pixels;
        turn(&x[from..], channels, [pixels, count], planes, pixels);
    }
}

/// `target[j·target_step + i] = source[i·source_step + j]` for `i, j` below `size`.
#[inline(always)]
pub(crate) fn turn(
    source: &[f32],
    source_step: usize,
    [rows, columns]: [usize; 2],
    target: &mut [f32],
    target_step: usize,
) {
    // Of the source the last row may end early, and of the target the last column: that all lies inside is checked
    // once, not at every tile.
    assert!(rows == 0 || columns == 0 || (rows - 1) * source_step + columns <= source.len());
    assert!(rows == 0 || columns == 0 || (columns - 1) * target_step + rows <= target.len());
    let (whole_rows, whole_columns) = (rows / TILE * TILE, columns / TILE * TILE);
    // What is read is spread more widely than what is written, too widely for the processor to foresee.
    let ahead = if columns > LINE { AHEAD * LINE } else { AHEAD * LINE * source_step };
    for left in (0..whole_columns).step_by(LINE) {
        for top in (0..whole_rows).step_by(LINE) {
            for row in top..rows.min(top + LINE) {
                prefetch(&source[row * source_step + left], ahead * size_of::<f32>());
            }
            for column in (left..whole_columns.min(left + LINE)).step_by(TILE) {
                for row in (top..whole_rows.min(top + LINE)).step_by(TILE) {
                    // SAFETY: rows below `row + TILE` and columns below `column + TILE` are among those checked above.
                    unsafe {
                        let from = source.as_ptr().add(row * source_step + column);
                        let to = target.as_mut_ptr().add(column * target_step + row);
                        turn_tile(from, source_step, to, target_step);
                    }
                }
            }
        }
    }
    for row in 0..rows {
        let start = if row < whole_rows { whole_columns } else { 0 };
        for column in start..columns {
            target[column * target_step + row] = source[row * source_step + column];
        }
    }
}

/// # Safety
/// Four values are readable at each of the first four steps of the source, and writable at those of the target.
#[inline(always)]
unsafe fn turn_tile(from: *const f32, from_step: usize, to: *mut f32, to_step: usize) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller vouches for the addresses, and every x86-64 processor has these instructions.
    unsafe {
        use std::arch::x86_64::*;
        let row = |i: usize| _mm_loadu_ps(from.add(i * from_step));
        let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
        let [ab, cd] = [_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d)];
        let [ba, dc] = [_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d)];
        _mm_storeu_ps(to, _mm_movelh_ps(ab, cd));
        _mm_storeu_ps(to.add(to_step), _mm_movehl_ps(cd, ab));
        _mm_storeu_ps(to.add(2 * to_step), _mm_movelh_ps(ba, dc));
        _mm_storeu_ps(to.add(3 * to_step), _mm_movehl_ps(dc, ba));
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..TILE {
        for j in 0..TILE {
            // SAFETY: the caller vouches for the addresses.
            unsafe { *to.add(j * to_step + i) = *from.add(i * from_step + j) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scattered;

    const SHAPES: [[usize; 4]; 10] = [
        [0, 3, 4, 4],
        [1, 1, 1, 1],
        [2, 3, 7, 5],
        [1, 3, 224, 224],
        [2, 4, 8, 8],
        [3, 5, 9, 9],
        [2, 16, 8, 16],
        [2, 37, 13, 11],
        [1, 129, 7, 7],
        [2, 70, 1, 1],
    ];

    #[test]
    fn every_value_moves_to_its_place_and_back() {
        for level in Level::all() {
            for shape in SHAPES {
                let [batch, channels, height, width] = shape;
                let x = scattered(shape.iter().product(), 1);
                let mut last = vec![f32::NAN; x.len()];
                to_channels_last(level, &x, shape, &mut last);
                let pixels = height * width;
                for image in 0..batch {
                    for channel in 0..channels {
                        for pixel in 0..pixels {
                            let from = (image * channels + channel) * pixels + pixel;
                            let to = (image * pixels + pixel) * channels + channel;
                            assert!(last[to] == x[from], "{shape:?} on {}", level.name());
                        }
                    }
                }
                let mut first = vec![f32::NAN; x.len()];
                to_channels_first(level, &last, shape, &mut first);
                assert!(first == x, "{shape:?} on {}", level.name());
            }
        }
    }
}
