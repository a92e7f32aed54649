//! Where the heads' values lie, and how they are laid out for products.

use std::marker::PhantomData;

use pulp::Simd;

/// Tokens that are turned into columns at once: a cache line of each column.
const GROUP: usize = 16;

/// Steps between neighbours, in values; those of one head's token lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strides {
    pub batch: usize,
    pub token: usize,
    pub head: usize,
}

impl Strides {
    /// Of `[batch, tokens, heads, width]`.
    pub fn separate(tokens: usize, heads: usize, width: usize) -> Self {
        Self { batch: tokens * heads * width, token: heads * width, head: width }
    }

    /// Of one part of `[batch, tokens, 3, heads, width]`.
    pub fn fused(tokens: usize, heads: usize, width: usize) -> Self {
        Self { batch: 3 * tokens * heads * width, token: 3 * heads * width, head: width }
    }

    /// Where a token's values begin.
    #[inline(always)]
    fn start(self, [batch, head]: [usize; 2], token: usize) -> usize {
        batch * self.batch + token * self.token + head * self.head
    }

    /// Where the last of `[batch, tokens, heads]` tokens of `width` values ends.
    pub(super) fn reach(self, counts: [usize; 3], width: usize) -> usize {
        if counts.contains(&0) {
            return 0;
        }
        let [batch, tokens, heads] = counts;
        self.start([batch - 1, heads - 1], tokens - 1) + width
    }
}

/// Queries, keys or values of all heads.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a> {
    /// From the first value of the first head of the first token on.
    pub values: &'a [f32],
    pub strides: Strides,
}

impl<'a> Operand<'a> {
    /// One token of a head, `place` being batch and head.
    #[inline(always)]
    pub(super) fn token(self, place: [usize; 2], token: usize, width: usize) -> &'a [f32] {
        &self.values[self.strides.start(place, token)..][..width]
    }

    /// `tokens` of a head by a factor, as rows `[tokens, padded]` with zeros behind the width.
    #[inline(always)]
    pub(super) fn rows<S: Simd>(
        self,
        simd: S,
        place: [usize; 2],
        tokens: std::ops::Range<usize>,
        width: usize,
        factor: f32,
        rows: &mut [f32],
    ) {
        let padded = width.next_multiple_of(S::F32_LANES);
        let factor = simd.splat_f32s(factor);
        for (token, row) in tokens.zip(rows.chunks_exact_mut(padded)) {
            let (source, tail) = S::as_simd_f32s(self.token(place, token, width));
            let (row, _) = S::as_mut_simd_f32s(row);
            for (row, source) in row.iter_mut().zip(source) {
                *row = simd.mul_f32s(*source, factor);
            }
            if let Some(row) = row.get_mut(source.len()) {
                *row = simd.mul_f32s(simd.partial_load_f32s(tail), factor);
            }
        }
    }

    /// `tokens` of a head as columns `[width, padded]`, with zeros behind the last token.
    #[inline(always)]
    pub(super) fn columns<S: Simd>(
        self,
        _: S,
        place: [usize; 2],
        tokens: std::ops::Range<usize>,
        width: usize,
        columns: &mut [f32],
    ) {
        let padded = tokens.len().next_multiple_of(S::F32_LANES);
        let columns = &mut columns[..width * padded];
        for first in tokens.clone().step_by(GROUP) {
            let from = first - tokens.start;
            let group = first..(first + GROUP).min(tokens.end);
            let rows: [&[f32]; GROUP] = std::array::from_fn(|k| {
                // Tokens behind the last repeat the first; nothing reads those.
                let token = if k < group.len() { first + k } else { first };
                self.token(place, token, width)
            });
            let filled = group.len();
            for (k, column) in columns.chunks_exact_mut(padded).enumerate() {
                if filled == GROUP {
                    let column = &mut column[from..from + GROUP];
                    for (target, row) in column.iter_mut().zip(rows) {
                        *target = row[k];
                    }
                } else {
                    let (inside, behind) = column[from..].split_at_mut(filled);
                    inside.iter_mut().zip(rows).for_each(|(target, row)| *target = row[k]);
                    behind.fill(0.0);
                }
            }
        }
    }
}

/// Values of all heads that tasks write at the same time, each its own heads.
#[derive(Debug)]
pub(super) struct Target<'a> {
    start: *mut f32,
    length: usize,
    strides: Strides,
    values: PhantomData<&'a mut [f32]>,
}

// SAFETY: the slice is borrowed for as long as the target lives, and `token` is what reaches into it.
unsafe impl Send for Target<'_> {}
// SAFETY: as above; callers of `token` vouch that no two threads ask for the same token.
unsafe impl Sync for Target<'_> {}

impl<'a> Target<'a> {
    pub fn new(values: &'a mut [f32], strides: Strides) -> Self {
        let length = values.len();
        Self { start: values.as_mut_ptr(), length, strides, values: PhantomData }
    }

    /// Three targets in one slice, `part` values apart.
    pub fn split(values: &'a mut [f32], strides: Strides, part: usize) -> [Self; 3] {
        let (start, length) = (values.as_mut_ptr(), values.len());
        std::array::from_fn(|of| {
            let before = (of * part).min(length);
            // SAFETY: `before` is within the slice, or at its end.
            let start = unsafe { start.add(before) };
            Self { start, length: length - before, strides, values: PhantomData }
        })
    }

    /// One token of a head, `place` being batch and head.
    ///
    /// # Safety
    /// Nobody else holds the same token.
    #[inline(always)]
    #[allow(
        clippy::mut_from_ref,
        reason = "tokens do not overlap, and the caller holds this one alone"
    )]
    unsafe fn token(&self, place: [usize; 2], token: usize, width: usize) -> &mut [f32] {
        let first = self.strides.start(place, token);
        assert!(first + width <= self.length);
        // SAFETY: within the slice; the caller vouches that it is not shared.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(first), width) }
    }

    /// Rows `[tokens, padded]`, each by its factor, into a head's tokens.
    ///
    /// # Safety
    /// No other thread writes this head.
    #[inline(always)]
    pub unsafe fn write<S: Simd>(
        &self,
        simd: S,
        place: [usize; 2],
        tokens: std::ops::Range<usize>,
        width: usize,
        rows: &[f32],
        factor: impl Fn(usize) -> f32,
    ) {
        let padded = width.next_multiple_of(S::F32_LANES);
        for (k, (token, row)) in tokens.zip(rows.chunks_exact(padded)).enumerate() {
            let factor = simd.splat_f32s(factor(k));
            // SAFETY: the caller vouches for the head, and this loop holds one token at a time.
            let target = unsafe { self.token(place, token, width) };
            let (target, tail) = S::as_mut_simd_f32s(target);
            let (row, _) = S::as_simd_f32s(row);
            for (target, row) in target.iter_mut().zip(row) {
                *target = simd.mul_f32s(*row, factor);
            }
            if let Some(row) = row.get(target.len()) {
                simd.partial_store_f32s(tail, simd.mul_f32s(*row, factor));
            }
        }
    }
}
