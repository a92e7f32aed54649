//! Stages that stand still: norms folded, weights packed, once for all batches.

#[cfg(feature = "flex")]
use std::cell::{Cell, RefCell};
use std::ops::Range;
#[cfg(feature = "flex")]
use std::sync::Arc;

use tl_core::{Backbone, FrozenPrefix, Pass};

#[cfg(feature = "flex")]
use crate::extension::Packs;

thread_local! {
    /// The packs of the prefix that this thread is in the middle of.
    #[cfg(feature = "flex")]
    static CURRENT: RefCell<Option<Arc<Packs>>> = const { RefCell::new(None) };
    /// Whether what is compiled may multiply in bf16.
    #[cfg(feature = "flex")]
    static HALF: Cell<bool> = const { Cell::new(false) };
}

/// The stages `range` of `backbone` as they stand now, on the plain device, with every convolution's norm folded into
/// its weight and every weight laid out for its kernel at the first batch.
pub fn compile<B: Backbone + Sync + 'static>(backbone: &B, range: Range<usize>) -> FrozenPrefix {
    let plain = backbone.valid();
    #[cfg(feature = "flex")]
    let packs = Arc::new(Packs::new(HALF.get()));
    FrozenPrefix::new(range.clone(), move |input| {
        #[cfg(feature = "flex")]
        let _entered = Entered::new(packs.clone());
        plain.forward_stages(input.without_autodiff(), range.clone(), Pass::default())
    })
}

/// Weights that stand still, laid out for their kernels at their first use, for work that goes through them many times.
#[derive(Debug, Default)]
pub struct StandingWeights {
    #[cfg(feature = "flex")]
    packs: Arc<Packs>,
}

impl StandingWeights {
    /// Runs `work`, in which no weight may be another one than at the first run.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "flex")]
        let _entered = Entered::new(self.packs.clone());
        work()
    }
}

/// Runs `work`; what it [compiles](compile) may multiply in bf16, with sums in f32.
///
/// It does so on a flex device where the processor has AVX512-BF16, and there where it is faster; results are then off
/// by up to a part in 256 of each product. Everywhere else nothing changes.
pub fn with_half_precision<R>(half: bool, work: impl FnOnce() -> R) -> R {
    #[cfg(feature = "flex")]
    let _until_the_end = Half(HALF.replace(half));
    work()
}

/// Whether this processor can multiply in bf16; where it cannot, [`with_half_precision`] changes nothing.
pub fn has_half_precision() -> bool {
    #[cfg(feature = "flex")]
    return tl_simd::conv::has_half_precision(tl_simd::Level::best());
    #[cfg(not(feature = "flex"))]
    false
}

/// What the bits of a result depend on beside its input: part of the key under which results are kept.
pub fn numerics() -> String {
    /// Raised whenever a kernel's results change.
    const KERNELS: u32 = 2;
    #[cfg(feature = "flex")]
    return format!("{KERNELS} {}", tl_simd::Level::best().name());
    #[cfg(not(feature = "flex"))]
    KERNELS.to_string()
}

/// Puts back what was before, also by a panic.
#[cfg(feature = "flex")]
struct Half(bool);

#[cfg(feature = "flex")]
impl Drop for Half {
    fn drop(&mut self) {
        HALF.set(self.0);
    }
}

/// The packs of the prefix that runs on this thread, if one does.
#[cfg(feature = "flex")]
pub(crate) fn current() -> Option<Arc<Packs>> {
    CURRENT.with_borrow(Clone::clone)
}

/// Makes packs the current ones until it is dropped, also by a panic.
#[cfg(feature = "flex")]
struct Entered(Option<Arc<Packs>>);

#[cfg(feature = "flex")]
impl Entered {
    fn new(packs: Arc<Packs>) -> Self {
        Self(CURRENT.replace(Some(packs)))
    }
}

#[cfg(feature = "flex")]
impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}
