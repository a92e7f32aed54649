//! Convolutions that mix channels, channels last.

mod correlate;
mod filters;
mod geometry;
mod half;
mod weight_gradient;
mod winograd;

#[cfg(test)]
mod tests;

pub use correlate::Epilogue;
pub use filters::Filters;
pub use geometry::{Geometry, Window};
pub use half::has_half_precision;
pub use winograd::Winograd;

use crate::Level;

/// `act(conv(x, w) + bias + residual)`: `x` is `[batch, height, width, in]`, `output` `[batch, height, width, out]`.
///
/// `filters` come from [`Filters::forward`]; those of [`Filters::backward`] make the gradient of the input of that of
/// the sum.
pub fn forward(filters: &Filters, x: &[f32], epilogue: Epilogue, output: &mut [f32]) {
    correlate::correlate(filters, x, output, epilogue);
}

/// The gradient of the input from that of the sum, plus what is `earlier`, which lies as the target; `weight` is
/// `[out, in / groups, height, width]`.
pub fn input_gradient(
    level: Level,
    geometry: &Geometry,
    weight: &[f32],
    gradient: &[f32],
    earlier: Option<&[f32]>,
    target: &mut [f32],
) {
    let filters = Filters::backward(level, geometry, weight);
    let epilogue = Epilogue { residual: earlier, ..Epilogue::NONE };
    correlate::correlate(&filters, gradient, target, epilogue);
    filters.recycle();
}

/// The gradient of the weight, `[out, in / groups, height, width]`, from that of the sum.
pub fn weight_gradient(
    level: Level,
    geometry: &Geometry,
    x: &[f32],
    gradient: &[f32],
    target: &mut [f32],
) {
    weight_gradient::weight_gradient(level, geometry, x, gradient, target);
}
