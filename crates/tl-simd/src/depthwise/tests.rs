use super::*;
use crate::testing::{assert_close, assert_same_bits, scattered};

/// Calls `visit` with the offsets of output, input and weight of each product.
fn products(geometry: &Depthwise, mut visit: impl FnMut(usize, usize, usize)) {
    let Depthwise { batch, channels, input, kernel, stride, padding, dilation } = *geometry;
    let output = geometry.output();
    for n in 0..batch {
        for oy in 0..output[0] {
            for ox in 0..output[1] {
                for ky in 0..kernel[0] {
                    for kx in 0..kernel[1] {
                        let y = (oy * stride[0] + ky * dilation[0]).wrapping_sub(padding[0]);
                        let x = (ox * stride[1] + kx * dilation[1]).wrapping_sub(padding[1]);
                        if y >= input[0] || x >= input[1] {
                            continue;
                        }
                        for c in 0..channels {
                            visit(
                                ((n * output[0] + oy) * output[1] + ox) * channels + c,
                                ((n * input[0] + y) * input[1] + x) * channels + c,
                                (c * kernel[0] + ky) * kernel[1] + kx,
                            );
                        }
                    }
                }
            }
        }
    }
}

fn layer(
    batch: usize,
    channels: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
) -> Depthwise {
    Depthwise { batch, channels, input, kernel, stride, padding, dilation }
}

fn sweep() -> Vec<Depthwise> {
    let mut all = vec![
        layer(0, 3, [5, 5], [3, 3], [1, 1], [1, 1], [1, 1]),
        layer(2, 1, [8, 9], [3, 3], [1, 1], [1, 1], [1, 1]),
        layer(2, 16, [1, 1], [3, 3], [1, 1], [1, 1], [1, 1]),
        layer(1, 5, [2, 2], [3, 3], [1, 1], [0, 0], [1, 1]),
        layer(1, 7, [3, 9], [1, 3], [1, 2], [0, 1], [1, 1]),
        layer(2, 19, [9, 4], [5, 2], [2, 1], [1, 3], [1, 2]),
        layer(1, 33, [11, 17], [7, 7], [1, 1], [3, 3], [1, 1]),
        layer(1, 20, [17, 19], [7, 7], [2, 2], [3, 3], [1, 1]),
        layer(1, 4, [12, 12], [9, 6], [2, 2], [4, 3], [1, 1]),
        layer(1, 18, [7, 7], [3, 3], [4, 4], [5, 5], [1, 1]),
        layer(1, 6, [3, 3], [2, 2], [3, 3], [4, 4], [1, 1]),
    ];
    for channels in [2, 8, 16, 23, 40] {
        for kernel in [1, 3, 5] {
            for (stride, dilation) in [(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2)] {
                for (input, less) in [([9, 14], 0), ([10, 7], 0), ([12, 11], 1)] {
                    let padding = (kernel / 2 * dilation - less * (kernel / 2)).min(9);
                    let twice = |size| [size, size];
                    all.push(layer(
                        2,
                        channels,
                        input,
                        twice(kernel),
                        twice(stride),
                        twice(padding),
                        twice(dilation),
                    ));
                }
            }
        }
    }
    all
}

struct Operands {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    residual: Vec<f32>,
    gradient: Vec<f32>,
}

fn operands(geometry: &Depthwise) -> Operands {
    let Depthwise { batch, channels, input, .. } = *geometry;
    let output = geometry.output().iter().product::<usize>() * batch * channels;
    Operands {
        x: scattered(batch * channels * input[0] * input[1], 1),
        weight: scattered(geometry.weight_values(), 2),
        bias: scattered(channels, 3),
        residual: scattered(output, 4),
        gradient: scattered(output, 5),
    }
}

#[test]
fn the_output_is_the_sum_over_the_window_then_bias_residual_and_nonlinearity() {
    for geometry in sweep() {
        let of = operands(&geometry);
        let mut plain = vec![0.0f64; of.residual.len()];
        products(&geometry, |o, i, w| plain[o] += f64::from(of.x[i]) * f64::from(of.weight[w]));
        let ends = plain.iter().zip(&of.residual).enumerate().map(|(index, (sum, residual))| {
            sum + f64::from(*residual) + f64::from(of.bias[index % geometry.channels])
        });
        let full: Vec<f64> = ends.map(|value| value.clamp(0.0, 6.0)).collect();
        for level in Level::all() {
            let mut output = vec![f32::NAN; plain.len()];
            forward(level, &geometry, &of.x, &of.weight, None, None, Act::None, &mut output);
            assert_close(&format!("the output of {geometry:?}"), &output, &plain);
            output.fill(f32::NAN);
            let (bias, residual) = (Some(&of.bias[..]), Some(&of.residual[..]));
            forward(level, &geometry, &of.x, &of.weight, bias, residual, Act::Relu6, &mut output);
            assert_close(&format!("the whole output of {geometry:?}"), &output, &full);
        }
    }
}

#[test]
fn both_gradients_are_those_of_the_sum() {
    for geometry in sweep() {
        let of = operands(&geometry);
        let mut to_x = vec![0.0f64; of.x.len()];
        let mut to_weight = vec![0.0f64; of.weight.len()];
        products(&geometry, |o, i, w| {
            to_x[i] += f64::from(of.gradient[o]) * f64::from(of.weight[w]);
            to_weight[w] += f64::from(of.gradient[o]) * f64::from(of.x[i]);
        });
        for level in Level::all() {
            let mut target = vec![f32::NAN; to_x.len()];
            input_gradient(level, &geometry, &of.weight, &of.gradient, &mut target);
            assert_close(&format!("the input's gradient of {geometry:?}"), &target, &to_x);
            let mut target = vec![f32::NAN; to_weight.len()];
            weight_gradient(level, &geometry, &of.x, &of.gradient, &mut target);
            assert_close(&format!("the weight's gradient of {geometry:?}"), &target, &to_weight);
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let geometry = layer(3, 40, [57, 55], [3, 3], [2, 2], [1, 1], [1, 1]);
    let of = operands(&geometry);
    for level in Level::all() {
        assert_same_bits(level.name(), || {
            let mut output = vec![0.0f32; of.gradient.len()];
            let mut to_x = vec![0.0f32; of.x.len()];
            let mut to_weight = vec![0.0f32; of.weight.len()];
            let act = Act::None;
            forward(level, &geometry, &of.x, &of.weight, None, None, act, &mut output);
            input_gradient(level, &geometry, &of.weight, &of.gradient, &mut to_x);
            weight_gradient(level, &geometry, &of.x, &of.gradient, &mut to_weight);
            [output, to_x, to_weight].concat()
        });
    }
}

#[test]
fn a_large_layer_keeps_its_precision() {
    let geometry = layer(4, 32, [112, 112], [3, 3], [1, 1], [1, 1], [1, 1]);
    let of = operands(&geometry);
    let mut expected = vec![0.0f64; of.weight.len()];
    products(&geometry, |o, i, w| {
        expected[w] += f64::from(of.gradient[o]) * f64::from(of.x[i]);
    });
    let mut target = vec![0.0; expected.len()];
    weight_gradient(Level::best(), &geometry, &of.x, &of.gradient, &mut target);
    assert_close(&format!("the weight's gradient of {geometry:?}"), &target, &expected);
}
