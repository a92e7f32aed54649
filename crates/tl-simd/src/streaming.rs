//! Stores past the caches, for results that are larger than they are.
//!
//! An ordinary store first reads the line that it changes. Of a result that no cache holds, that is a third of the
//! traffic of a pass which reads one map and writes another; such passes are bound by traffic.

use pulp::Simd;

use crate::Level;

/// Bytes of a result from which on it goes past the caches: what comes next would find little of it there.
const LARGE: usize = 16 << 20;

/// Whether `target` is large, and every register of it lies on a border of registers.
pub(crate) fn suits(level: Level, target: &[f32]) -> bool {
    let register = level.lanes() * size_of::<f32>();
    size_of_val(target) >= LARGE && (target.as_ptr() as usize).is_multiple_of(register)
}

/// Stores past the caches, where the processor can.
///
/// # Safety
/// `target` is writable for one register and aligned to its size. Who reads it on another thread does so after a
/// [`fence`] of this one.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(simd: S, target: *mut f32, values: S::f32s) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm256_stream_ps, _mm512_stream_ps};
        // SAFETY: by the caller; the vectors of so many lanes are these, on a machine that has them.
        unsafe {
            match S::F32_LANES {
                16 => return _mm512_stream_ps(target, std::mem::transmute_copy(&values)),
                8 => return _mm256_stream_ps(target, std::mem::transmute_copy(&values)),
                _ => {}
            }
        }
    }
    // SAFETY: by the caller.
    unsafe { crate::tile::store(simd, target, values) }
}

/// Orders what was stored past the caches before what follows.
#[inline(always)]
pub(crate) fn fence() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has this instruction.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::{self, Epilogue, Filters, Geometry};
    use crate::testing::scattered;
    use crate::{Act, norm};

    const CHANNELS: usize = 64;
    const PIXELS: usize = LARGE / 4 / CHANNELS + 3;

    /// What `fill` makes of a target that goes past the caches, and of one that lies one value beside.
    fn both(level: Level, fill: impl Fn(&mut [f32])) -> [Vec<f32>; 2] {
        let lanes = level.lanes();
        let count = PIXELS * CHANNELS;
        let mut values = vec![f32::NAN; count + 2 * lanes];
        let border = (values.as_ptr() as usize / size_of::<f32>()).wrapping_neg() % lanes;
        [border, border + 1].map(|start| {
            let target = &mut values[start..start + count];
            assert_eq!(suits(level, target), start == border || lanes == 1);
            fill(target);
            target.to_vec()
        })
    }

    #[test]
    fn a_convolution_past_the_caches_has_the_same_bits() {
        let geometry = Geometry::product(PIXELS, [5, CHANNELS]).unwrap();
        let (x, weight) = (scattered(PIXELS * 5, 1), scattered(5 * CHANNELS, 2));
        for level in Level::all() {
            let filters = Filters::forward(level, &geometry, &weight, None);
            let [past, through] =
                both(level, |target| conv::forward(&filters, &x, Epilogue::NONE, target));
            assert!(past == through, "{}", level.name());
        }
    }

    #[test]
    fn a_norm_past_the_caches_has_the_same_bits() {
        let x = scattered(PIXELS * CHANNELS, 1);
        let [scale, shift] = [2, 3].map(|salt| scattered(CHANNELS, salt));
        for level in Level::all() {
            let [past, through] = both(level, |target| {
                norm::normalise(level, &x, &scale, &shift, None, Act::Relu, target);
            });
            assert!(past == through, "{}", level.name());
        }
    }
}
