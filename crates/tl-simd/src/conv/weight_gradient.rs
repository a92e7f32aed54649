//! The gradient of a weight: for every tap, a product of two matrices whose shared axis are all the pixels.

use std::cell::RefCell;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::Level;
use crate::tile::{ROWS, accumulate, by_size, load, registers, store};

/// Pixels that are gathered at once: of both operands they stay in the second-level cache.
const PIXELS: usize = 512;
/// Source channels of a task at most; fewer where the tasks would be too few to share out.
const CHANNELS: usize = 64;
const TASKS: usize = 16;

#[derive(Default)]
struct Scratch {
    source: Vec<f32>,
    gradient: Vec<f32>,
    sums: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A part of the weight: one tap, some input channels, all output channels of a group.
struct Task<'a> {
    level: Level,
    geometry: &'a Geometry,
    tap: [usize; 2],
    group: usize,
    first: usize,
    count: usize,
}

/// Writes the gradient `[out, in / groups, height, width]` of the weight; see [`super::weight_gradient`].
pub(super) fn weight_gradient(
    level: Level,
    geometry: &Geometry,
    x: &[f32],
    gradient: &[f32],
    target: &mut [f32],
) {
    let [outputs, inputs, height, width] = geometry.weight_shape();
    let groups = geometry.window.groups;
    let parts = height * width * groups;
    let channels = [CHANNELS, 32, 16]
        .into_iter()
        .find(|channels| parts * inputs.div_ceil(*channels) >= TASKS)
        .unwrap_or(16);
    let mut tasks = Vec::new();
    for group in 0..groups {
        for first in (0..inputs).step_by(channels) {
            for tap in 0..height * width {
                let count = channels.min(inputs - first);
                let tap = [tap / width, tap % width];
                tasks.push(Task { level, geometry, tap, group, first, count });
            }
        }
    }
    // Each part is `[input channels, output channels of the group]`.
    let per_group = outputs / groups;
    let sums: Vec<Vec<f32>> = tasks
        .par_iter()
        .map(|task| SCRATCH.with_borrow_mut(|scratch| task.run(x, gradient, scratch)))
        .collect();
    let taps = height * width;
    let blocks = inputs.div_ceil(channels) * taps;
    target.par_chunks_mut((inputs * taps).max(1)).enumerate().for_each(|(output, target)| {
        let (group, output) = (output / per_group, output % per_group);
        for (index, sums) in sums[group * blocks..(group + 1) * blocks].iter().enumerate() {
            let (first, tap) = (index / taps * channels, index % taps);
            for (channel, row) in sums.chunks_exact(per_group).enumerate() {
                target[(first + channel) * taps + tap] = row[output];
            }
        }
    });
}

impl Task<'_> {
    fn run(&self, x: &[f32], gradient: &[f32], scratch: &mut Scratch) -> Vec<f32> {
        let g = self.geometry;
        let lanes = self.level.lanes();
        let panel = registers(lanes) * lanes;
        let outputs = g.channels[1] / g.window.groups;
        let pixels = g.batch * g.output[0] * g.output[1];
        let width = outputs.div_ceil(lanes) * lanes;
        let Scratch { source, gradient: gathered, sums } = scratch;
        sums.clear();
        sums.resize(self.count * width, 0.0);
        source.resize(source.len().max(PIXELS * self.count), 0.0);
        gathered.resize(gathered.len().max(PIXELS * panel), 0.0);
        for first in (0..pixels).step_by(PIXELS) {
            let count = PIXELS.min(pixels - first);
            self.gather(x, first, &mut source[..count * self.count]);
            for channel in (0..outputs).step_by(panel) {
                let channels = panel.min(outputs - channel);
                let row = channels.div_ceil(lanes) * lanes;
                let origin = self.group * outputs + channel;
                let gathered = &mut gathered[..count * row];
                for (pixel, values) in gathered.chunks_exact_mut(row).enumerate() {
                    let from = (first + pixel) * g.channels[1] + origin;
                    values[..channels].copy_from_slice(&gradient[from..from + channels]);
                    values[channels..].fill(0.0);
                }
                self.level.run(Outer {
                    source: &source[..count * self.count],
                    channels: self.count,
                    gradient: gathered,
                    row,
                    sums: &mut sums[self.count * channel..][..self.count * row],
                });
            }
        }
        let mut part = Vec::with_capacity(self.count * outputs);
        for input in 0..self.count {
            for channel in (0..outputs).step_by(panel) {
                let channels = panel.min(outputs - channel);
                let row = channels.div_ceil(lanes) * lanes;
                let from = self.count * channel + input * row;
                part.extend_from_slice(&sums[from..from + channels]);
            }
        }
        part
    }

    /// Copies the task's input channels under its tap, for the output pixels from `first` on.
    fn gather(&self, x: &[f32], first: usize, target: &mut [f32]) {
        let g = self.geometry;
        let [height, width] = g.output;
        let row_of = |axis: usize, place: usize| {
            (place * g.window.stride[axis] + self.tap[axis] * g.window.dilation[axis])
                .checked_sub(g.window.padding[axis])
                .filter(|&place| place < g.input[axis])
        };
        let channel = self.group * (g.channels[0] / g.window.groups) + self.first;
        let (mut pixel, mut values) = (first, target.chunks_exact_mut(self.count));
        while values.len() > 0 {
            let (image, place) = (pixel / (height * width), pixel % (height * width));
            let (row, begin) = (place / width, place % width);
            let end = width.min(begin + values.len());
            pixel += end - begin;
            let source = row_of(0, row).map(|y| (image * g.input[0] + y) * g.input[1]);
            for (column, values) in (begin..end).zip(values.by_ref()) {
                match (source, row_of(1, column)) {
                    (Some(source), Some(x_place)) => {
                        let from = (source + x_place) * g.channels[0] + channel;
                        values.copy_from_slice(&x[from..from + self.count]);
                    }
                    _ => values.fill(0.0),
                }
            }
        }
    }
}

/// `sums[c][o] += Σ_p source[p][c] · gradient[p][o]`.
struct Outer<'a> {
    source: &'a [f32],
    channels: usize,
    gradient: &'a [f32],
    row: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let registers = self.row / S::F32_LANES;
        let parts = self.channels.div_ceil(ROWS);
        let mut channel = 0;
        for part in 0..parts {
            let rows = self.channels / parts + usize::from(part < self.channels % parts);
            by_size!(rows, registers, outer::<S>(simd, &mut self, channel));
            channel += rows;
        }
    }
}

#[inline(always)]
fn outer<S: Simd, const M: usize, const V: usize>(simd: S, product: &mut Outer, channel: usize) {
    let lanes = S::F32_LANES;
    let depth = product.gradient.len() / product.row;
    let target = &mut product.sums[channel * product.row..][..M * product.row];
    let source = &product.source[channel..];
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    let mut rows = [source.as_ptr(); M];
    for (m, row) in rows.iter_mut().enumerate() {
        *row = source.as_ptr().wrapping_add(m);
    }
    // SAFETY: `source` holds `depth` rows of `channels` values, of which the tile reads `M` from `channel` on;
    // `gradient` holds `depth` rows of `V` registers, `target` `M` of them.
    unsafe {
        accumulate(
            simd,
            &mut sums,
            rows,
            product.channels,
            product.gradient.as_ptr(),
            product.row,
            depth,
        );
        for (m, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = target.as_mut_ptr().add(m * product.row + v * lanes);
                store(simd, to, simd.add_f32s(load(simd, to), *sum));
            }
        }
    }
}
