//! The sums of a [`Correlation`] over all images: cut into tasks, tasks into tiles.

use std::cell::RefCell;
use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::filters::{Blocks, Filters, Step};
use super::geometry::Pass;
use super::half;
use crate::Act;
use crate::streaming;
#[cfg(target_arch = "x86_64")]
use crate::tile::accumulate_pairs;
use crate::tile::{ROWS, accumulate, by_size, load, registers, store};

/// Target pixels of a task, about: enough to pay for reading the weights.
const TASK_PIXELS: usize = 400;
/// The number of tasks is a multiple of it, where pixels may be cut anywhere: no thread of 2 or 4 waits for the last one.
const EVEN_TASKS: usize = 4;
/// Fewer pixels are not worth a task of their own.
const LEAST_PIXELS: usize = 16;

/// What follows the sum: `act(sum + bias + residual)`.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a> {
    /// One value for each target channel.
    pub bias: Option<&'a [f32]>,
    /// As the target.
    pub residual: Option<&'a [f32]>,
    pub act: Act,
}

impl Epilogue<'_> {
    /// The sum alone.
    pub const NONE: Epilogue<'static> = Epilogue { bias: None, residual: None, act: Act::None };
}

#[derive(Default)]
struct Scratch {
    padded: Vec<f32>,
    source: Vec<usize>,
    target: Vec<usize>,
}

thread_local! {
    // Kept from call to call: a fresh allocation of this size costs as much as filling it.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Writes `epilogue(Σ filters · source)` to `target`; both are `[batch, height, width, channels]` by the filters' sizes.
pub(crate) fn correlate(filters: &Filters, source: &[f32], target: &mut [f32], epilogue: Epilogue) {
    let correlation = &filters.correlation;
    let channels = filters.channels.map(|channels| channels * filters.groups);
    let pixel = filters.source_pixel();
    let streams = streaming::suits(filters.level, target);
    let job = |images: usize, rows: usize| Job { filters, source, epilogue, images, rows, streams };
    if target.is_empty() {
        return;
    }
    if correlation.is_pointwise() {
        // Every pixel on its own: the batch is one tall image, which may be cut anywhere.
        let pixels = target.len() / channels[1];
        let tasks = (pixels / TASK_PIXELS).max(1).next_multiple_of(EVEN_TASKS);
        let pixels = pixels.div_ceil(tasks).max(LEAST_PIXELS);
        target.par_chunks_mut(pixels * channels[1]).enumerate().for_each(|(task, target)| {
            let (start, count) = (task * pixels, target.len() / channels[1]);
            let source = &source[start * pixel..][..count * pixel];
            Job { source, ..job(1, 0) }.run(target, start * channels[1]);
        });
        return;
    }
    let [height, width] = correlation.target;
    let row_values = width * channels[1];
    let image_values = height * row_values;
    let source_values = correlation.source[0] * correlation.source[1] * pixel;
    let plane = height * width;
    if plane >= TASK_PIXELS {
        let every = correlation.passes.first().map_or(1, |pass| pass.every[0]);
        let bands = plane / TASK_PIXELS;
        let rows = height.div_ceil(bands).next_multiple_of(every);
        target.par_chunks_mut(image_values).enumerate().for_each(|(image, target)| {
            target.par_chunks_mut(rows * row_values).enumerate().for_each(|(band, target)| {
                let start = image * image_values + band * rows * row_values;
                let source = &source[image * source_values..][..source_values];
                Job { source, ..job(1, band * rows) }.run(target, start);
            });
        });
    } else {
        // A power of two divides the usual batches, so that all tasks are of one size.
        let images = match TASK_PIXELS.div_ceil(plane) {
            0..=1 => 1,
            2..=3 => 2,
            _ => 4,
        };
        target.par_chunks_mut(images * image_values).enumerate().for_each(|(task, target)| {
            let count = target.len() / image_values;
            let source = &source[task * images * source_values..][..count * source_values];
            Job { source, ..job(count, 0) }.run(target, task * images * image_values);
        });
    }
}

/// The products of rows of `source` with the weights of a pointwise convolution, for the target channels `panel`, which
/// are one panel of the weights: `source` is `[rows, channels]`, `target` `[rows, panel]`.
pub(super) fn multiply(filters: &Filters, panel: Range<usize>, source: &[f32], target: &mut [f32]) {
    let (depth, count) = (filters.channels[0], panel.len());
    let rows = target.len() / count;
    SCRATCH.with_borrow_mut(
        |Scratch { source: source_offsets, target: target_offsets, .. }| {
            source_offsets.clear();
            target_offsets.clear();
            source_offsets.extend((0..rows).map(|row| row * depth));
            target_offsets.extend((0..rows).map(|row| row * count));
            assert!(source.len() >= rows * depth);
            let width = count.next_multiple_of(filters.level.lanes());
            filters.level.run(Panels {
                source,
                target,
                source_offsets,
                target_offsets,
                epilogue: Epilogue::NONE,
                packed: &filters.packed[0][panel.start * depth..][..width * depth],
                blocks: &filters.blocks(depth, depth)[0],
                source_channel: 0,
                target_channel: 0,
                channels: count,
                pixel: count,
                streams: false,
            });
        },
    );
}

/// Some whole images, or the band of one that begins at row `rows`.
struct Job<'a> {
    filters: &'a Filters,
    source: &'a [f32],
    epilogue: Epilogue<'a>,
    images: usize,
    rows: usize,
    /// Whether the whole target is to go past the caches.
    streams: bool,
}

impl Job<'_> {
    /// `start` is where `target` begins in the whole target.
    fn run(self, target: &mut [f32], start: usize) {
        let epilogue = Epilogue {
            residual: self.epilogue.residual.map(|residual| &residual[start..][..target.len()]),
            ..self.epilogue
        };
        SCRATCH.with_borrow_mut(|scratch| self.fill(target, epilogue, scratch));
    }

    fn fill(&self, target: &mut [f32], epilogue: Epilogue, scratch: &mut Scratch) {
        let filters = self.filters;
        let correlation = &filters.correlation;
        let channels = filters.channels.map(|channels| channels * filters.groups);
        let pixels = self.source.len() / filters.source_pixel();
        let (size, target_size) = match correlation.is_pointwise() {
            true => ([1, pixels], [1, pixels]),
            false => (correlation.source, correlation.target),
        };
        let ([height, width], [_, target_width]) = (size, target_size);
        let target_rows = target.len() / (self.images * target_width * channels[1]);
        let rows_of = |pass: &Pass| {
            let begin = self.rows / pass.every[0];
            let end =
                (self.rows + target_rows).saturating_sub(pass.first[0]).div_ceil(pass.every[0]);
            begin..end.max(begin)
        };
        // The source rows that the band's windows touch, and the columns beyond its edges.
        let (mut low, mut high) = (isize::MAX, isize::MIN);
        for pass in &correlation.passes {
            let rows = rows_of(pass);
            for tap in pass.taps.iter().filter(|_| !rows.is_empty()) {
                low = low.min((rows.start * correlation.step[0]) as isize + tap.offset[0]);
                high = high.max(((rows.end - 1) * correlation.step[0]) as isize + tap.offset[0]);
            }
        }
        let [left, right] = match correlation.is_pointwise() {
            true => [0, 0],
            false => correlation.margins()[1],
        };
        let inside = !filters.half && left == 0 && right == 0 && low >= 0 && high < height as isize;
        let (padded_width, padded_rows, origin) = match inside || low > high {
            true => (width, height, 0),
            false => (width + left + right, (high - low + 1) as usize, low),
        };
        let Scratch { padded, source: source_offsets, target: target_offsets } = scratch;
        let source = match inside || low > high {
            true => self.source,
            false => {
                let row = padded_width * channels[0];
                let edges = [left * channels[0], right * channels[0]];
                padded.resize(padded.len().max(self.images * padded_rows * row), 0.0);
                let image_values = height * width * channels[0];
                for (index, values) in
                    padded[..self.images * padded_rows * row].chunks_exact_mut(row).enumerate()
                {
                    let y = index as isize % padded_rows as isize + origin;
                    if y < 0 || y >= height as isize {
                        values.fill(0.0);
                        continue;
                    }
                    let from =
                        index / padded_rows * image_values + y as usize * width * channels[0];
                    values[..edges[0]].fill(0.0);
                    let middle = &mut values[edges[0]..row - edges[1]];
                    match filters.half {
                        true => {
                            half::to_pairs(&self.source[2 * from..][..2 * middle.len()], middle);
                        }
                        false => middle.copy_from_slice(&self.source[from..][..middle.len()]),
                    }
                    values[row - edges[1]..].fill(0.0);
                }
                &padded[..self.images * padded_rows * row]
            }
        };
        let row_values = padded_width * channels[0];
        let orders = filters.blocks(row_values, channels[0]);
        for (number, pass) in correlation.passes.iter().enumerate() {
            let rows = rows_of(pass);
            let [_, columns] = pass.size(target_size);
            source_offsets.clear();
            target_offsets.clear();
            for image in 0..self.images {
                for row in rows.clone() {
                    let y = image as isize * padded_rows as isize
                        + (row * correlation.step[0]) as isize
                        - origin;
                    let from = y * row_values as isize
                        + if padded_width == width { 0 } else { (left * channels[0]) as isize };
                    let to = (image * target_rows + row * pass.every[0] + pass.first[0]
                        - self.rows)
                        * target_width;
                    for column in 0..columns {
                        // Negative before the window's first tap is added; wraps back when it is.
                        let offset = from + (column * correlation.step[1] * channels[0]) as isize;
                        source_offsets.push(offset as usize);
                        target_offsets
                            .push((to + column * pass.every[1] + pass.first[1]) * channels[1]);
                    }
                }
            }
            for group in 0..filters.groups {
                let panels = Panels {
                    source,
                    target: &mut *target,
                    source_offsets,
                    target_offsets,
                    epilogue,
                    packed: &filters.packed[number * filters.groups + group],
                    blocks: &orders[number],
                    source_channel: group * filters.channels[0],
                    target_channel: group * filters.channels[1],
                    channels: filters.channels[1],
                    pixel: channels[1],
                    streams: self.streams,
                };
                match filters.half {
                    true => half::run(filters.level, panels),
                    false => filters.level.run(panels),
                }
            }
        }
    }
}

/// All target channels of one group for a list of pixels.
pub(super) struct Panels<'a> {
    source: &'a [f32],
    target: &'a mut [f32],
    source_offsets: &'a [usize],
    target_offsets: &'a [usize],
    epilogue: Epilogue<'a>,
    packed: &'a [f32],
    blocks: &'a Blocks,
    source_channel: usize,
    target_channel: usize,
    channels: usize,
    /// Values of a target pixel, of all groups.
    pixel: usize,
    /// Whether the whole target is to go past the caches.
    streams: bool,
}

impl WithSimd for Panels<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.fill::<S, false>(simd);
    }
}

impl Panels<'_> {
    /// With products of f32, or of pairs of bf16.
    #[inline(always)]
    pub fn fill<S: Simd, const HALF: bool>(self, simd: S) {
        let lanes = S::F32_LANES;
        let panel = registers(lanes) * lanes;
        let depth: usize = self.blocks.iter().flatten().map(|step| step.depth).sum();
        let empty = [Vec::new()];
        // Where no sum is taken up again, and every register of a pixel lies on a border.
        let streams = self.streams
            && self.blocks.len() == 1
            && [self.channels, self.target_channel, self.pixel]
                .iter()
                .all(|it| it.is_multiple_of(lanes));
        // A pixel that no tap reaches is a sum of nothing.
        let blocks: &[Vec<Step>] = if self.blocks.is_empty() { &empty } else { self.blocks };
        for first in (0..self.channels).step_by(panel) {
            let count = panel.min(self.channels - first);
            let width = count.div_ceil(lanes) * lanes;
            let mut weights = &self.packed[depth * first..][..depth * width];
            for (number, block) in blocks.iter().enumerate() {
                let block_depth: usize = block.iter().map(|step| step.depth).sum();
                let (these, rest) = weights.split_at(block_depth * width);
                weights = rest;
                let tiles = Tiles {
                    source: self.source.as_ptr().wrapping_add(self.source_channel),
                    target: self.target.as_mut_ptr(),
                    channel: self.target_channel + first,
                    count,
                    epilogue: self.epilogue,
                    steps: block,
                    weights: these,
                    begins: number == 0,
                    ends: number + 1 == blocks.len(),
                    streams,
                };
                let pixels = self.source_offsets.len();
                let parts = pixels.div_ceil(ROWS);
                let mut pixel = 0;
                for part in 0..parts {
                    // Parts of nearly equal size: a tile of few rows is slow.
                    let rows = pixels / parts + usize::from(part < pixels % parts);
                    let source = &self.source_offsets[pixel..pixel + rows];
                    let target = &self.target_offsets[pixel..pixel + rows];
                    pixel += rows;
                    // SAFETY: the offsets were made for these slices: `Job::fill` adds margins for every tap.
                    unsafe {
                        by_size!(
                            rows,
                            width / lanes,
                            tile::<S, HALF>(simd, &tiles, source, target)
                        );
                    }
                }
            }
        }
        if streams {
            streaming::fence();
        }
    }
}

/// What the tiles of one panel and one block of its depth share.
struct Tiles<'a> {
    source: *const f32,
    target: *mut f32,
    /// The panel's first target channel, and how many it has.
    channel: usize,
    count: usize,
    epilogue: Epilogue<'a>,
    steps: &'a [Step],
    weights: &'a [f32],
    begins: bool,
    ends: bool,
    /// Whether the target goes past the caches.
    streams: bool,
}

/// # Safety
/// The offsets, with every step added, lie within the source; the target's, with `channel + count`, within the target.
#[inline(always)]
unsafe fn tile<S: Simd, const HALF: bool, const M: usize, const V: usize>(
    simd: S,
    tiles: &Tiles,
    source: &[usize],
    target: &[usize],
) {
    let lanes = S::F32_LANES;
    let zero = simd.splat_f32s(0.0);
    let mut sums = [[zero; V]; M];
    // The last register may reach beyond the panel's channels.
    let last = tiles.count - (V - 1) * lanes;
    let mask = simd.mask_between_m32s(0, last as u32);
    let whole = last == lanes;
    // SAFETY: by the caller; the last register goes through the mask where it is not whole.
    unsafe {
        let read = |base: *const f32, v: usize| match v + 1 < V || whole {
            true => load(simd, base.add(v * lanes)),
            false => simd.mask_load_ptr_f32s(mask, base.add(v * lanes)),
        };
        if !tiles.begins {
            for m in 0..M {
                let from = tiles.target.add(target[m] + tiles.channel);
                for (v, sum) in sums[m].iter_mut().enumerate() {
                    *sum = read(from, v);
                }
            }
        } else if let Some(bias) = tiles.epilogue.bias {
            let from = bias.as_ptr().add(tiles.channel);
            for v in 0..V {
                let bias = read(from, v);
                for sums in &mut sums {
                    sums[v] = bias;
                }
            }
        }
        let mut weights = tiles.weights.as_ptr();
        for step in tiles.steps {
            let mut rows = [tiles.source; M];
            for m in 0..M {
                rows[m] = tiles.source.wrapping_add(source[m]).wrapping_offset(step.offset);
            }
            #[cfg(target_arch = "x86_64")]
            if HALF {
                accumulate_pairs::<S, M, V>(&mut sums, rows, weights, step.depth);
            }
            if !HALF {
                accumulate(simd, &mut sums, rows, 1, weights, V * lanes, step.depth);
            }
            weights = weights.add(step.depth * V * lanes);
        }
        for m in 0..M {
            let to = target[m] + tiles.channel;
            for (v, sum) in sums[m].into_iter().enumerate() {
                let mut sum = sum;
                if tiles.ends {
                    if let Some(residual) = tiles.epilogue.residual {
                        sum = simd.add_f32s(sum, read(residual.as_ptr().add(to), v));
                    }
                    sum = tiles.epilogue.act.apply(simd, sum);
                }
                let to = tiles.target.add(to + v * lanes);
                match v + 1 < V || whole {
                    true if tiles.streams => streaming::store(simd, to, sum),
                    true => store(simd, to, sum),
                    false => simd.mask_store_ptr_f32s(mask, to, sum),
                }
            }
        }
    }
}
