//! Products of bf16 with sums in f32, for weights that stand still, where the processor has AVX512-BF16.
//!
//! Two neighbouring channels share the place of one f32: a map's values are rounded to pairs where a task reads them,
//! weights when they are packed. One instruction then adds two products to each of 16 sums.

use super::correlate::Panels;
use super::filters::Filters;
use super::geometry::Geometry;
use crate::Level;

/// Whether filters of bf16 can be made for `level`.
#[cfg(target_arch = "x86_64")]
pub fn has_half_precision(level: Level) -> bool {
    level.avx512().is_some() && std::arch::is_x86_feature_detected!("avx512bf16")
}

/// Whether filters of bf16 can be made for a level: on this processor never.
#[cfg(not(target_arch = "x86_64"))]
pub fn has_half_precision(_: Level) -> bool {
    false
}

impl Filters {
    /// As [`Filters::forward`], for products of bf16: weights are rounded here, the input where it is read. `None`
    /// where the processor or the sizes are not for it.
    pub fn forward_half(
        level: Level,
        geometry: &Geometry,
        weight: &[f32],
        scale: Option<&[f32]>,
    ) -> Option<Self> {
        let pairs = geometry.channels[0] / geometry.window.groups / 2;
        if !has_half_precision(level) || pairs * 2 * geometry.window.groups != geometry.channels[0]
        {
            return None;
        }
        let mut filters = Self::forward(level, geometry, weight, scale);
        let width = filters.channels[1].next_multiple_of(level.lanes());
        let panel = filters.panel();
        for packed in &mut filters.packed {
            let depth = packed.len() / width;
            let mut paired = Vec::with_capacity(packed.len() / 2);
            for first in (0..width).step_by(panel) {
                let row = panel.min(width - first);
                let values = &packed[depth * first..][..depth * row];
                for two in values.chunks_exact(2 * row) {
                    let (even, odd) = two.split_at(row);
                    paired.extend(even.iter().zip(odd).map(|(even, odd)| pair(*even, *odd)));
                }
            }
            *packed = paired;
        }
        filters.channels[0] = pairs;
        filters.half = true;
        Some(filters)
    }
}

/// The nearest bf16, to even where two are as near.
fn rounded(value: f32) -> u32 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) | 0x40;
    }
    bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16
}

/// Two bf16 in the place of one f32.
fn pair(even: f32, odd: f32) -> f32 {
    f32::from_bits(rounded(even) | rounded(odd) << 16)
}

/// Rounds `values` to pairs; `pairs` has room for half as many.
pub(super) fn to_pairs(values: &[f32], pairs: &mut [f32]) {
    let done = whole_registers(values, pairs);
    for (two, pair_) in values[2 * done..].chunks_exact(2).zip(&mut pairs[done..]) {
        *pair_ = pair(two[0], two[1]);
    }
}

/// Rounds as many whole registers as there are; returns the number of pairs.
#[cfg(target_arch = "x86_64")]
fn whole_registers(values: &[f32], pairs: &mut [f32]) -> usize {
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn run(values: &[f32], pairs: &mut [f32]) -> usize {
        use std::arch::x86_64::{
            __m512, __m512bh, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_storeu_ps,
        };
        use std::mem::transmute;
        let registers = (values.len() / 32).min(pairs.len() / 16);
        for (from, to) in values.chunks_exact(32).zip(pairs.chunks_exact_mut(16)) {
            // SAFETY: the chunks have 32 and 16 values; a register of bf16 is plain data.
            unsafe {
                let [low, high] = [0, 16].map(|at| _mm512_loadu_ps(from.as_ptr().add(at)));
                let both = transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high, low));
                _mm512_storeu_ps(to.as_mut_ptr(), both);
            }
        }
        registers * 16
    }
    // SAFETY: filters of bf16 are made where the processor has these instructions alone.
    unsafe { run(values, pairs) }
}

#[cfg(not(target_arch = "x86_64"))]
fn whole_registers(_: &[f32], _: &mut [f32]) -> usize {
    0
}

/// Runs `panels` with products of pairs.
#[cfg(target_arch = "x86_64")]
pub(super) fn run(level: Level, panels: Panels) {
    #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,avx2,fma")]
    fn run(simd: pulp::x86::V4, panels: Panels) {
        panels.fill::<pulp::x86::V4, true>(simd);
    }
    if let Some(simd) = level.avx512() {
        // SAFETY: filters of bf16 are made where the processor has these instructions alone.
        unsafe { run(simd, panels) }
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn run(_: Level, _: Panels) {}
