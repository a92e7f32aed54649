//! How many multiply-adds a network takes, counted by the shapes of its layers' results.

use std::cell::Cell;

use burn::prelude::*;

use crate::extension::ConvShape;

thread_local! {
    /// The multiply-adds so far, while this thread counts.
    static COUNTED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Runs `work` and counts the multiply-adds of its convolutions, linear layers, attention and recurrent layers, which are not
/// computed meanwhile: their results are zeros of the right shape, so that large networks are counted at once.
///
/// A product of a row and a column of length n counts as n. Biases, norms, nonlinearities and poolings are left out, as
/// torchvision leaves them out. Attention is counted in full, also where a mask hides a part. Only the thread that calls
/// counts, and a count within a count belongs to the inner one.
pub fn multiply_adds<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = PutBack(COUNTED.replace(Some(0)));
    let result = work();
    let counted = COUNTED.get().unwrap_or(0);
    drop(before);
    (result, counted)
}

/// Puts back what was before, also by a panic.
struct PutBack(Option<u64>);

impl Drop for PutBack {
    fn drop(&mut self) {
        COUNTED.set(self.0);
    }
}

/// Zeros instead of a result of this shape, of which each value takes `each` multiply-adds; nothing where it is to be computed.
pub(crate) fn instead<const D: usize>(
    shape: [usize; D],
    each: usize,
    device: &Device,
) -> Option<Tensor<D>> {
    let before = COUNTED.get()?;
    let values: u64 = shape.iter().map(|extent| *extent as u64).product();
    COUNTED.set(Some(before.saturating_add(values.saturating_mul(each as u64))));
    Some(Tensor::zeros(shape, device))
}

/// The same for a convolution of `input` by a kernel `[out, in / groups, height, width]`; where they do not fit, the
/// convolution itself says so.
pub(crate) fn instead_of_convolution(
    input: &Tensor<4>,
    kernel: [usize; 4],
    shape: ConvShape,
) -> Option<Tensor<4>> {
    COUNTED.get()?;
    let [batch, channels, height, width] = input.dims();
    let [output, within, ..] = kernel;
    if channels != within * shape.groups {
        return None;
    }
    let along = |axis: usize, extent: usize| {
        let reach = shape.dilation[axis] * kernel[2 + axis].checked_sub(1)? + 1;
        let room = (extent + 2 * shape.padding[axis]).checked_sub(reach)?;
        Some(room / shape.stride[axis].max(1) + 1)
    };
    let result = [batch, output, along(0, height)?, along(1, width)?];
    instead(result, kernel[1..].iter().product(), &input.device())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::{AttentionMask, Conv2dConfig, Linear, Lstm, Nonlinearity, attention, conv};

    #[test]
    fn each_layer_counts_what_its_formula_says_and_answers_zeros_of_its_shape() {
        let device = Device::flex();
        // 6 channels in 2 groups to 8, kernel 3, stride 2, padding 1: 11×9 pixels become 6×5.
        let layer = Conv2dConfig::new([6, 8], 3).stride(2).padding(1).groups(2).init(&device);
        let images = Tensor::ones([2, 6, 11, 9], &device);
        let work = || conv(&layer, images.clone(), Nonlinearity::Relu);
        let (zeros, counted) = multiply_adds(work);
        assert_eq!(zeros.dims(), [2, 8, 6, 5]);
        assert_eq!(work().dims(), zeros.dims(), "the layer itself makes another shape");
        assert_eq!(counted, (2 * 8 * 6 * 5) * (3 * 3 * 3));

        let linear = Linear::new(7, 4, &device);
        let rows = Tensor::<3>::ones([2, 3, 7], &device);
        let (zeros, counted) = multiply_adds(|| linear.forward(rows));
        assert_eq!((zeros.dims(), counted), ([2, 3, 4], 2 * 3 * 4 * 7));

        // Two heads of 4: scores of 5×5 tokens and as many for the values, 8 wide together.
        let joint = Tensor::<3>::ones([2, 5, 24], &device);
        let (zeros, counted) = multiply_adds(|| attention(joint, 2, AttentionMask::default()));
        assert_eq!((zeros.dims(), counted), ([2, 5, 8], 2 * 2 * 5 * 5 * 8));

        // Two directions of four gates, each from 3 inputs and 6 values before, 5 steps.
        let lstm = Lstm::new(3, 6, true, &device);
        let steps = Tensor::<3>::ones([1, 5, 3], &device);
        let (zeros, counted) = multiply_adds(|| lstm.forward(steps, None));
        assert_eq!((zeros.dims(), counted), ([1, 5, 12], 2 * 5 * 4 * 6 * (3 + 6)));
    }

    #[test]
    fn outside_of_a_count_layers_compute() {
        let device = Device::flex();
        let ((), nothing) = multiply_adds(|| ());
        assert_eq!(nothing, 0);
        let mut linear = Linear::new(2, 1, &device);
        linear.weight = burn::module::Param::from_tensor(Tensor::ones([1, 2], &device));
        let rows = Tensor::<2>::ones([1, 2], &device);
        let of = |tensor: Tensor<2>| tensor.into_data().try_into_vec::<f32>().unwrap();
        let (zeros, _) = multiply_adds(|| linear.forward(rows.clone()));
        assert_eq!((of(zeros), of(linear.forward(rows))), (vec![0.0], vec![2.0]));
    }
}
