//! How the registers of a pixel's channels meet memory.

use pulp::{MemMask, Simd};

/// How a register's lanes meet memory.
pub(super) trait Access<S: Simd>: Copy {
    /// # Safety
    /// The lanes that count are readable.
    unsafe fn load(self, simd: S, source: *const f32) -> S::f32s;

    /// # Safety
    /// The lanes that count are writable.
    unsafe fn store(self, simd: S, target: *mut f32, values: S::f32s);
}

/// Every lane counts.
#[derive(Clone, Copy)]
pub(super) struct Whole;

impl<S: Simd> Access<S> for Whole {
    #[inline(always)]
    unsafe fn load(self, _: S, source: *const f32) -> S::f32s {
        // SAFETY: by the caller; a register of f32 is plain data.
        unsafe { source.cast::<S::f32s>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, _: S, target: *mut f32, values: S::f32s) {
        // SAFETY: by the caller.
        unsafe { target.cast::<S::f32s>().write_unaligned(values) }
    }
}

/// The first lanes count; the others read 0.
#[derive(Clone, Copy)]
pub(super) struct Part<S: Simd>(MemMask<S::m32s>);

impl<S: Simd> Part<S> {
    #[inline(always)]
    pub fn new(simd: S, lanes: usize) -> Self {
        // The mask alone, without the jump table that comes with it, which costs a call per load.
        Self(MemMask::new(simd.mask_between_m32s(0, lanes as u32).mask()))
    }
}

impl<S: Simd> Access<S> for Part<S> {
    #[inline(always)]
    unsafe fn load(self, simd: S, source: *const f32) -> S::f32s {
        // SAFETY: by the caller.
        unsafe { simd.mask_load_ptr_f32s(self.0, source) }
    }

    #[inline(always)]
    unsafe fn store(self, simd: S, target: *mut f32, values: S::f32s) {
        // SAFETY: by the caller.
        unsafe { simd.mask_store_ptr_f32s(self.0, target, values) }
    }
}

/// Asks for the cache line at `there`, which need not be memory, in order to write it: a store would else wait until
/// the line has come.
#[inline(always)]
pub(super) fn prefetch_to_write(there: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a hint touches no memory that the program sees, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(there.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = there;
}
