//! Values of `[pixels, channels]` walked in full registers, whatever the number of channels.
//!
//! A row is as many pixels as it takes to fill whole registers, so that a channel meets the same lanes in every row:
//! of 24 channels 16 lanes take two pixels. What belongs to channels (a scale, a sum) is laid out once per row.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{Level, streaming};

/// Rows of fewer values than this hold several periods, so that loops over them are worth their start.
const LEAST_WIDTH: usize = 512;
/// Rows of more values than this would push what belongs to channels out of the nearest cache.
const MOST_WIDTH: usize = 2048;
/// Values of a chunk, about: 256 KB.
const CHUNK: usize = 1 << 16;
/// Rows that are summed at once, so that sums are loaded and stored less often than values.
const GROUP: usize = 4;

/// How values are cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows {
    pub channels: usize,
    /// Values of a row: whole pixels.
    pub width: usize,
    /// Values of a task: whole rows, no matter how many threads there are.
    pub chunk: usize,
}

impl Rows {
    /// `channels` is at least 1.
    pub fn new(level: Level, channels: usize) -> Self {
        let lanes = level.lanes();
        let pixels =
            (1..=lanes).find(|pixels| (pixels * channels).is_multiple_of(lanes)).unwrap_or(1);
        let period = pixels * channels;
        // Where the period is long, an unfilled register at the end of each pixel costs little.
        let width = match period {
            _ if period > MOST_WIDTH => channels,
            _ => period * (LEAST_WIDTH / period).max(1),
        };
        Self { channels, width, chunk: (CHUNK / width).max(16 * GROUP) * width }
    }
}

/// Adds up terms that are made of `N` inputs and `P` values of the channel, in `K` sums.
pub(crate) trait Fold<const N: usize, const P: usize, const K: usize>:
    Copy + Send + Sync
{
    fn add<S: Simd>(
        self,
        simd: S,
        inputs: [S::f32s; N],
        parameters: [S::f32s; P],
        sums: [S::f32s; K],
    ) -> [S::f32s; K];
}

/// Sums a chunk in f32; `sums` gets `[K, channels]`.
pub(crate) fn fold<F, const N: usize, const P: usize, const K: usize>(
    level: Level,
    rows: Rows,
    fold: F,
    inputs: [&[f32]; N],
    parameters: [&[f32]; P],
    sums: &mut [f64],
) where
    F: Fold<N, P, K>,
{
    level.run(FoldChunk { rows, fold, inputs, parameters, sums });
}

struct FoldChunk<'a, F, const N: usize, const P: usize, const K: usize> {
    rows: Rows,
    fold: F,
    inputs: [&'a [f32]; N],
    parameters: [&'a [f32]; P],
    sums: &'a mut [f64],
}

impl<F: Fold<N, P, K>, const N: usize, const P: usize, const K: usize> WithSimd
    for FoldChunk<'_, F, N, P, K>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Rows { channels, width, .. } = self.rows;
        let parameters = laid_out(self.parameters, width);
        let parameters = parameters.each_ref().map(|row| &row[..]);
        let mut sums = vec![[simd.splat_f32s(0.0); K]; width.div_ceil(S::F32_LANES)];
        let length = self.inputs[0].len();
        let mut start = 0;
        while start + GROUP * width <= length {
            let group = self.inputs.map(|input| &input[start..start + GROUP * width]);
            add_rows::<S, F, N, P, K, GROUP>(simd, self.fold, group, parameters, &mut sums);
            start += GROUP * width;
        }
        while start < length {
            let end = length.min(start + width);
            let row = self.inputs.map(|input| &input[start..end]);
            add_rows::<S, F, N, P, K, 1>(simd, self.fold, row, parameters, &mut sums);
            start = end;
        }
        let mut flat = vec![0.0f32; width];
        for (k, totals) in self.sums.chunks_exact_mut(channels).enumerate() {
            for (lanes, sum) in flat.chunks_mut(S::F32_LANES).zip(&sums) {
                simd.partial_store_f32s(lanes, sum[k]);
            }
            totals.fill(0.0);
            for pixel in flat.chunks_exact(channels) {
                for (total, value) in totals.iter_mut().zip(pixel) {
                    *total += f64::from(*value);
                }
            }
        }
    }
}

/// Adds `R` rows, which may be shorter than the sums.
#[inline(always)]
fn add_rows<S: Simd, F, const N: usize, const P: usize, const K: usize, const R: usize>(
    simd: S,
    fold: F,
    inputs: [&[f32]; N],
    parameters: [&[f32]; P],
    sums: &mut [[S::f32s; K]],
) where
    F: Fold<N, P, K>,
{
    let width = inputs[0].len() / R;
    let full = width / S::F32_LANES;
    let mut heads: [[&[S::f32s]; N]; R] = [[&[]; N]; R];
    let mut tails: [[&[f32]; N]; R] = [[&[]; N]; R];
    for (r, (head, tail)) in heads.iter_mut().zip(&mut tails).enumerate() {
        (*head, *tail) = split::<S, N>(inputs.map(|input| &input[r * width..]), width);
    }
    let (parameters, ends) = split::<S, P>(parameters, width);
    // Bytes to what the next group holds in the same place.
    let ahead = R * width * size_of::<f32>();
    for (v, sum) in sums[..full].iter_mut().enumerate() {
        let parameter = at::<S, P>(simd, parameters, v);
        let mut total = *sum;
        for row in heads {
            row.iter().for_each(|input| prefetch(&input[v], ahead));
            total = fold.add(simd, at::<S, N>(simd, row, v), parameter, total);
        }
        *sum = total;
    }
    let rest = width - full * S::F32_LANES;
    if rest > 0 {
        let parameter = part_of::<S, P>(simd, ends);
        // Lanes behind a row that was cut short belong to channels too: they stay as they are.
        let mask = simd.mask_between_m32s(0, rest as u32).mask();
        for tail in tails {
            let total = fold.add(simd, part_of::<S, N>(simd, tail), parameter, sums[full]);
            for (sum, total) in sums[full].iter_mut().zip(total) {
                *sum = simd.select_f32s(mask, total, *sum);
            }
        }
    }
}

/// Makes `K` outputs of `N` inputs, `P` values of the channel and what the outputs held.
pub(crate) trait Map<const N: usize, const P: usize, const K: usize>:
    Copy + Send + Sync
{
    /// Whether nothing is made of what the outputs held.
    const FRESH: bool = false;

    fn apply<S: Simd>(
        self,
        simd: S,
        inputs: [S::f32s; N],
        parameters: [S::f32s; P],
        held: [S::f32s; K],
    ) -> [S::f32s; K];
}

/// Writes the outputs, chunks of them on all threads.
pub(crate) fn map<F, const N: usize, const P: usize, const K: usize>(
    level: Level,
    rows: Rows,
    map: F,
    inputs: [&[f32]; N],
    parameters: [&[f32]; P],
    mut outputs: [&mut [f32]; K],
) where
    F: Map<N, P, K>,
{
    let length = outputs[0].len();
    let streams = F::FRESH
        && rows.width.is_multiple_of(level.lanes())
        && outputs.iter().all(|output| streaming::suits(level, output));
    let parameters = laid_out(parameters, rows.width);
    let parameters = parameters.each_ref().map(|row| &row[..]);
    let chunks: Vec<MapChunk<'_, F, N, P, K>> = (0..length)
        .step_by(rows.chunk)
        .map(|start| {
            let count = rows.chunk.min(length - start);
            let inputs = inputs.map(|input| &input[start..start + count]);
            let parts = outputs.each_mut().map(|output| {
                let (part, rest) = std::mem::take(output).split_at_mut(count);
                *output = rest;
                part
            });
            MapChunk { rows, map, inputs, parameters, outputs: parts, streams }
        })
        .collect();
    chunks.into_par_iter().for_each(|chunk| level.run(chunk));
}

struct MapChunk<'a, F, const N: usize, const P: usize, const K: usize> {
    rows: Rows,
    map: F,
    inputs: [&'a [f32]; N],
    parameters: [&'a [f32]; P],
    outputs: [&'a mut [f32]; K],
    /// Whether the outputs go past the caches; then their rows begin on borders of registers.
    streams: bool,
}

impl<F: Map<N, P, K>, const N: usize, const P: usize, const K: usize> WithSimd
    for MapChunk<'_, F, N, P, K>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows: Rows { width, .. }, map, inputs, parameters, mut outputs, streams } = self;
        let length = outputs[0].len();
        let mut start = 0;
        while start < length {
            let end = length.min(start + width);
            let full = (end - start) / S::F32_LANES;
            let (heads, tails) = split::<S, N>(inputs.map(|input| &input[start..end]), end - start);
            let (parameters, ends) = split::<S, P>(parameters, end - start);
            let written =
                outputs.each_mut().map(|output| S::as_mut_simd_f32s(&mut output[start..end]));
            for v in 0..full {
                let mut held = [simd.splat_f32s(0.0); K];
                for k in 0..K {
                    held[k] = written[k].0[v];
                }
                let own = at::<S, P>(simd, parameters, v);
                let results = map.apply(simd, at::<S, N>(simd, heads, v), own, held);
                for k in 0..K {
                    let place = &mut written[k].0[v];
                    match streams {
                        // SAFETY: the place is one register, and rows begin on their borders.
                        true => unsafe {
                            streaming::store(simd, std::ptr::from_mut(place).cast(), results[k]);
                        },
                        false => *place = results[k],
                    }
                }
            }
            if end - start > full * S::F32_LANES {
                let mut held = [simd.splat_f32s(0.0); K];
                for k in 0..K {
                    held[k] = simd.partial_load_f32s(written[k].1);
                }
                let values = part_of::<S, N>(simd, tails);
                let results = map.apply(simd, values, part_of::<S, P>(simd, ends), held);
                for k in 0..K {
                    simd.partial_store_f32s(written[k].1, results[k]);
                }
            }
            start = end;
        }
        if streams {
            streaming::fence();
        }
    }
}

/// The full registers of the first `width` values, and what is left of them.
#[inline(always)]
fn split<S: Simd, const N: usize>(
    rows: [&[f32]; N],
    width: usize,
) -> ([&[S::f32s]; N], [&[f32]; N]) {
    let (mut heads, mut tails): ([&[S::f32s]; N], [&[f32]; N]) = ([&[]; N], [&[]; N]);
    for n in 0..N {
        let (head, tail) = S::as_simd_f32s(&rows[n][..width]);
        // The length that is the same for all lets their bounds be checked once.
        (heads[n], tails[n]) = (&head[..width / S::F32_LANES], tail);
    }
    (heads, tails)
}

#[inline(always)]
fn at<S: Simd, const N: usize>(simd: S, rows: [&[S::f32s]; N], v: usize) -> [S::f32s; N] {
    let mut values = [simd.splat_f32s(0.0); N];
    for n in 0..N {
        values[n] = rows[n][v];
    }
    values
}

#[inline(always)]
fn part_of<S: Simd, const N: usize>(simd: S, rows: [&[f32]; N]) -> [S::f32s; N] {
    let mut values = [simd.splat_f32s(0.0); N];
    for n in 0..N {
        values[n] = simd.partial_load_f32s(rows[n]);
    }
    values
}

/// Asks for what lies `ahead` bytes behind a value, which need not be there.
#[inline(always)]
pub(crate) fn prefetch<T>(value: *const T, ahead: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let there = value.cast::<i8>().wrapping_add(ahead);
        // SAFETY: a hint touches no memory that the program sees, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(there) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (value, ahead);
}

/// The values of the channels, repeated over a row.
fn laid_out<const P: usize>(parameters: [&[f32]; P], width: usize) -> [Vec<f32>; P] {
    parameters.map(|parameter| parameter.repeat(width / parameter.len()))
}
