//! The units against plain f64 loops and against Burn's own operations.

use burn::prelude::*;

use super::ConvShape;
use super::reference::{self, Array};
use crate::Nonlinearity;

mod convolution;
mod linear;
mod other_units;
mod pooling;
mod reversal;
mod sequences;
mod shared;

const ACTS: [Nonlinearity; 3] = [Nonlinearity::None, Nonlinearity::Relu, Nonlinearity::Relu6];

fn tensor<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = array.values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, array.shape.clone()), device)
}

/// Panics unless `found` is `expected` to `1e-5` of its largest value.
fn assert_close<const D: usize>(found: Tensor<D>, expected: &Array, what: &str) {
    assert_eq!(found.dims().to_vec(), expected.shape, "{what}: the shape");
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    let scale = expected.values.iter().fold(1e-6f64, |scale, value| scale.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected.values).enumerate() {
        let difference = (f64::from(*found) - expected).abs() / scale;
        assert!(difference < 1e-5, "{what}: {found} at {index} should be {expected}");
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    outputs: usize,
    kernel: [usize; 2],
    shape: ConvShape,
}

fn case(
    x: [usize; 4],
    outputs: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    groups: usize,
) -> Case {
    let shape =
        ConvShape { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], groups };
    Case { x, outputs, kernel: [kernel; 2], shape }
}

/// Every path of the kernels, at sizes that leave remainders.
fn cases() -> Vec<Case> {
    let mut cases = vec![
        // Depthwise: odd planes, strides, dilation, even and large kernels, one pixel, many images in a line.
        case([2, 5, 11, 13], 5, 3, 1, 1, 1, 5),
        case([3, 4, 12, 9], 4, 3, 2, 1, 1, 4),
        case([2, 3, 7, 7], 3, 5, 3, 2, 1, 3),
        case([2, 3, 9, 10], 3, 3, 1, 2, 2, 3),
        case([2, 3, 9, 10], 3, 3, 2, 2, 2, 3),
        case([1, 2, 1, 1], 2, 3, 1, 1, 1, 2),
        case([1, 2, 70, 68], 2, 3, 1, 1, 1, 2),
        case([205, 2, 3, 3], 2, 3, 1, 1, 1, 2),
        case([1, 3, 8, 8], 3, 4, 2, 1, 1, 3),
        case([2, 3, 5, 6], 3, 1, 3, 0, 1, 3),
        // 1×1: batch 1 and small batches, images together and alone, a stride, groups.
        case([1, 5, 7, 9], 6, 1, 1, 0, 1, 1),
        case([1, 5, 9, 9], 64, 1, 1, 0, 1, 1),
        case([3, 7, 1, 1], 5, 1, 1, 0, 1, 1),
        case([9, 6, 3, 3], 8, 1, 1, 0, 1, 1),
        case([2, 4, 34, 33], 3, 1, 1, 0, 1, 1),
        case([2, 6, 9, 7], 4, 1, 2, 0, 1, 1),
        case([2, 6, 5, 5], 4, 1, 1, 0, 1, 2),
        case([2, 6, 5, 5], 4, 1, 1, 1, 1, 1),
        // Dense: stems, strides, dilation, groups, more input channels than one block of columns.
        case([2, 3, 15, 17], 5, 3, 2, 1, 1, 1),
        case([1, 3, 33, 31], 4, 7, 2, 3, 1, 1),
        case([2, 4, 9, 8], 6, 3, 1, 2, 2, 2),
        case([1, 32, 40, 37], 33, 3, 1, 1, 1, 1),
        case([9, 31, 6, 5], 7, 3, 1, 1, 1, 1),
        case([1, 4, 6, 6], 8, 3, 1, 1, 1, 4),
        case([1, 2, 1, 1], 3, 3, 1, 1, 1, 1),
        case([1, 3, 3, 3], 32, 3, 2, 0, 1, 1),
    ];
    let mut uneven = case([2, 3, 9, 12], 3, 3, 1, 1, 1, 3);
    uneven.kernel = [3, 5];
    uneven.shape = ConvShape { stride: [2, 1], padding: [0, 2], dilation: [1, 2], groups: 3 };
    cases.push(uneven);
    cases.push(Case {
        x: [2, 3, 9, 12],
        outputs: 4,
        shape: ConvShape { groups: 1, ..uneven.shape },
        ..uneven
    });
    cases
}

struct Arrays {
    x: Array,
    w: Array,
    bias: Array,
    residual: Array,
    gradient: Array,
    /// Without bias and residual.
    sum: Array,
}

fn arrays(case: &Case) -> Arrays {
    let [kernel_height, kernel_width] = case.kernel;
    let x = Array::scattered(&case.x, 1);
    let mut w = Array::scattered(
        &[case.outputs, case.x[1] / case.shape.groups, kernel_height, kernel_width],
        2,
    );
    // Large enough that ReLU6 reaches its upper end.
    w.values.iter_mut().for_each(|value| *value *= 4.0);
    let sum = reference::convolve(&x, &w, None, None, case.shape);
    Arrays {
        bias: Array::scattered(&[case.outputs], 3),
        residual: Array::scattered(&sum.shape, 4),
        gradient: Array::scattered(&sum.shape, 5),
        x,
        w,
        sum,
    }
}

fn weighted_sum(output: Tensor<4>, gradient: &Array) -> Tensor<1> {
    let gradient = tensor::<4>(gradient, &output.device());
    (output * gradient).sum()
}
