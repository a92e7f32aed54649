//! How a dense convolution is cut into pieces that fit the cache, and the columns of one piece.
//!
//! The cut depends on the sizes alone, never on the number of threads, so that results do not either.

use std::ops::Range;

use super::geometry::Geometry;
use super::matrix::Matrix;

/// Values of one operand of a product that should stay in the second-level cache (512 KiB of f32).
const CACHED: usize = 1 << 17;
/// Rows of columns gathered at a time.
const BLOCK_ROWS: usize = 256;

/// Some output rows of one image, or whole outputs of several images.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub images: Range<usize>,
    pub rows: Range<usize>,
}

/// The cut of one convolution.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub geometry: Geometry,
    images: usize,
    rows: usize,
}

impl Tiles {
    pub fn new(geometry: Geometry) -> Self {
        let out_channels = geometry.channels[1] / geometry.shape.groups;
        let width = (CACHED / out_channels.max(geometry.depth().min(BLOCK_ROWS))).clamp(128, 1024);
        let images = (width / geometry.output_plane()).clamp(1, geometry.batch);
        let rows = match images {
            1 => (width / geometry.output[1]).clamp(1, geometry.output[0]),
            _ => geometry.output[0],
        };
        Self { geometry, images, rows }
    }

    /// Images that are treated together.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The tiles of the unit that begins at image `first`.
    pub fn of_unit(&self, first: usize) -> impl Iterator<Item = Tile> {
        let images = first..(first + self.images).min(self.geometry.batch);
        let (rows, height) = (self.rows, self.geometry.output[0]);
        (0..height)
            .step_by(rows)
            .map(move |row| Tile { images: images.clone(), rows: row..(row + rows).min(height) })
    }

    /// Output pixels of a tile.
    pub fn width(&self, tile: &Tile) -> usize {
        tile.images.len() * tile.rows.len() * self.geometry.output[1]
    }

    /// Whether the columns of `tile` are rows of the input itself.
    fn columns_lie_ready(&self, tile: &Tile) -> bool {
        self.geometry.is_pointwise() && tile.images.len() == 1
    }

    /// The input channels of a group in blocks whose columns are gathered together.
    pub fn channel_blocks(&self, tile: &Tile) -> impl Iterator<Item = Range<usize>> + use<> {
        let channels = self.geometry.channels_per_group();
        let kernel = self.geometry.kernel[0] * self.geometry.kernel[1];
        let block =
            if self.columns_lie_ready(tile) { channels } else { BLOCK_ROWS.div_ceil(kernel) };
        (0..channels).step_by(block).map(move |first| first..(first + block).min(channels))
    }

    /// What the outputs of `tile` are sums over, `[channels·kernel, width]`, for some channels of a group.
    pub fn columns<'a>(
        &self,
        x: &'a [f32],
        tile: &Tile,
        group: usize,
        channels: &Range<usize>,
        scratch: &'a mut Vec<f32>,
    ) -> Matrix<'a> {
        let g = &self.geometry;
        let first_channel = group * g.channels_per_group() + channels.start;
        if self.columns_lie_ready(tile) {
            let first = (tile.images.start * g.channels[0] + first_channel) * g.input_plane()
                + tile.rows.start * g.input[1];
            return Matrix::rows(&x[first..], [channels.len(), self.width(tile)], g.input_plane());
        }
        let width = self.width(tile);
        let size = [channels.len() * g.kernel[0] * g.kernel[1], width];
        scratch.resize(size[0] * width, 0.0);
        let mut target = scratch.chunks_exact_mut(tile.rows.len() * g.output[1]);
        for channel in first_channel..first_channel + channels.len() {
            for tap_row in 0..g.kernel[0] {
                for tap_column in 0..g.kernel[1] {
                    for image in tile.images.clone() {
                        let plane = &x[(image * g.channels[0] + channel) * g.input_plane()..]
                            [..g.input_plane()];
                        if let Some(target) = target.next() {
                            gather(g, plane, &tile.rows, [tap_row, tap_column], target);
                        }
                    }
                }
            }
        }
        Matrix::rows(scratch, size, width)
    }

    /// Adds columns, laid out as [`columns`](Self::columns) gathers them, back to the input's gradient; `target` is that
    /// of the tile's images.
    pub fn add_columns(
        &self,
        target: &mut [f32],
        tile: &Tile,
        group: usize,
        channels: &Range<usize>,
        columns: &[f32],
    ) {
        let g = &self.geometry;
        let first_channel = group * g.channels_per_group() + channels.start;
        let mut source = columns.chunks_exact(tile.rows.len() * g.output[1]);
        for channel in first_channel..first_channel + channels.len() {
            for tap_row in 0..g.kernel[0] {
                for tap_column in 0..g.kernel[1] {
                    for image in 0..tile.images.len() {
                        let plane = &mut target
                            [(image * g.channels[0] + channel) * g.input_plane()..]
                            [..g.input_plane()];
                        if let Some(source) = source.next() {
                            scatter(g, plane, &tile.rows, [tap_row, tap_column], source);
                        }
                    }
                }
            }
        }
    }
}

/// Where output positions `0..outputs` read an axis of `size` inputs: the outputs that read inside it, and the input
/// that the first of them reads.
fn inside(
    outputs: usize,
    size: usize,
    offset: usize,
    stride: usize,
    padding: usize,
) -> (Range<usize>, usize) {
    let first = padding.saturating_sub(offset).div_ceil(stride).min(outputs);
    let end = (size + padding).saturating_sub(offset).div_ceil(stride).clamp(first, outputs);
    (first..end, (first * stride + offset).saturating_sub(padding))
}

fn gather(g: &Geometry, plane: &[f32], rows: &Range<usize>, tap: [usize; 2], target: &mut [f32]) {
    let [stride_y, stride_x] = g.shape.stride;
    let (columns, source) =
        inside(g.output[1], g.input[1], tap[1] * g.shape.dilation[1], stride_x, g.shape.padding[1]);
    for (row, target) in rows.clone().zip(target.chunks_exact_mut(g.output[1])) {
        let y = (row * stride_y + tap[0] * g.shape.dilation[0]).checked_sub(g.shape.padding[0]);
        let Some(y) = y.filter(|&y| y < g.input[0] && !columns.is_empty()) else {
            target.fill(0.0);
            continue;
        };
        target[..columns.start].fill(0.0);
        target[columns.end..].fill(0.0);
        let target = &mut target[columns.clone()];
        let line = &plane[y * g.input[1] + source..(y + 1) * g.input[1]];
        match stride_x {
            1 => target.copy_from_slice(&line[..target.len()]),
            _ => target
                .iter_mut()
                .zip(line.iter().step_by(stride_x))
                .for_each(|(target, value)| *target = *value),
        }
    }
}

fn scatter(g: &Geometry, plane: &mut [f32], rows: &Range<usize>, tap: [usize; 2], source: &[f32]) {
    let [stride_y, stride_x] = g.shape.stride;
    let (columns, target) =
        inside(g.output[1], g.input[1], tap[1] * g.shape.dilation[1], stride_x, g.shape.padding[1]);
    for (row, source) in rows.clone().zip(source.chunks_exact(g.output[1])) {
        let y = (row * stride_y + tap[0] * g.shape.dilation[0]).checked_sub(g.shape.padding[0]);
        let Some(y) = y.filter(|&y| y < g.input[0] && !columns.is_empty()) else {
            continue;
        };
        let source = &source[columns.clone()];
        let line = &mut plane[y * g.input[1] + target..(y + 1) * g.input[1]];
        match stride_x {
            1 => line.iter_mut().zip(source).for_each(|(target, value)| *target += value),
            _ => line
                .iter_mut()
                .step_by(stride_x)
                .zip(source)
                .for_each(|(target, value)| *target += value),
        }
    }
}
