//! The units as operations that Burn dispatches, on plain flex tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_simd::pool::Window;
use tl_simd::{Level, norm};

use super::ConvShape;
use super::flex::{self, Packed};
use super::images::{MapShape, channels_last, map, tensor, values};
use super::meeting::Meeting;
use super::pooling;
use crate::memory::unwritten;
use crate::{Nonlinearity, Shared};

/// A tensor that a unit may do without.
#[derive(Clone, Debug, ExtensionType)]
pub enum Maybe<B: Backend> {
    Absent,
    Present(FloatTensor<B>),
}

impl<B: Backend> Maybe<B> {
    pub fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Absent => None,
            Self::Present(tensor) => Some(tensor),
        }
    }
}

/// The units; see the functions of [`crate::extension`] for what they compute.
#[backend_extension(Flex, Autodiff)]
pub trait Units: Backend {
    fn convolution_unit(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        #[extension_type] bias: Maybe<Self>,
        #[extension_type] residual: Maybe<Self>,
        shape: ConvShape,
        act: Nonlinearity,
        meetings: [Option<Meeting>; 2],
    ) -> FloatTensor<Self>;

    fn max_pool_unit(x: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;

    fn average_pool_unit(x: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    fn norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
        meeting: Option<Meeting>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

pub(super) fn shape4(tensor: &FlexTensor) -> [usize; 4] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

impl Units for Flex {
    fn convolution_unit(
        x: FlexTensor,
        w: FlexTensor,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        shape: ConvShape,
        act: Nonlinearity,
        _: [Option<Meeting>; 2],
    ) -> FlexTensor {
        let Some(geometry) = flex::geometry(shape4(&x), shape4(&w), shape) else {
            // `conv2d` gives sizes that do not fit to Burn, which says what is wrong with them.
            unreachable!("the sizes were checked")
        };
        let (x, w) = (channels_last(x), w.to_contiguous());
        let bias = bias.into_option().map(|bias| bias.to_contiguous());
        let residual = residual.into_option().map(channels_last);
        let packed = Packed::new(&geometry, values(&w), None);
        let bias = bias.as_ref().map(values);
        let output = flex::convolve(&geometry, &x, &packed, bias, residual.as_ref(), act);
        packed.recycle();
        output
    }

    fn max_pool_unit(x: FlexTensor, window: Window) -> FlexTensor {
        pooling::max(&channels_last(x), window, None)
    }

    fn average_pool_unit(x: FlexTensor, size: [usize; 2]) -> FlexTensor {
        pooling::average(&channels_last(x), size)
    }

    fn norm_unit(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
        _: Option<Meeting>,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let shape = MapShape::of(&x);
        let x = channels_last(x);
        let [weight, bias] = [weight, bias].map(|tensor| tensor.to_contiguous());
        let residual = residual.into_option().map(channels_last);
        let level = Level::best();
        let (mean, variance) = norm::statistics(level, values(&x), shape.channels);
        let (scale, shift) =
            norm::scale_and_shift(&mean, &variance, epsilon, values(&weight), values(&bias));
        let mut output = unwritten(shape.elements());
        let residual = residual.as_ref().map(values);
        norm::normalise(level, values(&x), &scale, &shift, residual, act.into(), &mut output);
        let statistics = |values| tensor(values, [shape.channels]);
        (map(output, shape), statistics(mean), statistics(variance))
    }
}

pub(super) fn maybe<const D: usize>(tensor: Option<Tensor<D>>) -> Maybe<Dispatch> {
    tensor.map_or(Maybe::Absent, |tensor| Maybe::Present(tensor.into_dispatch()))
}

pub(super) fn conv2d(
    x: Shared,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    residual: Option<Shared>,
    shape: ConvShape,
    act: Nonlinearity,
) -> Tensor<4> {
    let (residual, of_residual) = apart(residual);
    let meetings = [x.meeting, of_residual];
    let (x, w) = (x.map.into_dispatch(), w.into_dispatch());
    let (b, residual) = (maybe(b), maybe(residual));
    Tensor::from_dispatch(Dispatch::convolution_unit(x, w, b, residual, shape, act, meetings))
}

fn apart(residual: Option<Shared>) -> (Option<Tensor<4>>, Option<Meeting>) {
    residual.map_or((None, None), |residual| (Some(residual.map), residual.meeting))
}

pub(super) fn max_pool(x: Tensor<4>, window: Window) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::max_pool_unit(x.into_dispatch(), window))
}

pub(super) fn average_pool(x: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::average_pool_unit(x.into_dispatch(), size))
}

pub(super) fn batch_norm_train(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Shared>,
    epsilon: f64,
    act: Nonlinearity,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    let (residual, meeting) = apart(residual);
    let (x, residual) = (x.into_dispatch(), maybe(residual));
    let (output, mean, variance) =
        Dispatch::norm_unit(x, weight, bias, residual, epsilon, act, meeting);
    let statistics =
        [mean, variance].map(|tensor| Tensor::from_dispatch(tensor).without_autodiff());
    let [mean, variance] = statistics;
    (Tensor::from_dispatch(output), mean, variance)
}
