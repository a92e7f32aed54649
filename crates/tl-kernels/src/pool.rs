//! Pooling.

use burn::prelude::*;

use crate::extension::{average_pool_unit, max_pool_unit, window_mean_unit};

/// The largest value in each window; padding counts as nothing.
pub fn max_pool(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    max_pool_unit(input, kernel, stride, padding)
}

/// The same without padding, and with a last window that may reach over the edge, as PyTorch's `ceil_mode` has it.
pub fn max_pool_to_edge(input: Tensor<4>, kernel: usize, stride: usize) -> Tensor<4> {
    // What lies over the edge repeats the last row or column, which the window holds already: its greatest stays the same.
    let extended = [2, 3].into_iter().fold(input, |map, axis| {
        let size = map.dims()[axis];
        match over_the_edge(size, kernel, stride) {
            0 => map,
            missing => {
                let last = map.clone().narrow(axis, size - 1, 1);
                let mut parts = vec![map];
                parts.extend(std::iter::repeat_n(last, missing));
                Tensor::cat(parts, axis)
            }
        }
    });
    max_pool(extended, kernel, stride, 0)
}

/// How many pixels the last window lacks: it begins within the map, but need not end there.
fn over_the_edge(size: usize, kernel: usize, stride: usize) -> usize {
    if size == 0 || stride == 0 {
        return 0;
    }
    let steps = size.saturating_sub(kernel).div_ceil(stride);
    let steps = if steps * stride >= size { steps.saturating_sub(1) } else { steps };
    (steps * stride + kernel).saturating_sub(size)
}

/// The mean of each window; the zeros of the padding count, as PyTorch's `AvgPool2d` has it.
pub fn average_pool(input: Tensor<4>, kernel: usize, stride: usize, padding: usize) -> Tensor<4> {
    window_mean_unit(input, kernel, stride, padding)
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn ramp(height: usize, width: usize) -> Tensor<4> {
        let count = height * width;
        let values: Vec<f32> = (0..count).map(|at| at as f32 - 3.0).collect();
        Tensor::from_data(TensorData::new(values, [1, 1, height, width]), &Device::flex())
    }

    fn list(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// `torch.nn.functional.max_pool2d(torch.arange(24.).reshape(1, 1, 4, 6) - 3, 3, 2, ceil_mode=True)`, and of 5 by 5.
    #[test]
    fn the_last_window_may_reach_over_the_edge() {
        let pooled = max_pool_to_edge(ramp(4, 6), 3, 2);
        assert_eq!(pooled.dims(), [1, 1, 2, 3]);
        assert_eq!(list(pooled), [11.0, 13.0, 14.0, 17.0, 19.0, 20.0]);
        let pooled = max_pool_to_edge(ramp(5, 5), 3, 2);
        assert_eq!(list(pooled), [9.0, 11.0, 19.0, 21.0]);
    }

    #[test]
    fn a_window_that_would_begin_beyond_the_map_is_left_out() {
        let sizes = [1, 2, 3, 4, 5, 6, 7].map(|size| over_the_edge(size, 3, 2));
        assert_eq!(sizes, [2, 1, 0, 1, 0, 1, 0]);
        // Windows of one pixel every three: the third would begin at 6 of 5.
        assert_eq!([4, 5, 6, 7].map(|size| over_the_edge(size, 1, 3)), [0; 4]);
    }

    /// Of 2 by 3 pixels -3 to 2: each window's sum is that of its pixels within the map.
    #[test]
    fn the_zeros_of_the_padding_count_in_a_mean() {
        let found = list(average_pool(ramp(2, 3), 3, 1, 1));
        let sums = [-4.0f32, -3.0, 0.0, -4.0, -3.0, 0.0];
        for (found, sum) in found.iter().zip(sums) {
            assert!((found - sum / 9.0).abs() < 1e-6, "{found} is not {sum} / 9");
        }
        let found = list(average_pool(ramp(4, 5), 2, 2, 0));
        // The fifth column has no window.
        assert_eq!(found, [0.0, 2.0, 10.0, 12.0]);
    }

    /// Each pixel of the first two columns and rows is in one window of 2 by 2, whose mean takes a quarter of it.
    #[test]
    fn the_gradient_of_a_mean_goes_to_every_pixel_of_its_window() {
        let input = ramp(3, 3).autodiff().require_grad();
        let gradients = average_pool(input.clone(), 2, 2, 0).sum().backward();
        let found = list(input.grad(&gradients).unwrap());
        assert_eq!(found, [0.25, 0.25, 0.0, 0.25, 0.25, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn what_is_repeated_over_the_edge_passes_its_gradient_on_once() {
        let input = ramp(2, 4).autodiff().require_grad();
        let gradients = max_pool_to_edge(input.clone(), 3, 2).sum().backward();
        let found = list(input.grad(&gradients).unwrap());
        assert_eq!(found, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    }
}
