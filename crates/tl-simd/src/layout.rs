//! Images between channels first and channels last.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::Level;

/// Pixels of a block: 256 bytes of each plane, so that a page is left only after some lines of it.
const PIXELS: usize = 64;
/// Side of a tile that is turned in registers.
const TILE: usize = 4;

/// `[batch, channels, height, width]` into `[batch, height, width, channels]`; `shape` is the former.
pub fn to_channels_last(level: Level, x: &[f32], shape: [usize; 4], output: &mut [f32]) {
    let [batch, channels, height, width] = shape;
    let pixels = height * width;
    if x.is_empty() {
        return;
    }
    // Each task writes whole pixels, one after the other.
    let mut tasks = Vec::with_capacity(batch * pixels.div_ceil(PIXELS));
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

/// Pixels of a task: a multiple of a block, about 64 KB.
fn task(channels: usize) -> usize {
    (16_384 / (channels * PIXELS)).max(1) * PIXELS
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
            _ => {
                let mut start = 0;
                for block in target.chunks_mut(PIXELS * channels) {
                    let size = [channels, block.len() / channels];
                    turn(&planes[first + start..], pixels, size, block, channels);
                    start += PIXELS;
                }
            }
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
        for start in (0..pixels).step_by(PIXELS) {
            let size = [PIXELS.min(pixels - start), count];
            turn(&x[start * channels + from..], channels, size, &mut planes[start..], pixels);
        }
    }
}

/// `target[j·target_step + i] = source[i·source_step + j]` for `i, j` below `size`.
#[inline(always)]
fn turn(
    source: &[f32],
    source_step: usize,
    [rows, columns]: [usize; 2],
    target: &mut [f32],
    target_step: usize,
) {
    let (whole_rows, whole_columns) = (rows / TILE * TILE, columns / TILE * TILE);
    for row in (0..whole_rows).step_by(TILE) {
        for column in (0..whole_columns).step_by(TILE) {
            let mut tile = [[0.0f32; TILE]; TILE];
            for (i, values) in tile.iter_mut().enumerate() {
                values.copy_from_slice(&source[(row + i) * source_step + column..][..TILE]);
            }
            let turned: [[f32; TILE]; TILE] =
                [0, 1, 2, 3].map(|j| [tile[0][j], tile[1][j], tile[2][j], tile[3][j]]);
            for (j, values) in turned.iter().enumerate() {
                target[(column + j) * target_step + row..][..TILE].copy_from_slice(values);
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
