//! The nonlinearities that kernels end in.

use pulp::Simd;

/// A nonlinearity whose slope can be read off its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The value itself.
    None,
    /// max(0, x).
    Relu,
    /// min(max(0, x), 6).
    Relu6,
}

impl Act {
    /// The nonlinearity of each lane.
    #[inline(always)]
    pub(crate) fn apply<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        // Chosen by comparison, so that a value that is no number stays one.
        let zero = simd.splat_f32s(0.0);
        let floored = |x| simd.select_f32s(simd.less_than_f32s(x, zero), zero, x);
        match self {
            Act::None => x,
            Act::Relu => floored(x),
            Act::Relu6 => {
                let (x, six) = (floored(x), simd.splat_f32s(6.0));
                simd.select_f32s(simd.greater_than_f32s(x, six), six, x)
            }
        }
    }

    /// `gradient` where the nonlinearity's output `y` has slope 1, else 0.
    #[inline(always)]
    pub(crate) fn backward<S: Simd>(self, simd: S, y: S::f32s, gradient: S::f32s) -> S::f32s {
        let zero = simd.splat_f32s(0.0);
        match self {
            Act::None => gradient,
            Act::Relu => simd.select_f32s(simd.greater_than_f32s(y, zero), gradient, zero),
            Act::Relu6 => {
                let above = simd.greater_than_f32s(y, zero);
                let below = simd.less_than_f32s(y, simd.splat_f32s(6.0));
                simd.select_f32s(simd.and_m32s(above, below), gradient, zero)
            }
        }
    }
}
