//! Two-dimensional convolution.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::TensorData;

use crate::adapter::{Site, SiteKind, Slot};
use crate::count::instead_of_convolution;
#[cfg(feature = "flex")]
use crate::extension::Folded;
use crate::extension::{ConvShape, conv2d_unit};
use crate::{BatchNorm2d, Nonlinearity, Shared};

/// A convolution over `[batch, channels, height, width]`.
///
/// The weight has PyTorch's shape and name: `weight` is `[out, in / groups, height, width]`, `bias`
/// `[out]`.
#[derive(Module, Debug)]
pub struct Conv2d {
    pub weight: Param<Tensor<4>>,
    pub bias: Option<Param<Tensor<1>>>,
    pub adapter: Slot,
    #[module(skip)]
    shape: ConvShape,
}

/// The numbers of a [`Conv2d`].
#[derive(Clone, Copy, Debug)]
pub struct Conv2dConfig {
    pub channels: [usize; 2],
    /// Height, then width.
    pub kernel: [usize; 2],
    pub stride: usize,
    /// Above and below, then left and right.
    pub padding: [usize; 2],
    pub dilation: usize,
    pub groups: usize,
    pub bias: bool,
}

impl Conv2dConfig {
    /// A convolution from `channels[0]` to `channels[1]` channels with a square kernel, stride 1, no
    /// padding, no bias.
    pub fn new(channels: [usize; 2], kernel: usize) -> Self {
        let (kernel, padding) = ([kernel; 2], [0; 2]);
        Self { channels, kernel, stride: 1, padding, dilation: 1, groups: 1, bias: false }
    }

    /// The same with a kernel of this height and width and the padding that keeps the map's size, where both are odd.
    pub fn same_size(channels: [usize; 2], kernel: [usize; 2]) -> Self {
        Self { kernel, padding: kernel.map(|side| side / 2), ..Self::new(channels, 1) }
    }

    pub fn stride(mut self, stride: usize) -> Self {
        self.stride = stride;
        self
    }

    pub fn padding(mut self, padding: usize) -> Self {
        self.padding = [padding; 2];
        self
    }

    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// The layer, with all values 0: weights come from a file or from an initialisation by path.
    pub fn init(&self, device: &Device) -> Conv2d {
        let [input, output] = self.channels;
        let [height, width] = self.kernel;
        let kernel = [output, input / self.groups, height, width];
        Conv2d {
            weight: Param::from_tensor(Tensor::zeros(kernel, device)),
            bias: self.bias.then(|| Param::from_tensor(Tensor::zeros([output], device))),
            adapter: Slot::new(Site {
                kind: SiteKind::Convolution,
                input,
                output,
                kernel: self.kernel,
                groups: self.groups,
            }),
            shape: ConvShape {
                stride: [self.stride; 2],
                padding: self.padding,
                dilation: [self.dilation; 2],
                groups: self.groups,
            },
        }
    }
}

impl Conv2d {
    /// The channels of the maps that it works on.
    pub fn inputs(&self) -> usize {
        self.weight.dims()[1] * self.shape.groups
    }

    /// The layer for maps of `input` channels, with the kernel `values`, `[out, input / groups, height, width]` in row order.
    pub fn set_input(&mut self, input: usize, values: Vec<f32>) {
        let [output, _, height, width] = self.weight.dims();
        let shape = [output, input / self.shape.groups, height, width];
        let kernel = Tensor::from_data(TensorData::new(values, shape), &self.weight.device());
        self.weight = Param::from_tensor(kernel);
        self.adapter.set_input(input);
    }
}

/// A convolution, its bias, and a nonlinearity.
pub fn conv(layer: &Conv2d, input: impl Into<Shared>, activation: Nonlinearity) -> Tensor<4> {
    let input = input.into();
    let kernel = layer.weight.dims();
    if let Some(zeros) = instead_of_convolution(&input.map, kernel, layer.shape) {
        return zeros;
    }
    let adapter = layer.adapter.get();
    if let Some(bottleneck) = adapter.and_then(|it| it.bottleneck.as_ref()) {
        let raw = plain_conv(layer, input, Nonlinearity::None);
        return bottleneck.convolve(raw, None, activation);
    }
    plain_conv(layer, input, activation)
}

/// The same without what stands behind it, its low-rank path with it.
fn plain_conv(layer: &Conv2d, input: Shared, activation: Nonlinearity) -> Tensor<4> {
    let delta = low_rank(layer, &input, None, None);
    #[cfg(feature = "flex")]
    let other = delta.as_ref().map(|delta| &delta.map);
    #[cfg(feature = "flex")]
    if let Some(output) = packed(layer, None, &input.map, other, activation) {
        return output;
    }
    let bias = layer.bias.as_ref().map(Param::val);
    conv2d_unit(input, layer.weight.val(), bias, delta, layer.shape, activation)
}

/// The low-rank path beside the layer, times `gain`, plus the residual; the residual where there is no path.
fn low_rank(
    layer: &Conv2d,
    input: &Shared,
    gain: Option<&Tensor<1>>,
    residual: Option<Shared>,
) -> Option<Shared> {
    let path = layer.adapter.get().and_then(|adapter| adapter.low_rank.as_ref());
    let Some(path) = path else { return residual };
    let [_, channels, height, width] = layer.weight.dims();
    let kernel = [channels, height, width];
    Some(path.convolve(input.map.clone(), kernel, layer.shape, gain.cloned(), residual))
}

/// The same by weights that were packed once, within a compiled prefix.
#[cfg(feature = "flex")]
fn packed(
    layer: &Conv2d,
    norm: Option<&BatchNorm2d>,
    input: &Tensor<4>,
    residual: Option<&Tensor<4>>,
    activation: Nonlinearity,
) -> Option<Tensor<4>> {
    let packs = crate::frozen::current()?;
    let folded = || {
        let (scale, bias) = fold(layer, norm);
        Folded { scale, bias }
    };
    let weight = (layer.weight.id, layer.weight.val());
    packs.convolve(input, weight, folded, residual, layer.shape, activation)
}

/// What a norm with standing statistics makes of its convolution: the scale of its outputs, and their shift.
fn fold(layer: &Conv2d, norm: Option<&BatchNorm2d>) -> (Option<Tensor<1>>, Option<Tensor<1>>) {
    let bias = layer.bias.as_ref().map(Param::val);
    let Some(norm) = norm else { return (None, bias) };
    let (scale, shift) = norm.affine();
    let bias = match bias {
        Some(bias) => bias * scale.clone() + shift,
        None => shift,
    };
    (Some(scale), Some(bias))
}

/// A convolution, its norm, a residual and a nonlinearity: the unit of which convolutional networks
/// are made, `activation(norm(conv(input)) + residual)`.
///
/// Where the norm's statistics stand still, the norm is an affine map of the convolution's output and
/// is folded into its weight and bias at every call: `w' = w·γ/√(σ²+ε)`, `b' = β − μ·γ/√(σ²+ε)`. The
/// fold is differentiable, so that `γ` and `β` train through it at the cost of one weight-sized product
/// and no pass over the feature map.
///
/// An input that the residual's branch reads too is [shared](crate::share).
pub fn conv_norm(
    layer: &Conv2d,
    norm: &BatchNorm2d,
    input: impl Into<Shared>,
    residual: Option<Shared>,
    activation: Nonlinearity,
) -> Tensor<4> {
    let input = input.into();
    let kernel = layer.weight.dims();
    if let Some(zeros) = instead_of_convolution(&input.map, kernel, layer.shape) {
        return zeros;
    }
    let adapter = layer.adapter.get();
    if let Some(bottleneck) = adapter.and_then(|it| it.bottleneck.as_ref()) {
        let normed = plain_conv_norm(layer, norm, input, None, Nonlinearity::None);
        return bottleneck.convolve(normed, residual, activation);
    }
    plain_conv_norm(layer, norm, input, residual, activation)
}

/// The same without what stands behind it.
fn plain_conv_norm(
    layer: &Conv2d,
    norm: &BatchNorm2d,
    input: Shared,
    residual: Option<Shared>,
    activation: Nonlinearity,
) -> Tensor<4> {
    if norm.uses_batch_statistics(&input.map) {
        let bias = layer.bias.as_ref().map(Param::val);
        let delta = low_rank(layer, &input, None, None);
        let weight = layer.weight.val();
        let raw = conv2d_unit(input, weight, bias, delta, layer.shape, Nonlinearity::None);
        return norm.train_unit(raw, residual, activation);
    }
    let adapted = layer.adapter.get().is_some();
    let gain = if adapted { fold(layer, Some(norm)).0 } else { None };
    let residual = low_rank(layer, &input, gain.as_ref(), residual);
    #[cfg(feature = "flex")]
    let other = residual.as_ref().map(|residual| &residual.map);
    #[cfg(feature = "flex")]
    if let Some(output) = packed(layer, Some(norm), &input.map, other, activation) {
        return output;
    }
    let (scale, bias) = fold(layer, Some(norm));
    let [output, ..] = layer.weight.dims();
    let weight = match scale {
        Some(scale) => layer.weight.val() * scale.reshape([output, 1, 1, 1]),
        None => layer.weight.val(),
    };
    conv2d_unit(input, weight, bias, residual, layer.shape, activation)
}
