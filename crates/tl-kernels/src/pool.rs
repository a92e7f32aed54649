//! Pooling.

use burn::prelude::*;

use crate::extension::{average_pool_unit, max_pool_unit};

/// The largest value in each window; padding counts as nothing.
pub fn max_pool(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    max_pool_unit(input, kernel, stride, padding)
}

/// The mean over windows that cover the input in `size` by `size` parts, as PyTorch's
/// `AdaptiveAvgPool2d` lays them; a smaller input has parts that overlap.
pub fn adaptive_average_pool(input: Tensor<4>, size: usize) -> Tensor<4> {
    let [_, _, height, width] = input.dims();
    if [height, width] == [size, size] {
        return input;
    }
    average_pool_unit(input, [size; 2])
}
