//! The innermost loop: a tile of a product, held in registers.
//!
//! Convolutions, matrix products and their gradients all end here. Well-kept crates carry the inner loop of a plain
//! matrix product (`gemm`, `rten-gemm`), but none sums over windows of an image without writing its columns out
//! first, and none ends in a norm, a residual and a nonlinearity; that is why this loop is written by hand, over the
//! vectors of `pulp`.

use pulp::Simd;

/// The most rows of a tile.
pub(crate) const ROWS: usize = 6;
/// The most registers in a row of a tile.
pub(crate) const REGISTERS: usize = 4;

/// The registers in a row of a full tile: what leaves room for the operands.
pub(crate) const fn registers(lanes: usize) -> usize {
    // AVX2 has 16 registers, AVX-512 and NEON 32; the portable loop gains nothing from more.
    match lanes {
        8 => 2,
        _ => REGISTERS,
    }
}

/// `sums[m][v] += Σ_k a[m][k·a_step] · b[k·b_step + v]`, with `v` counting registers.
///
/// # Safety
/// `a[m]` is readable at every multiple of `a_step` below `depth · a_step`, and `b` for `V` registers at every
/// multiple of `b_step` below `depth · b_step`.
#[inline(always)]
pub(crate) unsafe fn accumulate<S: Simd, const M: usize, const V: usize>(
    simd: S,
    sums: &mut [[S::f32s; V]; M],
    a: [*const f32; M],
    a_step: usize,
    b: *const f32,
    b_step: usize,
    depth: usize,
) {
    let mut local = *sums;
    for k in 0..depth {
        // SAFETY: the caller vouches for every `k < depth`.
        unsafe {
            let row = b.add(k * b_step);
            let mut right = [simd.splat_f32s(0.0); V];
            for (v, right) in right.iter_mut().enumerate() {
                *right = load(simd, row.add(v * S::F32_LANES));
            }
            for m in 0..M {
                let left = simd.splat_f32s(*a[m].add(k * a_step));
                for v in 0..V {
                    local[m][v] = simd.mul_add_e_f32s(left, right[v], local[m][v]);
                }
            }
        }
    }
    *sums = local;
}

/// The same over pairs of bf16: `a` and `b` hold two neighbours of the sum in the place of one f32, and `depth` counts
/// pairs.
///
/// # Safety
/// As of [`accumulate`] with steps of 1 and `V` registers; on a processor with AVX512-BF16, and `S` are its vectors.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) unsafe fn accumulate_pairs<S: Simd, const M: usize, const V: usize>(
    sums: &mut [[S::f32s; V]; M],
    a: [*const f32; M],
    b: *const f32,
    depth: usize,
) {
    use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_set1_ps};
    use std::mem::{transmute, transmute_copy};
    // SAFETY: by the caller, the registers are those of AVX-512; registers of bf16 are plain data.
    unsafe {
        let mut local: [[__m512; V]; M] = transmute_copy(sums);
        for k in 0..depth {
            let row = b.add(k * V * 16);
            let mut right: [__m512bh; V] = std::mem::zeroed();
            for (v, right) in right.iter_mut().enumerate() {
                *right = transmute::<__m512, __m512bh>(_mm512_loadu_ps(row.add(v * 16)));
            }
            for m in 0..M {
                let left = transmute::<__m512, __m512bh>(_mm512_set1_ps(*a[m].add(k)));
                for v in 0..V {
                    local[m][v] = _mm512_dpbf16_ps(local[m][v], left, right[v]);
                }
            }
        }
        *sums = transmute_copy(&local);
    }
}

/// # Safety
/// `source` is readable for one register.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(_: S, source: *const f32) -> S::f32s {
    // SAFETY: by the caller; a register of f32 is plain data.
    unsafe { source.cast::<S::f32s>().read_unaligned() }
}

/// # Safety
/// `target` is writable for one register.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(_: S, target: *mut f32, values: S::f32s) {
    // SAFETY: by the caller.
    unsafe { target.cast::<S::f32s>().write_unaligned(values) }
}

/// Runs `$body` with the constants `M` and `V` equal to the numbers `$m` and `$v`.
macro_rules! by_size {
    ($m:expr, $v:expr, $function:ident :: <$simd:ident $(, $more:ident)*>($($argument:expr),* $(,)?)) => {
        match ($m, $v) {
            (1, 1) => $function::<$simd, $($more,)* 1, 1>($($argument),*),
            (2, 1) => $function::<$simd, $($more,)* 2, 1>($($argument),*),
            (3, 1) => $function::<$simd, $($more,)* 3, 1>($($argument),*),
            (4, 1) => $function::<$simd, $($more,)* 4, 1>($($argument),*),
            (5, 1) => $function::<$simd, $($more,)* 5, 1>($($argument),*),
            (6, 1) => $function::<$simd, $($more,)* 6, 1>($($argument),*),
            (1, 2) => $function::<$simd, $($more,)* 1, 2>($($argument),*),
            (2, 2) => $function::<$simd, $($more,)* 2, 2>($($argument),*),
            (3, 2) => $function::<$simd, $($more,)* 3, 2>($($argument),*),
            (4, 2) => $function::<$simd, $($more,)* 4, 2>($($argument),*),
            (5, 2) => $function::<$simd, $($more,)* 5, 2>($($argument),*),
            (6, 2) => $function::<$simd, $($more,)* 6, 2>($($argument),*),
            (1, 3) => $function::<$simd, $($more,)* 1, 3>($($argument),*),
            (2, 3) => $function::<$simd, $($more,)* 2, 3>($($argument),*),
            (3, 3) => $function::<$simd, $($more,)* 3, 3>($($argument),*),
            (4, 3) => $function::<$simd, $($more,)* 4, 3>($($argument),*),
            (5, 3) => $function::<$simd, $($more,)* 5, 3>($($argument),*),
            (6, 3) => $function::<$simd, $($more,)* 6, 3>($($argument),*),
            (1, 4) => $function::<$simd, $($more,)* 1, 4>($($argument),*),
            (2, 4) => $function::<$simd, $($more,)* 2, 4>($($argument),*),
            (3, 4) => $function::<$simd, $($more,)* 3, 4>($($argument),*),
            (4, 4) => $function::<$simd, $($more,)* 4, 4>($($argument),*),
            (5, 4) => $function::<$simd, $($more,)* 5, 4>($($argument),*),
            _ => $function::<$simd, $($more,)* 6, 4>($($argument),*),
        }
    };
}
pub(crate) use by_size;
