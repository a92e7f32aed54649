//! The gradient of a weight: for every tap, a product of two matrices whose shared axis are all the pixels.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::geometry::Geometry;
use crate::Level;
use crate::tile::{ROWS, accumulate, by_size, load, registers, store};

/// Pixels that are gathered at once: of both operands they stay in the second-level cache.
const PIXELS: usize = 192;
/// Source channels of a block at most; fewer where the blocks would be too few to share out.
const CHANNELS: usize = 64;
const TASKS: usize = 16;
/// Output channels that are put into the weight's order at once.
const OUTPUTS: usize = 16;
/// A weight of fewer values is summed over parts of the batch at once: its sums stay in the cache while every pixel is
/// read once.
const SMALL: usize = 1 << 17;
/// Parts of the batch then, however many threads there are.
const PARTS: usize = 8;

#[derive(Default)]
struct Scratch {
    source: Vec<f32>,
    gradient: Vec<f32>,
    sums: Vec<f32>,
    runs: Vec<Run>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Some rows of the weight's gradient: neighbouring taps, some input channels, all output channels of a group.
struct Block<'a> {
    geometry: &'a Geometry,
    /// The first of `taps` neighbouring taps.
    tap: [usize; 2],
    taps: usize,
    group: usize,
    /// Input channels of each tap.
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
    let geometry = &geometry.flattened();
    let [outputs, inputs, height, width] = geometry.weight_shape();
    let per_group = outputs / geometry.window.groups;
    let pixels = geometry.batch * geometry.output[0] * geometry.output[1];
    let small = target.len() <= SMALL;
    let blocks = blocks(geometry, small);
    let share = if small { pixels.div_ceil(PARTS).next_multiple_of(PIXELS) } else { pixels };
    let together = if small { blocks.len() } else { 1 };
    let mut tasks = Vec::new();
    for first in (0..pixels).step_by(share.max(1)) {
        for blocks in blocks.chunks(together.max(1)) {
            let pixels = first..pixels.min(first + share);
            tasks.push(Task { level, blocks, pixels, x, gradient });
        }
    }
    let sums: Vec<Vec<f32>> =
        tasks.par_iter().map(|task| SCRATCH.with_borrow_mut(|scratch| task.run(scratch))).collect();
    let row_values = inputs * height * width;
    if sums.is_empty() || row_values == 0 {
        return target.fill(0.0);
    }
    target.par_chunks_mut(OUTPUTS * row_values).enumerate().for_each(|(chunk, target)| {
        let rows = target.len() / row_values;
        target.fill(0.0);
        for (task, sums) in tasks.iter().zip(&sums) {
            let mut sums = &sums[..];
            for block in task.blocks {
                let (these, rest) = sums.split_at(block.rows() * per_group);
                sums = rest;
                // A chunk may end in one group and begin in the next.
                let begin = (chunk * OUTPUTS).max(block.group * per_group);
                let end = (chunk * OUTPUTS + rows).min((block.group + 1) * per_group);
                // An output's weights lie one after the other, and the lines of the sums wait for the next output.
                for output in begin..end {
                    let target =
                        &mut target[(output - chunk * OUTPUTS) * row_values..][..row_values];
                    let channel = output - block.group * per_group;
                    let mut sums = these[channel..].iter().step_by(per_group);
                    for tap in 0..block.taps {
                        let tap = block.tap[0] * width + block.tap[1] + tap;
                        let places = target.iter_mut().skip(block.first * height * width + tap);
                        let places = places.step_by(height * width).take(block.count);
                        for (place, sum) in places.zip(sums.by_ref()) {
                            *place += sum;
                        }
                    }
                }
            }
        }
    });
}

fn blocks(geometry: &Geometry, small: bool) -> Vec<Block<'_>> {
    let [_, inputs, height, width] = geometry.weight_shape();
    let window = geometry.window;
    // Of few channels, the neighbouring taps' lie side by side in memory and are taken together.
    let together = match inputs < OUTPUTS && window.groups == 1 && window.dilation[1] == 1 {
        true => width,
        false => 1,
    };
    let parts = height * (width / together) * window.groups;
    let channels = [CHANNELS, 32, 16]
        .into_iter()
        .find(|channels| small || parts * inputs.div_ceil(*channels) >= TASKS)
        .unwrap_or(16);
    let mut blocks = Vec::new();
    for group in 0..window.groups {
        for first in (0..inputs).step_by(channels) {
            for row in 0..height {
                for column in (0..width).step_by(together) {
                    let count = channels.min(inputs - first);
                    let tap = [row, column];
                    blocks.push(Block { geometry, tap, taps: together, group, first, count });
                }
            }
        }
    }
    blocks
}

impl Block<'_> {
    fn rows(&self) -> usize {
        self.taps * self.count
    }

    /// Those of the output pixels `pixels` whose source pixel under the block's one tap lies inside the image.
    fn find_runs(&self, pixels: Range<usize>, runs: &mut Vec<Run>) {
        let g = self.geometry;
        let [height, width] = g.output;
        let [stride, columns] = [g.window.stride[1], g.input[1]];
        // The source column of output column 0 is `offset - padding`.
        let offset = self.tap[1] * g.window.dilation[1];
        let padding = g.window.padding[1];
        let low = padding.saturating_sub(offset).div_ceil(stride);
        let high = (columns + padding).saturating_sub(offset).div_ceil(stride).min(width);
        let channel = self.group * (g.channels[0] / g.window.groups) + self.first;
        runs.clear();
        let mut pixel = pixels.start;
        while pixel < pixels.end {
            let (line, column) = (pixel / width, pixel % width);
            let end = width.min(column + pixels.end - pixel);
            let (begin, stop) = (column.max(low), end.min(high));
            let (image, row) = (line / height, line % height);
            let source_row = (row * g.window.stride[0] + self.tap[0] * g.window.dilation[0])
                .checked_sub(g.window.padding[0])
                .filter(|&row| row < g.input[0]);
            if let Some(source_row) = source_row.filter(|_| begin < stop) {
                let source_line = image * g.input[0] + source_row;
                let place = source_line * columns + begin * stride + offset - padding;
                runs.push(Run {
                    source: place * g.channels[0] + channel,
                    pixel: pixel + begin - column - pixels.start,
                    count: stop - begin,
                });
            }
            pixel += end - column;
        }
    }
}

/// Output pixels side by side whose source pixels lie at equal distances.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Where the first source channel of the first pixel lies.
    source: usize,
    /// The first pixel, from the first that is summed.
    pixel: usize,
    count: usize,
}

/// Some blocks' sums over some pixels.
struct Task<'a> {
    level: Level,
    blocks: &'a [Block<'a>],
    pixels: Range<usize>,
    x: &'a [f32],
    gradient: &'a [f32],
}

impl Task<'_> {
    /// The sums, block after block `[taps, input channels, output channels of the group]`.
    fn run(&self, scratch: &mut Scratch) -> Vec<f32> {
        let Some(block) = self.blocks.first() else { return Vec::new() };
        let g = block.geometry;
        let lanes = self.level.lanes();
        let panel = registers(lanes) * lanes;
        let outputs = g.channels[1] / g.window.groups;
        let width = outputs.div_ceil(lanes) * lanes;
        let Scratch { source, gradient, sums, runs } = scratch;
        let rows: usize = self.blocks.iter().map(Block::rows).sum();
        sums.clear();
        sums.resize(rows * width, 0.0);
        // Rows that end in whole registers are read where they lie.
        let whole = outputs.is_multiple_of(lanes);
        if !whole {
            gradient.resize(gradient.len().max(PIXELS * width), 0.0);
        }
        for first in self.pixels.clone().step_by(PIXELS) {
            let count = PIXELS.min(self.pixels.end - first);
            let mut sums = &mut sums[..];
            let mut group = None;
            for block in self.blocks {
                if !whole && group != Some(block.group) {
                    self.gather_gradient(block.group, first, &mut gradient[..count * width]);
                    group = Some(block.group);
                }
                let rows = block.rows();
                let (values, step) = match block.taps {
                    1 => {
                        block.find_runs(first..first + count, runs);
                        (self.x, g.window.stride[1] * g.channels[0])
                    }
                    _ => {
                        source.resize(source.len().max(PIXELS * rows), 0.0);
                        let source = &mut source[..count * rows];
                        self.level.run(Gather { block, x: self.x, first, target: &mut *source });
                        runs.clear();
                        runs.push(Run { source: 0, pixel: 0, count });
                        (&*source, rows)
                    }
                };
                let source = Strided { values, step };
                for channel in (0..outputs).step_by(panel) {
                    let row = (outputs - channel).min(panel).div_ceil(lanes) * lanes;
                    let (values, step) = match whole {
                        true => {
                            let begin = first * g.channels[1] + block.group * outputs + channel;
                            (&self.gradient[begin..], g.channels[1])
                        }
                        false => (&gradient[count * channel..], row),
                    };
                    let gradient = Strided { values, step };
                    let (these, rest) = sums.split_at_mut(rows * row);
                    sums = rest;
                    self.level.run(Outer {
                        runs,
                        source,
                        channels: rows,
                        gradient,
                        row,
                        sums: these,
                    });
                }
            }
        }
        let mut result = Vec::with_capacity(rows * outputs);
        let mut from = 0;
        for block in self.blocks {
            for index in 0..block.rows() {
                for channel in (0..outputs).step_by(panel) {
                    let channels = panel.min(outputs - channel);
                    let row = channels.div_ceil(lanes) * lanes;
                    let begin = from + block.rows() * channel + index * row;
                    result.extend_from_slice(&sums[begin..begin + channels]);
                }
            }
            from += block.rows() * width;
        }
        result
    }

    /// Copies a group's output channels, panel after panel `[pixels, registers·lanes]`.
    fn gather_gradient(&self, group: usize, first: usize, target: &mut [f32]) {
        let Some(block) = self.blocks.first() else { return };
        let g = block.geometry;
        let lanes = self.level.lanes();
        let panel = registers(lanes) * lanes;
        let outputs = g.channels[1] / g.window.groups;
        let count = target.len() / (outputs.div_ceil(lanes) * lanes);
        for channel in (0..outputs).step_by(panel) {
            let channels = panel.min(outputs - channel);
            let row = channels.div_ceil(lanes) * lanes;
            let source = &self.gradient[first * g.channels[1] + group * outputs + channel..];
            let target = &mut target[count * channel..][..count * row];
            self.level.run(Rows { source, step: g.channels[1], channels, row, target });
        }
    }
}

/// Copies the block's input channels under its taps, for the output pixels from `first` on.
struct Gather<'a> {
    block: &'a Block<'a>,
    x: &'a [f32],
    first: usize,
    target: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { block, x, first, target } = self;
        let g = block.geometry;
        let [height, width] = g.output;
        let place = |axis: usize, place: usize, tap: usize| {
            (place * g.window.stride[axis] + tap * g.window.dilation[axis])
                .checked_sub(g.window.padding[axis])
                .filter(|&place| place < g.input[axis])
        };
        let channel = block.group * (g.channels[0] / g.window.groups) + block.first;
        let (mut pixel, mut values) = (first, target.chunks_exact_mut(block.taps * block.count));
        while values.len() > 0 {
            let (image, inside) = (pixel / (height * width), pixel % (height * width));
            let (row, begin) = (inside / width, inside % width);
            let end = width.min(begin + values.len());
            pixel += end - begin;
            let source = place(0, row, block.tap[0]).map(|y| (image * g.input[0] + y) * g.input[1]);
            for (column, values) in (begin..end).zip(values.by_ref()) {
                let Some(source) = source else {
                    values.fill(0.0);
                    continue;
                };
                let from = |x_place: usize| (source + x_place) * g.channels[0] + channel;
                let edges =
                    [block.tap[1], block.tap[1] + block.taps - 1].map(|tap| place(1, column, tap));
                if let [Some(x_place), Some(_)] = edges {
                    copy(simd, &x[from(x_place)..], values);
                    continue;
                }
                for (tap, values) in values.chunks_exact_mut(block.count).enumerate() {
                    match place(1, column, block.tap[1] + tap) {
                        Some(x_place) => copy(simd, &x[from(x_place)..], values),
                        None => values.fill(0.0),
                    }
                }
            }
        }
    }
}

/// Copies the first `channels` of every `step` values, with zeros up to `row`.
struct Rows<'a> {
    source: &'a [f32],
    step: usize,
    channels: usize,
    row: usize,
    target: &'a mut [f32],
}

impl WithSimd for Rows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for (pixel, values) in self.target.chunks_exact_mut(self.row).enumerate() {
            let (values, rest) = values.split_at_mut(self.channels);
            copy(simd, &self.source[pixel * self.step..], values);
            rest.fill(0.0);
        }
    }
}

/// Fills `target` from the front of `source`: rows are short, and a call for each would cost more than the copy.
#[inline(always)]
fn copy<S: Simd>(simd: S, source: &[f32], target: &mut [f32]) {
    let source = &source[..target.len()];
    let (from, from_tail) = S::as_simd_f32s(source);
    let (to, to_tail) = S::as_mut_simd_f32s(target);
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    if !to_tail.is_empty() {
        simd.partial_store_f32s(to_tail, simd.partial_load_f32s(from_tail));
    }
}

/// Rows of values, one every `step`.
#[derive(Clone, Copy)]
struct Strided<'a> {
    values: &'a [f32],
    step: usize,
}

/// `sums[c][o] += Σ_p source[p][c] · gradient[p][o]` over the pixels of all runs, `channels` of the source and `row` of
/// the gradient.
struct Outer<'a> {
    runs: &'a [Run],
    source: Strided<'a>,
    channels: usize,
    gradient: Strided<'a>,
    row: usize,
    sums: &'a mut [f32],
}

impl WithSimd for Outer<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for run in self.runs {
            let last = |start: usize, step: usize| start + (run.count - 1) * step;
            assert!(last(run.source, self.source.step) + self.channels <= self.source.values.len());
            let step = self.gradient.step;
            assert!(last(run.pixel * step, step) + self.row <= self.gradient.values.len());
        }
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
    let target = &mut product.sums[channel * product.row..][..M * product.row];
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    let (source, gradient) = (product.source, product.gradient);
    // SAFETY: it was checked that every run's pixels have `channels` values in the source, of which the tile reads `M`
    // from `channel` on, and `V` registers in the gradient; `target` holds `M` of them.
    unsafe {
        for run in product.runs {
            let first = source.values.as_ptr().add(run.source + channel);
            let mut rows = [first; M];
            for (m, row) in rows.iter_mut().enumerate() {
                *row = first.add(m);
            }
            let right = gradient.values.as_ptr().add(run.pixel * gradient.step);
            accumulate(simd, &mut sums, rows, source.step, right, gradient.step, run.count);
        }
        for (m, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let to = target.as_mut_ptr().add(m * product.row + v * lanes);
                store(simd, to, simd.add_f32s(load(simd, to), *sum));
            }
        }
    }
}
