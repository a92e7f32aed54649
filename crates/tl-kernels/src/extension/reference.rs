//! The units as plain loops in f64, which the kernels are tested against.

use super::ConvShape;
use crate::Nonlinearity;

/// Values and shape.
#[derive(Clone, Debug)]
pub struct Array {
    pub values: Vec<f64>,
    pub shape: Vec<usize>,
}

impl Array {
    pub fn zeros(shape: &[usize]) -> Self {
        Self { values: vec![0.0; shape.iter().product()], shape: shape.to_vec() }
    }

    /// Values in -1..1 that look random, the same for the same `salt`; all of them exact in f32.
    pub fn scattered(shape: &[usize], salt: u64) -> Self {
        let mut array = Self::zeros(shape);
        for (index, value) in array.values.iter_mut().enumerate() {
            let mut bits = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                ^ salt.wrapping_mul(0xd134_2543_de82_ef95);
            bits = (bits ^ (bits >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
            bits ^= bits >> 32;
            *value = f64::from((bits >> 40) as i32 - (1 << 23)) / f64::from(1 << 23);
        }
        array
    }

    pub fn at(&self, [a, b, c, d]: [usize; 4]) -> usize {
        ((a * self.shape[1] + b) * self.shape[2] + c) * self.shape[3] + d
    }
}

pub fn act(value: f64, act: Nonlinearity) -> f64 {
    match act {
        Nonlinearity::None => value,
        Nonlinearity::Relu => value.max(0.0),
        Nonlinearity::Relu6 => value.clamp(0.0, 6.0),
    }
}

/// The gradient before the nonlinearity, from its argument and the gradient after it.
pub fn through_act(sum: &Array, gradient: &Array, act: Nonlinearity) -> Array {
    let mut result = gradient.clone();
    for (gradient, sum) in result.values.iter_mut().zip(&sum.values) {
        let passes = match act {
            Nonlinearity::None => true,
            Nonlinearity::Relu => *sum > 0.0,
            Nonlinearity::Relu6 => *sum > 0.0 && *sum < 6.0,
        };
        *gradient = if passes { *gradient } else { 0.0 };
    }
    result
}

/// Visits every product of a convolution: index of its output, its input and its weight.
fn products(
    x: &Array,
    w: &Array,
    output: &Array,
    shape: ConvShape,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let per_group = [w.shape[1], w.shape[0] / shape.groups];
    for image in 0..output.shape[0] {
        for to in 0..output.shape[1] {
            for row in 0..output.shape[2] {
                for column in 0..output.shape[3] {
                    for from in 0..w.shape[1] {
                        for tap_row in 0..w.shape[2] {
                            for tap_column in 0..w.shape[3] {
                                let y = (row * shape.stride[0] + tap_row * shape.dilation[0])
                                    as isize
                                    - shape.padding[0] as isize;
                                let z = (column * shape.stride[1] + tap_column * shape.dilation[1])
                                    as isize
                                    - shape.padding[1] as isize;
                                if (0..x.shape[2] as isize).contains(&y)
                                    && (0..x.shape[3] as isize).contains(&z)
                                {
                                    let channel = to / per_group[1] * per_group[0] + from;
                                    visit(
                                        output.at([image, to, row, column]),
                                        x.at([image, channel, y as usize, z as usize]),
                                        w.at([to, from, tap_row, tap_column]),
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `conv(x, w) + bias + residual`.
pub fn convolve(
    x: &Array,
    w: &Array,
    bias: Option<&Array>,
    residual: Option<&Array>,
    shape: ConvShape,
) -> Array {
    let size = |axis: usize| {
        let reach = (w.shape[axis] - 1) * shape.dilation[axis - 2] + 1;
        (x.shape[axis] + 2 * shape.padding[axis - 2] - reach) / shape.stride[axis - 2] + 1
    };
    let mut output = Array::zeros(&[x.shape[0], w.shape[0], size(2), size(3)]);
    let frame = output.clone();
    products(x, w, &frame, shape, |to, from, weight| {
        output.values[to] += x.values[from] * w.values[weight]
    });
    let plane = output.shape[2] * output.shape[3];
    for (index, value) in output.values.iter_mut().enumerate() {
        *value += bias.map_or(0.0, |bias| bias.values[index / plane % w.shape[0]]);
        *value += residual.map_or(0.0, |residual| residual.values[index]);
    }
    output
}

/// The gradients of input, weight and bias from that of the sum.
pub fn convolve_backward(x: &Array, w: &Array, gradient: &Array, shape: ConvShape) -> [Array; 3] {
    let [mut input, mut weight] = [Array::zeros(&x.shape), Array::zeros(&w.shape)];
    products(x, w, gradient, shape, |to, from, tap| {
        input.values[from] += gradient.values[to] * w.values[tap];
        weight.values[tap] += gradient.values[to] * x.values[from];
    });
    [input, weight, channel_sums(gradient)]
}

fn channel_sums(array: &Array) -> Array {
    let (channels, plane) = (array.shape[1], array.shape[2] * array.shape[3]);
    let mut sums = Array::zeros(&[channels]);
    for (index, value) in array.values.iter().enumerate() {
        sums.values[index / plane % channels] += value;
    }
    sums
}

/// The normalised batch before scale and shift, and each channel's mean and biased variance.
pub fn normalise(x: &Array, epsilon: f64) -> [Array; 3] {
    let (channels, plane) = (x.shape[1], x.shape[2] * x.shape[3]);
    let count = (x.values.len() / channels) as f64;
    let mut mean = channel_sums(x);
    mean.values.iter_mut().for_each(|mean| *mean /= count);
    let mut normed = x.clone();
    for (index, value) in normed.values.iter_mut().enumerate() {
        *value -= mean.values[index / plane % channels];
    }
    let mut squares = normed.clone();
    squares.values.iter_mut().for_each(|value| *value *= *value);
    let mut variance = channel_sums(&squares);
    variance.values.iter_mut().for_each(|variance| *variance /= count);
    for (index, value) in normed.values.iter_mut().enumerate() {
        *value /= (variance.values[index / plane % channels] + epsilon).sqrt();
    }
    [normed, mean, variance]
}

/// The gradients of input, weight and bias of a norm from that of the sum.
pub fn norm_backward(x: &Array, weight: &Array, gradient: &Array, epsilon: f64) -> [Array; 3] {
    let (channels, plane) = (x.shape[1], x.shape[2] * x.shape[3]);
    let count = (x.values.len() / channels) as f64;
    let [normed, _, variance] = normalise(x, epsilon);
    let mut product = gradient.clone();
    product.values.iter_mut().zip(&normed.values).for_each(|(value, normed)| *value *= normed);
    let (weights, biases) = (channel_sums(&product), channel_sums(gradient));
    let mut input = gradient.clone();
    for (index, value) in input.values.iter_mut().enumerate() {
        let channel = index / plane % channels;
        let centred = *value
            - (biases.values[channel] + normed.values[index] * weights.values[channel]) / count;
        *value = centred * weight.values[channel] / (variance.values[channel] + epsilon).sqrt();
    }
    [input, weights, biases]
}
