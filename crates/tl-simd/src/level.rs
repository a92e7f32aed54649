//! Which instructions the kernels use.

use std::sync::LazyLock;

use pulp::{Scalar, WithSimd};

/// A set of vector instructions that this machine has.
///
/// The same level gives the same bits for any number of threads; another level sums in another order.
#[derive(Clone, Copy, Debug)]
pub struct Level(Set);

#[derive(Clone, Copy, Debug)]
enum Set {
    Portable,
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
}

impl Level {
    /// Every level of this machine, the narrowest first.
    pub fn all() -> Vec<Level> {
        #[allow(unused_mut, reason = "some processors have the portable level alone")]
        let mut sets = vec![Set::Portable];
        #[cfg(target_arch = "aarch64")]
        sets.extend(pulp::aarch64::Neon::try_new().map(Set::Neon));
        #[cfg(target_arch = "x86_64")]
        sets.extend(pulp::x86::V3::try_new().map(Set::Avx2));
        #[cfg(target_arch = "x86_64")]
        sets.extend(pulp::x86::V4::try_new().map(Set::Avx512));
        sets.into_iter().map(Level).collect()
    }

    /// The widest level of this machine.
    pub fn best() -> Level {
        static BEST: LazyLock<Level> =
            LazyLock::new(|| Level::all().pop().unwrap_or(Level(Set::Portable)));
        *BEST
    }

    /// `portable`, `neon`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => "neon",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => "avx512",
        }
    }

    /// The number of f32 in a register.
    pub fn lanes(self) -> usize {
        match self.0 {
            Set::Portable => 1,
            #[cfg(target_arch = "aarch64")]
            Set::Neon(_) => 4,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(_) => 8,
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(_) => 16,
        }
    }

    /// The vectors of AVX-512, at that level.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn avx512(self) -> Option<pulp::x86::V4> {
        match self.0 {
            Set::Avx512(simd) => Some(simd),
            _ => None,
        }
    }

    /// Runs `work`, compiled for this level. Its `with_simd` is `#[inline(always)]`.
    pub fn run<W: WithSimd>(self, work: W) -> W::Output {
        match self.0 {
            Set::Portable => work.with_simd(Scalar::new()),
            #[cfg(target_arch = "aarch64")]
            Set::Neon(simd) => pulp::Simd::vectorize(simd, work),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2(simd) => pulp::Simd::vectorize(simd, work),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512(simd) => pulp::Simd::vectorize(simd, work),
        }
    }
}
