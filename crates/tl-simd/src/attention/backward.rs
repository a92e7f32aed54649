//! One head's backward pass.

use pulp::{Simd, WithSimd};

use super::forward::{KEYS, QUERIES, hide_later};
use super::operands::{Operand, Strides, Target};
use super::product::Product;
use super::{Inputs, Saved, Shape};
use crate::math;

/// Memory that tasks of one thread share.
#[derive(Default)]
pub(super) struct Scratch {
    /// Queries by the scale, the output's gradient and the queries' gradient, each `[queries, padded]`.
    queries: Vec<f32>,
    gradient: Vec<f32>,
    dquery: Vec<f32>,
    /// Σ output · gradient of each query.
    products: Vec<f32>,
    bias: Vec<f32>,
    /// A block's keys `[KEYS, padded]`, and keys and values `[width, KEYS]`.
    keys: Vec<f32>,
    key_columns: Vec<f32>,
    value_columns: Vec<f32>,
    /// A block's gradients, `[KEYS, padded]`.
    dkey: Vec<f32>,
    dvalue: Vec<f32>,
    /// Probabilities and their logits' gradients, `[QUERIES, KEYS]`.
    weights: Vec<f32>,
    slopes: Vec<f32>,
}

pub(super) struct Head<'a> {
    pub inputs: &'a Inputs<'a>,
    /// Batch and head.
    pub place: [usize; 2],
    pub saved: Saved<'a>,
    /// Of the output.
    pub gradient: &'a [f32],
    /// Of queries, keys and values.
    pub targets: &'a [Target<'a>; 3],
    pub scratch: &'a mut Scratch,
}

impl WithSimd for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Head { inputs, place, scratch, .. } = self;
        let Shape { heads, queries, keys, width, .. } = inputs.shape;
        let padded = width.next_multiple_of(S::F32_LANES);
        scratch.resize(queries, keys.next_multiple_of(S::F32_LANES), width, padded);
        inputs.bias(place[0], &mut scratch.bias);
        inputs.query.rows(simd, place, 0..queries, width, inputs.scale, &mut scratch.queries);
        let strides = Strides::separate(queries, heads, width);
        let gradient = Operand { values: self.gradient, strides };
        let output = Operand { values: self.saved.output, strides };
        gradient.rows(simd, place, 0..queries, width, 1.0, &mut scratch.gradient);
        for (query, product) in scratch.products.iter_mut().enumerate() {
            let [output, gradient] = [output, gradient].map(|of| of.token(place, query, width));
            *product = dot(simd, output, gradient);
        }
        let first_row = (place[0] * heads + place[1]) * queries;
        let log_sums = &self.saved.log_sums[first_row..first_row + queries];
        scratch.dquery.fill(0.0);
        for first_key in (0..keys).step_by(KEYS) {
            let block = first_key..(first_key + KEYS).min(keys);
            inputs.key.rows(simd, place, block.clone(), width, 1.0, &mut scratch.keys);
            inputs.key.columns(simd, place, block.clone(), width, &mut scratch.key_columns);
            inputs.value.columns(simd, place, block.clone(), width, &mut scratch.value_columns);
            scratch.dkey.fill(0.0);
            scratch.dvalue.fill(0.0);
            for first in (0..queries).step_by(QUERIES) {
                let end = (first + QUERIES).min(queries);
                if inputs.causal && end <= first_key {
                    continue;
                }
                scratch.block(simd, inputs, log_sums, [first, end], [block.start, block.end]);
            }
            // SAFETY: each task has a head of its own.
            unsafe {
                self.targets[1].write(simd, place, block.clone(), width, &scratch.dkey, |_| 1.0);
                self.targets[2].write(simd, place, block, width, &scratch.dvalue, |_| 1.0);
            }
        }
        // SAFETY: as above.
        unsafe {
            let scale = |_| inputs.scale;
            self.targets[0].write(simd, place, 0..queries, width, &scratch.dquery, scale);
        }
    }
}

impl Scratch {
    #[inline(always)]
    fn resize(&mut self, queries: usize, padded_keys: usize, width: usize, padded: usize) {
        for of_queries in [&mut self.queries, &mut self.gradient, &mut self.dquery] {
            of_queries.resize(queries * padded, 0.0);
        }
        self.products.resize(queries, 0.0);
        self.bias.resize(padded_keys, 0.0);
        for of_block in [&mut self.keys, &mut self.dkey, &mut self.dvalue] {
            of_block.resize(KEYS * padded, 0.0);
        }
        for columns in [&mut self.key_columns, &mut self.value_columns] {
            columns.resize(width * KEYS, 0.0);
        }
        for scores in [&mut self.weights, &mut self.slopes] {
            scores.resize(QUERIES * KEYS, 0.0);
        }
    }

    /// What a block of queries and a block of keys, each from one place up to another, do to each other's gradients.
    #[inline(always)]
    fn block<S: Simd>(
        &mut self,
        simd: S,
        inputs: &Inputs,
        log_sums: &[f32],
        [first, end]: [usize; 2],
        [first_key, end_key]: [usize; 2],
    ) {
        let width = inputs.shape.width;
        let padded = width.next_multiple_of(S::F32_LANES);
        let columns = (end_key - first_key).next_multiple_of(S::F32_LANES);
        let queries = &self.queries[first * padded..end * padded];
        let gradient = &self.gradient[first * padded..end * padded];
        let scores = [
            (queries, &self.key_columns, &mut self.weights),
            (gradient, &self.value_columns, &mut self.slopes),
        ];
        for (left, right, target) in scores {
            Product {
                rows: end - first,
                columns,
                depth: width,
                left,
                left_steps: [padded, 1],
                right,
                right_step: columns,
                target,
                target_step: KEYS,
                add: false,
            }
            .run(simd);
        }
        let bias = &self.bias[first_key..first_key + columns];
        let rows = self.weights.chunks_exact_mut(KEYS).zip(self.slopes.chunks_exact_mut(KEYS));
        for (query, (weights, slopes)) in (first..end).zip(rows) {
            let weights = &mut weights[..columns];
            if inputs.causal {
                hide_later(weights, query, first_key);
            }
            // A row that saw no key has no probabilities.
            let log_sum = log_sums[query];
            let shift = if log_sum == f32::NEG_INFINITY { f32::INFINITY } else { log_sum };
            differentiate(simd, weights, bias, slopes, [shift, self.products[query]]);
        }
        let of_keys =
            [(&self.slopes, queries, &mut self.dkey), (&self.weights, gradient, &mut self.dvalue)];
        for (left, right, target) in of_keys {
            Product {
                rows: end_key - first_key,
                columns: padded,
                depth: end - first,
                left,
                left_steps: [1, KEYS],
                right,
                right_step: padded,
                target,
                target_step: padded,
                add: true,
            }
            .run(simd);
        }
        Product {
            rows: end - first,
            columns: padded,
            depth: end_key - first_key,
            left: &self.slopes,
            left_steps: [KEYS, 1],
            right: &self.keys,
            right_step: padded,
            target: &mut self.dquery[first * padded..end * padded],
            target_step: padded,
            add: true,
        }
        .run(simd);
    }
}

/// Makes of scores the probabilities p, and of their gradients those of the scores: p · (gradient − product).
#[inline(always)]
fn differentiate<S: Simd>(
    simd: S,
    weights: &mut [f32],
    bias: &[f32],
    slopes: &mut [f32],
    [shift, product]: [f32; 2],
) {
    let (shift, product) = (simd.splat_f32s(shift), simd.splat_f32s(product));
    let (weights, _) = S::as_mut_simd_f32s(weights);
    let (slopes, _) = S::as_mut_simd_f32s(slopes);
    let (bias, _) = S::as_simd_f32s(bias);
    for ((weight, slope), bias) in weights.iter_mut().zip(slopes).zip(bias) {
        let score = simd.add_f32s(*weight, *bias);
        *weight = math::exp(simd, simd.sub_f32s(score, shift));
        *slope = simd.mul_f32s(*weight, simd.sub_f32s(*slope, product));
    }
}

#[inline(always)]
fn dot<S: Simd>(simd: S, x: &[f32], y: &[f32]) -> f32 {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_simd_f32s(y);
    let tails = [x_tail, y_tail].map(|tail| simd.partial_load_f32s(tail));
    let mut sum = simd.mul_f32s(tails[0], tails[1]);
    for (x, y) in x.iter().zip(y) {
        sum = simd.mul_add_e_f32s(*x, *y, sum);
    }
    simd.reduce_sum_f32s(sum)
}
