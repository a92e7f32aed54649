//! A bottleneck behind a layer.

use burn::module::Param;
use burn::prelude::*;

use crate::extension::{ConvShape, conv2d_unit};
use crate::{Nonlinearity, Shared};

/// `y + W₂·relu(W₁·y + b₁) + b₂` on the output `y` of a layer, `[…, width]`, or pixel by pixel on that of a convolution
/// behind its norm (Houlsby et al. 2019, arXiv 1902.00751, figure 2).
///
/// `down` is `[hidden, width]`, `up` `[width, hidden]`.
#[derive(Module, Debug)]
pub struct Bottleneck {
    pub down: Param<Tensor<2>>,
    pub down_bias: Param<Tensor<1>>,
    pub up: Param<Tensor<2>>,
    pub up_bias: Param<Tensor<1>>,
}

impl Bottleneck {
    /// A bottleneck with these matrices and biases of 0.
    pub fn new(down: Tensor<2>, up: Tensor<2>) -> Self {
        let device = down.device();
        let zeros =
            |tensor: &Tensor<2>| Param::from_tensor(Tensor::zeros([tensor.dims()[0]], &device));
        let (down_bias, up_bias) = (zeros(&down), zeros(&up));
        Self { down: Param::from_tensor(down), down_bias, up: Param::from_tensor(up), up_bias }
    }

    pub(super) fn linear(&self, input: Tensor<2>) -> Tensor<2> {
        let [rows, width] = input.dims();
        let map = input.reshape([rows, width, 1, 1]);
        self.convolve(map, None, Nonlinearity::None).reshape([rows, width])
    }

    /// The same of a map, plus `residual`, through `activation`.
    pub(crate) fn convolve(
        &self,
        input: Tensor<4>,
        residual: Option<Shared>,
        activation: Nonlinearity,
    ) -> Tensor<4> {
        let pointwise = |weight: &Param<Tensor<2>>| {
            let [output, width] = weight.dims();
            weight.val().reshape([output, width, 1, 1])
        };
        let (shape, relu) = (ConvShape::POINTWISE, Nonlinearity::Relu);
        let bias = Some(self.down_bias.val());
        let inner = conv2d_unit(input.clone(), pointwise(&self.down), bias, None, shape, relu);
        let sum = match residual {
            Some(residual) => input + residual.into_map(),
            None => input,
        };
        let bias = Some(self.up_bias.val());
        conv2d_unit(inner, pointwise(&self.up), bias, Some(sum.into()), shape, activation)
    }
}
