//! Convolutions that mix channels: gathered columns and matrix products.
//!
//! For each group, with `col(X)` the columns of [`Tiles`]: `Y = W·col(X)`, `dW = Σ dY·col(X)ᵀ`,
//! `dX = col⁻¹(Wᵀ·dY)`. A convolution of 1×1 with stride 1 needs no columns.

use std::ops::Range;

use rayon::prelude::*;

use super::elementwise::add_act;
use super::geometry::Geometry;
use super::matrix::{Matrix, multiply};
use super::tiles::{Tile, Tiles};
use crate::Nonlinearity;

/// Batches below this many images are cut along channels as well.
const SMALL_BATCH: usize = 8;
/// Values that all partial weight gradients may hold together (32 MiB of f32).
const PARTIAL_VALUES: usize = 1 << 23;

/// A weight's block: rows are a group's output channels, columns some input channels' taps.
fn weight_block<'a>(
    g: &Geometry,
    w: &'a [f32],
    outputs: &Range<usize>,
    channels: &Range<usize>,
) -> Matrix<'a> {
    let kernel = g.kernel[0] * g.kernel[1];
    let first = outputs.start * g.depth() + channels.start * kernel;
    Matrix::rows(&w[first..], [outputs.len(), channels.len() * kernel], g.depth())
}

/// Channels in the parts that one task treats: all of them, or a part of a group where the batch is small.
fn channels_per_task(g: &Geometry, channels: usize) -> usize {
    let per_group = channels / g.shape.groups;
    if g.batch >= SMALL_BATCH {
        return channels;
    }
    [8, 4, 2]
        .into_iter()
        .find(|parts| per_group.is_multiple_of(*parts) && per_group / parts >= 16)
        .map_or(per_group, |parts| per_group / parts)
}

#[derive(Default)]
struct Scratch {
    columns: Vec<f32>,
    product: Vec<f32>,
}

/// `act(conv(x, w) + bias + residual)`.
pub(super) fn forward(
    g: &Geometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    act: Nonlinearity,
) -> Vec<f32> {
    let tiles = Tiles::new(*g);
    let plane = g.output_plane();
    let per_task =
        if tiles.images() == 1 { channels_per_task(g, g.channels[1]) } else { g.channels[1] };
    let task_values = tiles.images() * per_task * plane;
    let mut output = vec![0.0; g.batch * g.channels[1] * plane];
    output.par_chunks_mut(task_values).enumerate().for_each_init(
        Scratch::default,
        |scratch, (task, output)| {
            let parts = g.channels[1] / per_task;
            let (first_image, part) = (task / parts * tiles.images(), task % parts);
            let channels = part * per_task..(part + 1) * per_task;
            let residual = residual.map(|residual| &residual[task * task_values..][..output.len()]);
            for tile in tiles.of_unit(first_image) {
                for outputs in group_parts(g, &channels) {
                    let first = outputs.start - channels.start;
                    forward_tile(
                        &tiles,
                        &tile,
                        x,
                        w,
                        &outputs,
                        scratch,
                        &mut output[first * plane..],
                    );
                }
                for (index, values) in tile_rows(&tiles, &tile, output.len() / plane) {
                    let shift = bias.map_or(0.0, |bias| bias[channels.start + index % per_task]);
                    add_act(
                        &mut output[values.clone()],
                        shift,
                        residual.map(|residual| &residual[values]),
                        act,
                    );
                }
            }
        },
    );
    output
}

/// The parts of `channels` that lie in one group each.
fn group_parts(g: &Geometry, channels: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let per_group = g.channels[1] / g.shape.groups;
    let end = channels.end;
    (channels.start..end).step_by(per_group).map(move |first| first..(first + per_group).min(end))
}

/// For each of the first `planes` output planes, its number and where the tile's rows of it lie.
fn tile_rows(
    tiles: &Tiles,
    tile: &Tile,
    planes: usize,
) -> impl Iterator<Item = (usize, Range<usize>)> + use<> {
    let (plane, width) = (tiles.geometry.output_plane(), tiles.geometry.output[1]);
    let (start, end) = (tile.rows.start * width, tile.rows.end * width);
    (0..planes).map(move |index| (index, index * plane + start..index * plane + end))
}

/// Writes the products of one tile and one group's channels; `output` begins at the first of these channels in the
/// tile's first image.
fn forward_tile(
    tiles: &Tiles,
    tile: &Tile,
    x: &[f32],
    w: &[f32],
    outputs: &Range<usize>,
    scratch: &mut Scratch,
    output: &mut [f32],
) {
    let g = &tiles.geometry;
    let (plane, width) = (g.output_plane(), tiles.width(tile));
    let group = outputs.start / (g.channels[1] / g.shape.groups);
    let single = tile.images.len() == 1;
    for channels in tiles.channel_blocks(tile) {
        let columns = tiles.columns(x, tile, group, &channels, &mut scratch.columns);
        let weights = weight_block(g, w, outputs, &channels);
        if single {
            let first = tile.rows.start * g.output[1];
            multiply(&mut output[first..], plane, channels.start > 0, weights, columns);
        } else {
            scratch.product.resize(outputs.len() * width, 0.0);
            multiply(&mut scratch.product, width, channels.start > 0, weights, columns);
        }
    }
    if !single {
        for (channel, row) in scratch.product.chunks_exact(width).enumerate() {
            for (image, source) in row.chunks_exact(plane).enumerate() {
                output[(image * g.channels[1] + channel) * plane..][..plane]
                    .copy_from_slice(source);
            }
        }
    }
}

/// The gradient of a tile and one group's channels, `[channels, width]`.
fn gradient_rows<'a>(
    tiles: &Tiles,
    tile: &Tile,
    gradient: &'a [f32],
    outputs: &Range<usize>,
    scratch: &'a mut Vec<f32>,
) -> Matrix<'a> {
    let g = &tiles.geometry;
    let (plane, width) = (g.output_plane(), tiles.width(tile));
    let first = (tile.images.start * g.channels[1] + outputs.start) * plane;
    let size = [outputs.len(), width];
    if tile.images.len() == 1 {
        return Matrix::rows(&gradient[first + tile.rows.start * g.output[1]..], size, plane);
    }
    scratch.resize(size[0] * width, 0.0);
    for (channel, row) in scratch.chunks_exact_mut(width).enumerate() {
        for (image, target) in row.chunks_exact_mut(plane).enumerate() {
            target.copy_from_slice(
                &gradient[first + (image * g.channels[1] + channel) * plane..][..plane],
            );
        }
    }
    Matrix::rows(scratch, size, width)
}

/// The gradient of the input from that of the sum.
pub(super) fn input_gradient(g: &Geometry, w: &[f32], gradient: &[f32]) -> Vec<f32> {
    let tiles = Tiles::new(*g);
    let image_values = g.channels[0] * g.input_plane();
    let mut target = vec![0.0; g.batch * image_values];
    let per_group = g.channels[1] / g.shape.groups;
    target.par_chunks_mut(tiles.images() * image_values).enumerate().for_each_init(
        Scratch::default,
        |scratch, (unit, target)| {
            for tile in tiles.of_unit(unit * tiles.images()) {
                for group in 0..g.shape.groups {
                    let outputs = group * per_group..(group + 1) * per_group;
                    let rows =
                        gradient_rows(&tiles, &tile, gradient, &outputs, &mut scratch.product);
                    for channels in tiles.channel_blocks(&tile) {
                        let weights = weight_block(g, w, &outputs, &channels).transposed();
                        if g.is_pointwise() && tile.images.len() == 1 {
                            let plane =
                                (group * g.channels_per_group() + channels.start) * g.input_plane();
                            let first = plane + tile.rows.start * g.input[1];
                            multiply(&mut target[first..], g.input_plane(), false, weights, rows);
                        } else {
                            let width = rows.size[1];
                            scratch.columns.resize(weights.size[0] * width, 0.0);
                            multiply(&mut scratch.columns, width, false, weights, rows);
                            tiles.add_columns(target, &tile, group, &channels, &scratch.columns);
                        }
                    }
                }
            }
        },
    );
    target
}

/// The gradient of the weight from that of the sum. Parts of the batch are summed apart, then in order.
pub(super) fn weight_gradient(g: &Geometry, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let tiles = Tiles::new(*g);
    let per_group = g.channels[1] / g.shape.groups;
    let values = g.channels[1] * g.depth();
    let units = g.batch.div_ceil(tiles.images());
    let parts = (PARTIAL_VALUES / values).clamp(2, 16).min(units);
    let mut partials = vec![0.0; parts * values];
    partials.par_chunks_mut(values).enumerate().for_each_init(
        Scratch::default,
        |scratch, (part, target)| {
            for unit in part * units / parts..(part + 1) * units / parts {
                for tile in tiles.of_unit(unit * tiles.images()) {
                    for group in 0..g.shape.groups {
                        let outputs = group * per_group..(group + 1) * per_group;
                        let rows =
                            gradient_rows(&tiles, &tile, gradient, &outputs, &mut scratch.product);
                        for channels in tiles.channel_blocks(&tile) {
                            let columns =
                                tiles.columns(x, &tile, group, &channels, &mut scratch.columns);
                            let first = outputs.start * g.depth()
                                + channels.start * g.kernel[0] * g.kernel[1];
                            multiply(
                                &mut target[first..],
                                g.depth(),
                                true,
                                rows,
                                columns.transposed(),
                            );
                        }
                    }
                }
            }
        },
    );
    let (total, rest) = partials.split_at_mut(values);
    total.par_chunks_mut(1 << 13).enumerate().for_each(|(block, total)| {
        for partial in rest.chunks_exact(values) {
            let partial = &partial[block << 13..];
            total.iter_mut().zip(partial).for_each(|(total, value)| *total += value);
        }
    });
    partials.truncate(values);
    partials
}
