//! The CPU kernels: plain loops over f32 slices, channels first, parallel with rayon.
//!
//! Every result is the same for any number of threads: work is cut by sizes alone, and what is summed across
//! pieces is summed in their order.

mod correlate;
mod dense;
mod depthwise;
mod elementwise;
mod geometry;
mod matrix;
mod norm;
mod processor;
mod tiles;

pub(crate) use elementwise::{channel_sums, through_act};
pub(crate) use geometry::Geometry;
pub(crate) use norm::{NormInputs, norm_backward, normalise};

use crate::Nonlinearity;

/// Which gradients of a convolution are needed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub input: bool,
    pub weight: bool,
    pub bias: bool,
    pub residual: bool,
}

/// The gradients of a convolution, those that were wanted.
#[derive(Default)]
pub(crate) struct Gradients {
    pub input: Option<Vec<f32>>,
    pub weight: Option<Vec<f32>>,
    pub bias: Option<Vec<f32>>,
}

/// `act(conv(x, w) + bias + residual)`, shapes as in `geometry`.
pub(crate) fn convolve(
    geometry: &Geometry,
    x: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    act: Nonlinearity,
) -> Vec<f32> {
    match geometry.is_depthwise() {
        true => depthwise::forward(geometry, x, w, bias, residual, act),
        false => dense::forward(geometry, x, w, bias, residual, act),
    }
}

/// The gradients of `conv(x, w) + bias` from that of the sum; with `output` from that of the result and the
/// result itself, which only a depthwise convolution takes.
///
/// `x` is read for the weight's gradient alone, `w` for the input's alone.
pub(crate) fn convolve_backward(
    geometry: &Geometry,
    x: Option<&[f32]>,
    w: Option<&[f32]>,
    gradient: &[f32],
    output: Option<(&[f32], Nonlinearity)>,
    wanted: Wanted,
) -> Gradients {
    if geometry.is_depthwise() {
        return depthwise::backward(geometry, x, w, gradient, output, wanted);
    }
    let sums = || channel_sums(gradient, geometry.channels[1], geometry.output_plane());
    Gradients {
        bias: wanted.bias.then(sums),
        weight: x.filter(|_| wanted.weight).map(|x| dense::weight_gradient(geometry, x, gradient)),
        input: w.filter(|_| wanted.input).map(|w| dense::input_gradient(geometry, w, gradient)),
    }
}
