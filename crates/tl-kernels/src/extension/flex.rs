//! The units on plain flex tensors, by the kernels of `tl-simd`.

use burn::backend::Flex;
use burn::backend::ops::FloatTensorOps;
use burn_flex::FlexTensor;
use tl_simd::conv::{self, Epilogue, Filters, Geometry, Window, Winograd};
use tl_simd::depthwise::{self, Depthwise};
use tl_simd::{Act, Level};

use super::ConvShape;
use super::images::{MapShape, channels_last, map, tensor, values};
use crate::Nonlinearity;
use crate::memory::unwritten;

impl From<Nonlinearity> for Act {
    fn from(nonlinearity: Nonlinearity) -> Self {
        match nonlinearity {
            Nonlinearity::None => Act::None,
            Nonlinearity::Relu => Act::Relu,
            Nonlinearity::Relu6 => Act::Relu6,
        }
    }
}

/// The sizes of a convolution of `x` `[batch, in, height, width]` with `w` `[out, in / groups, height, width]`; `None`
/// where they do not fit each other.
pub(super) fn geometry(x: [usize; 4], w: [usize; 4], shape: ConvShape) -> Option<Geometry> {
    let ConvShape { stride, padding, dilation, groups } = shape;
    if x[1] != w[1] * groups {
        return None;
    }
    let window = Window { kernel: [w[2], w[3]], stride, padding, dilation, groups };
    Geometry::new(x[0], [x[1], w[0]], [x[2], x[3]], window)
}

pub(super) fn output_shape(geometry: &Geometry) -> MapShape {
    MapShape { batch: geometry.batch, channels: geometry.channels[1], size: geometry.output }
}

fn input_shape(geometry: &Geometry) -> MapShape {
    MapShape { batch: geometry.batch, channels: geometry.channels[0], size: geometry.input }
}

fn of_depthwise(geometry: &Geometry) -> Option<Depthwise> {
    let window = geometry.window;
    geometry.is_depthwise().then_some(Depthwise {
        batch: geometry.batch,
        channels: geometry.channels[0],
        input: geometry.input,
        kernel: window.kernel,
        stride: window.stride,
        padding: window.padding,
        dilation: window.dilation,
    })
}

/// A convolution's weights in the order in which its kernel reads them.
#[derive(Debug)]
pub(crate) enum Packed {
    Dense(Filters),
    /// Of weights that stand still alone: packing them takes longer.
    Winograd(Winograd),
    Depthwise(Vec<f32>),
}

impl Packed {
    /// The weights, each output channel times its `scale`.
    pub fn new(geometry: &Geometry, weight: &[f32], scale: Option<&[f32]>) -> Self {
        if !geometry.is_depthwise() {
            return Self::Dense(Filters::forward(Level::best(), geometry, weight, scale));
        }
        let taps = geometry.window.kernel[0] * geometry.window.kernel[1];
        let scaled =
            |(index, value): (usize, &f32)| value * scale.map_or(1.0, |scale| scale[index / taps]);
        Self::Depthwise(weight.iter().enumerate().map(scaled).collect())
    }

    /// The weights of a frozen convolution, likewise; with `half`, products may be of bf16.
    ///
    /// Where tiles suit they are as fast as bf16, and closer.
    pub fn frozen(geometry: &Geometry, weight: &[f32], scale: Option<&[f32]>, half: bool) -> Self {
        let level = Level::best();
        if let Some(winograd) = Winograd::new(level, geometry, weight, scale) {
            return Self::Winograd(winograd);
        }
        let filters = (half && !geometry.is_depthwise())
            .then(|| Filters::forward_half(level, geometry, weight, scale));
        match filters.flatten() {
            Some(filters) => Self::Dense(filters),
            None => Self::new(geometry, weight, scale),
        }
    }

    /// Leaves the memory to the next weights that are packed.
    pub fn recycle(self) {
        if let Self::Dense(filters) = self {
            filters.recycle();
        }
    }
}

/// `act(conv(x, w) + bias + residual)`; `x` and `residual` are channels last.
pub(super) fn convolve(
    geometry: &Geometry,
    x: &FlexTensor,
    weight: &Packed,
    bias: Option<&[f32]>,
    residual: Option<&FlexTensor>,
    act: Nonlinearity,
) -> FlexTensor {
    let shape = output_shape(geometry);
    let mut output = unwritten(shape.elements());
    let (residual, act) = (residual.map(values), act.into());
    match (weight, of_depthwise(geometry)) {
        (Packed::Depthwise(weight), Some(depthwise)) => {
            let level = Level::best();
            let x = values(x);
            depthwise::forward(level, &depthwise, x, weight, bias, residual, act, &mut output);
        }
        (Packed::Dense(filters), _) => {
            conv::forward(filters, values(x), Epilogue { bias, residual, act }, &mut output);
        }
        (Packed::Winograd(winograd), _) => {
            let epilogue = Epilogue { bias, residual, act };
            winograd.forward(geometry, values(x), epilogue, &mut output);
        }
        (Packed::Depthwise(_), None) => {
            // Weights are packed for the geometry that they are used with.
            unreachable!("depthwise weights for another convolution")
        }
    }
    map(output, shape)
}

/// The gradient of the input from that of the sum, which is channels last; plus an `earlier` one.
pub(super) fn input_gradient(
    geometry: &Geometry,
    weight: &FlexTensor,
    gradient: &FlexTensor,
    earlier: Option<FlexTensor>,
) -> FlexTensor {
    let shape = input_shape(geometry);
    let mut target = unwritten(shape.elements());
    let (level, weight, gradient) = (Level::best(), values(weight), values(gradient));
    match of_depthwise(geometry) {
        Some(geometry) => {
            depthwise::input_gradient(level, &geometry, weight, gradient, &mut target);
            let target = map(target, shape);
            match earlier {
                Some(earlier) => Flex::float_add(target, earlier),
                None => target,
            }
        }
        None => {
            let earlier = earlier.map(channels_last);
            let earlier = earlier.as_ref().map(values);
            conv::input_gradient(level, geometry, weight, gradient, earlier, &mut target);
            map(target, shape)
        }
    }
}

/// The gradient of the weight from that of the sum; both maps are channels last.
pub(super) fn weight_gradient(
    geometry: &Geometry,
    x: &FlexTensor,
    gradient: &FlexTensor,
) -> FlexTensor {
    let shape = geometry.weight_shape();
    let mut target = unwritten(shape.iter().product());
    let (level, x, gradient) = (Level::best(), values(x), values(gradient));
    match of_depthwise(geometry) {
        Some(geometry) => depthwise::weight_gradient(level, &geometry, x, gradient, &mut target),
        None => conv::weight_gradient(level, geometry, x, gradient, &mut target),
    }
    tensor(target, shape)
}
