//! Pooling.

use burn::prelude::*;
use burn::tensor::module::{adaptive_avg_pool2d, max_pool2d};
use burn::tensor::ops::MaxPoolOptions;

/// The largest value in each window; padding counts as nothing.
pub fn max_pool(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    let options =
        MaxPoolOptions::new([kernel; 2]).with_stride([stride; 2]).with_padding([padding; 2]);
    max_pool2d(input, options)
}

/// The mean over windows that cover the input in `size` by `size` parts, as PyTorch's
/// `AdaptiveAvgPool2d` lays them; a smaller input has parts that overlap.
pub fn adaptive_average_pool(input: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = input.dims();
    if [height, width] == [size, size] {
        return input;
    }
    adaptive_avg_pool2d(input, [size; 2])
}
