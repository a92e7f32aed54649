//! One loop compiled for several processors.
//!
//! A kernel is an `#[inline(always)]` function over slices, generic over `FUSED`. [`by_processor`] compiles it for the
//! widest registers the running processor has; what it computes is the same up to the rounding of fused products.

/// `a·b + c`, with one rounding where the processor has the instruction (elsewhere it would be a function call).
#[inline(always)]
pub(super) fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// Defines a function that runs `$body` compiled for AVX-512, AVX2 or the target's base set.
macro_rules! by_processor {
    ($(#[$attribute:meta])* $visibility:vis fn $name:ident($($argument:ident: $kind:ty),* $(,)?) = $body:ident) => {
        $(#[$attribute])*
        $visibility fn $name($($argument: $kind),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn with_avx512($($argument: $kind),*) {
                    $body::<true>($($argument),*)
                }
                #[target_feature(enable = "avx2,fma")]
                fn with_avx2($($argument: $kind),*) {
                    $body::<true>($($argument),*)
                }
                if crate::flex::processor::has_avx512() {
                    // SAFETY: the processor has every feature that the function is compiled for.
                    return unsafe { with_avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: as above.
                    return unsafe { with_avx2($($argument),*) };
                }
            }
            $body::<false>($($argument),*)
        }
    };
}
pub(super) use by_processor;

#[cfg(target_arch = "x86_64")]
pub(super) fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
}
