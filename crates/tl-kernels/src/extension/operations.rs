//! The units as operations that Burn dispatches, on plain flex tensors.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;

use super::ConvShape;
use crate::Nonlinearity;
use crate::flex::{self, Geometry};

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
    ) -> FloatTensor<Self>;

    fn norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        #[extension_type] residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The values of a tensor that [`FlexTensor::to_contiguous`] returned.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

pub(super) fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

pub(super) fn shape4(tensor: &FlexTensor) -> [usize; 4] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

fn contiguous(tensor: Maybe<Flex>) -> Option<FlexTensor> {
    tensor.into_option().map(|tensor| tensor.to_contiguous())
}

impl Units for Flex {
    fn convolution_unit(
        x: FlexTensor,
        w: FlexTensor,
        bias: Maybe<Self>,
        residual: Maybe<Self>,
        shape: ConvShape,
        act: Nonlinearity,
    ) -> FlexTensor {
        let (x, w) = (x.to_contiguous(), w.to_contiguous());
        let (bias, residual) = (contiguous(bias), contiguous(residual));
        let Some(geometry) = Geometry::new(shape4(&x), shape4(&w), shape) else {
            // `conv2d` gives sizes that do not fit to Burn, which says what is wrong with them.
            unreachable!("the sizes were checked")
        };
        let (bias, residual) = (bias.as_ref().map(values), residual.as_ref().map(values));
        let output = flex::convolve(&geometry, values(&x), values(&w), bias, residual, act);
        tensor(output, geometry.output_shape())
    }

    fn norm_unit(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        residual: Maybe<Self>,
        epsilon: f64,
        act: Nonlinearity,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
        let residual = contiguous(residual);
        let shape = shape4(&x);
        let normed = flex::normalise(
            values(&x),
            shape[2] * shape[3],
            values(&weight),
            values(&bias),
            residual.as_ref().map(values),
            epsilon,
            act,
        );
        let statistics = |values| tensor(values, [shape[1]]);
        (tensor(normed.output, shape), statistics(normed.mean), statistics(normed.variance))
    }
}

fn maybe<const D: usize>(tensor: Option<Tensor<D>>) -> Maybe<Dispatch> {
    tensor.map_or(Maybe::Absent, |tensor| Maybe::Present(tensor.into_dispatch()))
}

pub(super) fn conv2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    residual: Option<Tensor<4>>,
    shape: ConvShape,
    act: Nonlinearity,
) -> Tensor<4> {
    let (x, w) = (x.into_dispatch(), w.into_dispatch());
    Tensor::from_dispatch(Dispatch::convolution_unit(x, w, maybe(b), maybe(residual), shape, act))
}

pub(super) fn batch_norm_train(
    x: Tensor<4>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    residual: Option<Tensor<4>>,
    epsilon: f64,
    act: Nonlinearity,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    let (output, mean, variance) =
        Dispatch::norm_unit(x.into_dispatch(), weight, bias, maybe(residual), epsilon, act);
    let statistics =
        [mean, variance].map(|tensor| Tensor::from_dispatch(tensor).without_autodiff());
    let [mean, variance] = statistics;
    (Tensor::from_dispatch(output), mean, variance)
}
