//! Fused units as operations with their own backward pass, and the only use of Burn's internals.
//!
//! A unit on a flex device in f32 runs the kernels of `tl-simd` as one node of the graph; on every
//! other device and in every other precision it is a composition of Burn's public operations.

use burn::prelude::*;
use burn::tensor::activation::relu;
use burn::tensor::module;
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};

use crate::{Nonlinearity, Shared};

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod images;
#[cfg(feature = "flex")]
mod loss;
#[cfg(feature = "flex")]
mod meeting;
#[cfg(feature = "flex")]
mod nodes;
#[cfg(feature = "flex")]
mod operations;
#[cfg(feature = "flex")]
pub(crate) mod optimizer;
#[cfg(feature = "flex")]
mod packs;
#[cfg(feature = "flex")]
mod pooling;
#[cfg(feature = "flex")]
mod recurrent;
#[cfg(all(test, feature = "flex"))]
mod reference;
#[cfg(feature = "flex")]
mod reversal;
#[cfg(feature = "flex")]
mod sequences;
#[cfg(all(test, feature = "flex"))]
mod tests;

#[cfg(feature = "flex")]
pub(crate) use loss::cross_entropy as cross_entropy_unit;
#[cfg(feature = "flex")]
pub(crate) use meeting::Meeting;
#[cfg(feature = "flex")]
pub(crate) use packs::{Folded, Packs};
#[cfg(feature = "flex")]
pub(crate) use recurrent::lstm as lstm_unit;
#[cfg(feature = "flex")]
pub(crate) use sequences::{
    attention as attention_unit, gelu as gelu_unit, layer_norm as layer_norm_unit,
};

/// How a convolution's window moves: height first, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub groups: usize,
}

impl ConvShape {
    /// Each pixel on its own.
    pub(crate) const POINTWISE: Self =
        Self { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 };
}

/// `act(conv(x, w) + b + residual)`, one node.
///
/// Shapes: `x` is `[batch, in, height, width]`, `w` `[out, in / groups, height, width]`, `b` `[out]`, `residual` as
/// the result.
pub(crate) fn conv2d_unit(
    x: impl Into<Shared>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    residual: Option<Shared>,
    shape: ConvShape,
    act: Nonlinearity,
) -> Tensor<4> {
    let x = x.into();
    #[cfg(feature = "flex")]
    if runs_on_flex(&x.map)
        && runs_on_flex(&w)
        && sizes_fit(&x.map, &w, b.as_ref(), residual.as_ref().map(|it| &it.map), shape)
    {
        return operations::conv2d(x, w, b, residual, shape, act);
    }
    let options = ConvOptions::new(shape.stride, shape.padding, shape.dilation, shape.groups);
    finish(module::conv2d(x.map, w, b, options), residual, act)
}

/// `act(norm(x) + residual)` with the statistics of the batch, one node; and these statistics, plain: the mean
/// and the biased variance, `[channels]` each.
pub(crate) fn batch_norm_train_unit(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Shared>,
    epsilon: f64,
    act: Nonlinearity,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x)
        && runs_on_flex(&weight)
        && [weight.dims(), bias.dims()] == [[x.dims()[1]]; 2]
        && residual.as_ref().is_none_or(|residual| residual.map.dims() == x.dims())
    {
        return operations::batch_norm_train(x, weight, bias, residual, epsilon, act);
    }
    let normed = module::batch_norm_train(x, weight, bias, epsilon);
    let [mean, variance] = [normed.mean, normed.variance].map(Tensor::without_autodiff);
    (finish(normed.output, residual, act), mean, variance)
}

/// `act(scale·x + shift)`, with one of each for a channel.
pub(crate) fn affine_unit(
    x: Tensor<4>,
    scale: Tensor<1>,
    shift: Tensor<1>,
    act: Nonlinearity,
) -> Tensor<4> {
    let [channels] = scale.dims();
    let scale = scale.reshape([channels, 1, 1, 1]);
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) && runs_on_flex(&scale) {
        // A convolution of each channel with one value.
        let shape = ConvShape { groups: channels, ..ConvShape::POINTWISE };
        return conv2d_unit(x, scale, Some(shift), None, shape, act);
    }
    composed_affine(x, scale, shift, act)
}

/// The same of Burn's operations; `scale` is `[channels, 1, 1, 1]`.
fn composed_affine(
    x: Tensor<4>,
    scale: Tensor<4>,
    shift: Tensor<1>,
    act: Nonlinearity,
) -> Tensor<4> {
    let shift = shift.reshape([1, scale.dims()[0], 1, 1]);
    finish(x * scale.swap_dims(0, 1) + shift, None, act)
}

/// `x·wᵀ + b + more`: `x` is `[rows, in]`, `w` `[out, in]`, `b` `[out]`, `more` `[rows, out]`.
pub(crate) fn linear_unit(
    x: Tensor<2>,
    w: Tensor<2>,
    b: Option<Tensor<1>>,
    more: Option<Tensor<2>>,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) && runs_on_flex(&w) {
        // A convolution of images of one pixel.
        let [rows, _] = x.dims();
        let [output, input] = w.dims();
        let (x, w) = (x.reshape([rows, input, 1, 1]), w.reshape([output, input, 1, 1]));
        let more = more.map(|more| more.reshape([rows, output, 1, 1]).into());
        let unit = conv2d_unit(x, w, b, more, ConvShape::POINTWISE, Nonlinearity::None);
        return unit.reshape([rows, output]);
    }
    let product = x.matmul(w.transpose());
    let product = match more {
        Some(more) => product + more,
        None => product,
    };
    match b {
        Some(b) => product + b.unsqueeze(),
        None => product,
    }
}

/// The greatest of each window; padding counts as nothing.
pub(crate) fn max_pool_unit(
    x: Tensor<4>,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) && (1..=16).contains(&kernel) && stride > 0 && 2 * padding <= kernel {
        let (kernel, stride, padding) = ([kernel; 2], [stride; 2], [padding; 2]);
        return operations::max_pool(x, tl_simd::pool::Window { kernel, stride, padding });
    }
    let options =
        MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    module::max_pool2d(x, options)
}

/// Means over windows that cover the map in `size` parts.
pub(crate) fn average_pool_unit(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) && !size.contains(&0) && !x.dims().contains(&0) {
        return operations::average_pool(x, size);
    }
    module::adaptive_avg_pool2d(x, size)
}

/// The mean of each window, padding with zeros that count.
pub(crate) fn window_mean_unit(
    x: Tensor<4>,
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) && x.dims()[1] > 0 && kernel > 0 {
        // A convolution of each channel with the same value everywhere.
        let channels = x.dims()[1];
        let device = x.device().without_autodiff();
        let share = 1.0 / (kernel * kernel) as f64;
        let weight = Tensor::<4>::full([channels, 1, kernel, kernel], share, &device);
        let weight = if x.device().is_autodiff() { weight.autodiff() } else { weight };
        let (stride, padding) = ([stride; 2], [padding; 2]);
        let shape = ConvShape { stride, padding, dilation: [1; 2], groups: channels };
        return conv2d_unit(x, weight, None, None, shape, Nonlinearity::None);
    }
    composed_window_mean(x, kernel, stride, padding)
}

/// The same of Burn's operations.
fn composed_window_mean(x: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let options =
        AvgPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    module::avg_pool2d(x, options)
}

/// The identity forward, the gradient times `-lambda` backward.
pub(crate) fn reversal_unit<const D: usize>(x: Tensor<D>, lambda: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if runs_on_flex(&x) {
        return reversal::reverse(x, lambda);
    }
    composed_reversal(x, lambda)
}

/// `x - (λx - λx)`, where the second product is a constant: the difference is exactly 0.
fn composed_reversal<const D: usize>(x: Tensor<D>, lambda: f64) -> Tensor<D> {
    let scaled = x.clone().mul_scalar(lambda);
    x.detach() - (scaled.clone() - scaled.detach())
}

fn finish(x: Tensor<4>, residual: Option<Shared>, act: Nonlinearity) -> Tensor<4> {
    let sum = match residual {
        Some(residual) => x + residual.map,
        None => x,
    };
    match act {
        Nonlinearity::None => sum,
        Nonlinearity::Relu => relu(sum),
        Nonlinearity::Relu6 => sum.clamp(0.0, 6.0),
    }
}

/// Whether a convolution's sizes fit each other; where they do not, Burn's own operation says what is wrong.
#[cfg(feature = "flex")]
fn sizes_fit(
    x: &Tensor<4>,
    w: &Tensor<4>,
    b: Option<&Tensor<1>>,
    residual: Option<&Tensor<4>>,
    shape: ConvShape,
) -> bool {
    flex::geometry(x.dims(), w.dims(), shape).is_some_and(|geometry| {
        let [height, width] = geometry.output;
        b.is_none_or(|b| b.dims() == [w.dims()[0]])
            && residual.is_none_or(|residual| {
                residual.dims() == [geometry.batch, geometry.channels[1], height, width]
            })
    })
}

/// Whether a tensor is of the kind and on the device that the kernels are for.
#[cfg(feature = "flex")]
pub(crate) fn runs_on_flex<const D: usize>(tensor: &Tensor<D>) -> bool {
    use burn::backend::DispatchDevice;
    use burn::tensor::DType;
    tensor.dtype() == DType::F32
        && matches!(tensor.device().inner().as_dispatch(), DispatchDevice::Flex(_))
}
