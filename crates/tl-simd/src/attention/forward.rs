//! One head's forward pass.

use pulp::{Simd, WithSimd};

use super::operands::Target;
use super::product::Product;
use super::{Inputs, Shape};
use crate::math;

/// Queries taken at once: a multiple of a tile's rows.
pub(super) const QUERIES: usize = 48;
/// Keys taken at once: their panel, the queries and their scores share the nearest cache.
pub(super) const KEYS: usize = 128;

/// Memory that tasks of one thread share.
#[derive(Default)]
pub(super) struct Scratch {
    /// `[queries of a block, padded]`.
    queries: Vec<f32>,
    /// Blocks `[width, keys of a block]`.
    keys: Vec<f32>,
    /// `[keys, padded]`.
    values: Vec<f32>,
    bias: Vec<f32>,
    /// `[queries of a block, KEYS]`.
    scores: Vec<f32>,
    /// `[queries of a block, padded]`.
    output: Vec<f32>,
}

pub(super) struct Head<'a> {
    pub inputs: &'a Inputs<'a>,
    /// Batch and head.
    pub place: [usize; 2],
    pub output: &'a Target<'a>,
    /// Of this head's queries.
    pub log_sums: &'a mut [f32],
    pub scratch: &'a mut Scratch,
}

impl WithSimd for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Head { inputs, place, .. } = self;
        let Shape { queries, keys, width, .. } = inputs.shape;
        let (lanes, scratch) = (S::F32_LANES, self.scratch);
        let (padded, padded_keys) = (width.next_multiple_of(lanes), keys.next_multiple_of(lanes));
        scratch.queries.resize(QUERIES * padded, 0.0);
        scratch.keys.resize(width * padded_keys, 0.0);
        scratch.values.resize(keys * padded, 0.0);
        scratch.bias.resize(padded_keys, 0.0);
        scratch.scores.resize(QUERIES * KEYS, 0.0);
        scratch.output.resize(QUERIES * padded, 0.0);
        inputs.bias(place[0], &mut scratch.bias);
        for first in (0..keys).step_by(KEYS) {
            let block = first..(first + KEYS).min(keys);
            let columns = &mut scratch.keys[first * width..];
            inputs.key.columns(simd, place, block, width, columns);
        }
        inputs.value.rows(simd, place, 0..keys, width, 1.0, &mut scratch.values);
        for first in (0..queries).step_by(QUERIES) {
            let block = first..(first + QUERIES).min(queries);
            let count = block.len();
            inputs.query.rows(
                simd,
                place,
                block.clone(),
                width,
                inputs.scale,
                &mut scratch.queries,
            );
            scratch.output.fill(0.0);
            let mut state = [Running::NONE; QUERIES];
            for first_key in (0..keys).step_by(KEYS) {
                if inputs.causal && first_key >= block.end {
                    break;
                }
                let count_keys = KEYS.min(keys - first_key);
                let columns = count_keys.next_multiple_of(lanes);
                Product {
                    rows: count,
                    columns,
                    depth: width,
                    left: &scratch.queries,
                    left_steps: [padded, 1],
                    right: &scratch.keys[first_key * width..],
                    right_step: columns,
                    target: &mut scratch.scores,
                    target_step: KEYS,
                    add: false,
                }
                .run(simd);
                let bias = &scratch.bias[first_key..first_key + columns];
                let rows = scratch.scores.chunks_exact_mut(KEYS);
                let outputs = scratch.output.chunks_exact_mut(padded);
                for (row, (scores, output)) in rows.zip(outputs).take(count).enumerate() {
                    let scores = &mut scores[..columns];
                    if inputs.causal {
                        hide_later(scores, first + row, first_key);
                    }
                    state[row].take(simd, scores, bias, output);
                }
                Product {
                    rows: count,
                    columns: padded,
                    depth: count_keys,
                    left: &scratch.scores,
                    left_steps: [KEYS, 1],
                    right: &scratch.values[first_key * padded..],
                    right_step: padded,
                    target: &mut scratch.output,
                    target_step: padded,
                    add: true,
                }
                .run(simd);
            }
            let factor = |row: usize| {
                let total = state[row].total;
                // A row that saw no key stays 0; one that is no number stays none.
                if total == 0.0 { 0.0 } else { 1.0 / total }
            };
            // SAFETY: each task has a head of its own.
            unsafe {
                self.output.write(simd, place, block.clone(), width, &scratch.output, factor);
            }
            for (log_sum, state) in self.log_sums[block].iter_mut().zip(&state) {
                *log_sum = state.largest + state.total.ln();
            }
        }
    }
}

/// Hides from query `query` the keys after it, in the scores of keys from `first_key` on.
#[inline(always)]
pub(super) fn hide_later(scores: &mut [f32], query: usize, first_key: usize) {
    let seen = (query + 1).saturating_sub(first_key).min(scores.len());
    scores[seen..].fill(f32::NEG_INFINITY);
}

/// A row's softmax over the keys so far.
#[derive(Clone, Copy)]
struct Running {
    largest: f32,
    /// Σ exp(score − largest).
    total: f32,
}

impl Running {
    const NONE: Self = Self { largest: f32::NEG_INFINITY, total: 0.0 };

    /// Makes weights of more scores and rescales the output so far.
    #[inline(always)]
    fn take<S: Simd>(&mut self, simd: S, scores: &mut [f32], bias: &[f32], output: &mut [f32]) {
        let (scores, _) = S::as_mut_simd_f32s(scores);
        let (bias, _) = S::as_simd_f32s(bias);
        let mut largest = simd.splat_f32s(self.largest);
        for (score, bias) in scores.iter_mut().zip(bias) {
            *score = simd.add_f32s(*score, *bias);
            largest = simd.max_f32s(largest, *score);
        }
        let largest = simd.reduce_max_f32s(largest);
        // While all is hidden there is nothing to be shifted by.
        let shift = if largest == f32::NEG_INFINITY { 0.0 } else { largest };
        let level = simd.splat_f32s(shift);
        let mut total = simd.splat_f32s(0.0);
        for score in scores.iter_mut() {
            *score = math::exp(simd, simd.sub_f32s(*score, level));
            total = simd.add_f32s(total, *score);
        }
        let total = simd.reduce_sum_f32s(total);
        if self.total != 0.0 && self.largest != largest {
            let decay = (self.largest - shift).exp();
            self.total *= decay;
            let decay = simd.splat_f32s(decay);
            let (output, _) = S::as_mut_simd_f32s(output);
            for output in output {
                *output = simd.mul_f32s(*output, decay);
            }
        }
        self.total += total;
        self.largest = largest;
    }
}
