//! Scaled dot-product attention of many heads, without ever holding a matrix of `[queries, keys]`.
//!
//! Each head's output is softmax(scale · Q Kᵀ + mask) V. Keys are taken block by block and the softmax is rescaled as
//! they come; the forward pass keeps one value a row, from which the backward pass makes the probabilities again
//! (Dao et al. 2022, arXiv 2205.14135).

mod backward;
mod forward;
mod operands;
mod product;

use rayon::prelude::*;

pub use operands::{Operand, Strides};

use crate::Level;
use operands::Target;

/// The sizes of one attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub batch: usize,
    pub heads: usize,
    /// Tokens that ask.
    pub queries: usize,
    /// Tokens that are asked.
    pub keys: usize,
    /// Values of a token in one head.
    pub width: usize,
}

impl Shape {
    /// Values of the output, `[batch, queries, heads, width]`.
    pub fn output_values(&self) -> usize {
        self.batch * self.queries * self.heads * self.width
    }

    /// Rows of all heads, `[batch, heads, queries]`.
    pub fn rows(&self) -> usize {
        self.batch * self.heads * self.queries
    }
}

/// Which keys are seen, `[batch, keys]`.
#[derive(Clone, Copy, Debug)]
pub enum KeyMask<'a> {
    /// All.
    None,
    /// Those that are true; false is padding.
    Seen(&'a [bool]),
    /// This is added to every score of the key; −∞ hides it.
    Added(&'a [f32]),
}

/// What attention is computed of.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    pub shape: Shape,
    pub query: Operand<'a>,
    pub key: Operand<'a>,
    pub value: Operand<'a>,
    pub key_mask: KeyMask<'a>,
    /// Query `i` sees the keys up to `i` alone.
    pub causal: bool,
    /// The factor of Q Kᵀ, as a rule 1 / √width.
    pub scale: f32,
}

impl<'a> Inputs<'a> {
    /// Of one slice `[batch, tokens, 3, heads, width]`; unmasked.
    pub fn fused(shape: Shape, values: &'a [f32]) -> Self {
        let part = shape.heads * shape.width;
        let strides = Strides::fused(shape.keys, shape.heads, shape.width);
        let operand =
            |of: usize| Operand { values: values.get(of * part..).unwrap_or(&[]), strides };
        Self::new(shape, [operand(0), operand(1), operand(2)])
    }

    /// Of slices `[batch, tokens, heads, width]` of queries, keys and values; unmasked.
    pub fn separate(shape: Shape, [query, key, value]: [&'a [f32]; 3]) -> Self {
        let strides = |tokens| Strides::separate(tokens, shape.heads, shape.width);
        let operands = [(query, shape.queries), (key, shape.keys), (value, shape.keys)];
        let operand = |(values, tokens)| Operand { values, strides: strides(tokens) };
        Self::new(shape, operands.map(operand))
    }

    fn new(shape: Shape, [query, key, value]: [Operand<'a>; 3]) -> Self {
        let scale = 1.0 / (shape.width.max(1) as f32).sqrt();
        Self { shape, query, key, value, key_mask: KeyMask::None, causal: false, scale }
    }

    fn check(&self) {
        let Shape { batch, heads, queries, keys, width } = self.shape;
        assert!(width > 0);
        for (operand, tokens) in [(self.query, queries), (self.key, keys), (self.value, keys)] {
            let needed = operand.strides.reach([batch, tokens, heads], width);
            assert!(operand.values.len() >= needed, "{} of {needed}", operand.values.len());
        }
        let masked = match self.key_mask {
            KeyMask::None => batch * keys,
            KeyMask::Seen(seen) => seen.len(),
            KeyMask::Added(added) => added.len(),
        };
        assert_eq!(masked, batch * keys);
    }

    /// What is added to the scores of each key of one image or sentence; −∞ behind the last key, up to whole
    /// registers.
    fn bias(&self, batch: usize, bias: &mut [f32]) {
        let keys = self.shape.keys;
        let place = batch * keys..(batch + 1) * keys;
        let (inside, behind) = bias.split_at_mut(keys);
        behind.fill(f32::NEG_INFINITY);
        match self.key_mask {
            KeyMask::None => inside.fill(0.0),
            KeyMask::Added(added) => inside.copy_from_slice(&added[place]),
            KeyMask::Seen(seen) => {
                for (bias, &seen) in inside.iter_mut().zip(&seen[place]) {
                    *bias = if seen { 0.0 } else { f32::NEG_INFINITY };
                }
            }
        }
    }
}

/// Attention into `output`, `[batch, queries, heads, width]`; `log_sums` gets ln Σ exp(score) of each row,
/// `[batch, heads, queries]`. A row that sees no key gives zeros, and −∞.
///
/// # Panics
/// If the slices' lengths do not fit the shape, or the width is 0.
pub fn forward(level: Level, inputs: &Inputs, output: &mut [f32], log_sums: &mut [f32]) {
    let Shape { heads, queries, width, .. } = inputs.shape;
    inputs.check();
    assert_eq!(output.len(), inputs.shape.output_values());
    assert_eq!(log_sums.len(), inputs.shape.rows());
    let output = Target::new(output, Strides::separate(queries, heads, width));
    log_sums.par_chunks_mut(queries.max(1)).enumerate().for_each_init(
        forward::Scratch::default,
        |scratch, (task, log_sums)| {
            let place = [task / heads, task % heads];
            level.run(forward::Head { inputs, place, output: &output, log_sums, scratch });
        },
    );
}

/// What the forward pass made.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    pub output: &'a [f32],
    pub log_sums: &'a [f32],
}

/// Where the gradients of queries, keys and values go.
#[derive(Debug)]
pub enum Gradients<'a> {
    /// Into one slice `[batch, tokens, 3, heads, width]`; queries and keys are as many.
    Fused(&'a mut [f32]),
    /// Into slices `[batch, tokens, heads, width]`.
    Separate([&'a mut [f32]; 3]),
}

/// The gradients of queries, keys and values, of the `gradient` of the output, `[batch, queries, heads, width]`.
///
/// # Panics
/// If the slices' lengths do not fit the shape, or the width is 0.
pub fn backward(
    level: Level,
    inputs: &Inputs,
    saved: Saved,
    gradient: &[f32],
    gradients: Gradients,
) {
    let Shape { batch, heads, queries, keys, width } = inputs.shape;
    inputs.check();
    assert_eq!(saved.output.len(), inputs.shape.output_values());
    assert_eq!(saved.log_sums.len(), inputs.shape.rows());
    assert_eq!(gradient.len(), saved.output.len());
    let targets = match gradients {
        Gradients::Fused(values) => {
            assert!(queries == keys && values.len() == 3 * saved.output.len());
            Target::split(values, Strides::fused(keys, heads, width), heads * width)
        }
        Gradients::Separate([query, key, value]) => {
            let strides = |tokens| Strides::separate(tokens, heads, width);
            assert_eq!(query.len(), saved.output.len());
            assert!([&key, &value].iter().all(|v| v.len() == batch * keys * heads * width));
            [(query, queries), (key, keys), (value, keys)]
                .map(|(values, tokens)| Target::new(values, strides(tokens)))
        }
    };
    (0..batch * heads).into_par_iter().for_each_init(
        backward::Scratch::default,
        |scratch, task| {
            let place = [task / heads, task % heads];
            let targets = &targets;
            level.run(backward::Head { inputs, place, saved, gradient, targets, scratch });
        },
    );
}

#[cfg(test)]
mod tests;
