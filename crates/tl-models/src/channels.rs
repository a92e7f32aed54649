//! Networks for images of another number of channels than three.

use crate::architecture::Architecture;

/// The network for images of `channels` channels: its first convolution is fitted to them by [`fit_channels`], values included.
/// Weights of another number of channels that are loaded into it afterwards are fitted likewise, and its files hold what fits it.
///
/// Nothing for a network of texts, or for no channels.
///
/// ```
/// use burn::prelude::Device;
/// use tl_models::{Architecture, ResNet, ResNetDepth, with_channels};
///
/// let device = Device::flex();
/// let grey = with_channels(ResNet::new(ResNetDepth::D18, &device), 1).expect("a network of images");
/// let model = grey.with_head(2, 0, &device);
/// ```
pub fn with_channels<B: Architecture>(mut backbone: B, channels: usize) -> Option<B> {
    let convolution = backbone.first_convolution()?;
    let shape = convolution.weight.dims();
    let values = convolution.weight.val().into_data().try_into_vec::<f32>().ok()?;
    let (values, _) = fit_channels(&values, &shape, channels)?;
    convolution.set_input(channels, values);
    Some(backbone)
}

/// [`fit_channels`], where the shapes of a first convolution differ in nothing but the channels.
pub(crate) fn refit_channels(
    values: &[f32],
    found: &[usize],
    wanted: &[usize],
) -> Option<Vec<f32>> {
    let (&[outputs, _, height, width], &[_, channels, ..]) = (found, wanted) else { return None };
    let same = wanted == [outputs, channels, height, width];
    let fitted = same.then(|| fit_channels(values, found, channels))?;
    fitted.map(|(values, _)| values)
}

/// The kernels `[out, in, height, width]` of a first convolution for images of `channels` channels, and their shape.
///
/// For one channel those of all channels are summed, so that a grey image gives what its copy in every channel gave. For more, the
/// channels are repeated in their order and scaled by `in / channels`, so that an image whose channels are all alike gives what it
/// gave where each comes as often, and about that elsewhere: what timm's `adapt_input_conv` does. Nothing where `shape` is none of kernels, or does not fit `values`.
pub fn fit_channels(
    values: &[f32],
    shape: &[usize],
    channels: usize,
) -> Option<(Vec<f32>, Vec<usize>)> {
    let &[outputs, inputs, height, width] = shape else { return None };
    let plane = height.checked_mul(width)?;
    let kernel = inputs.checked_mul(plane)?;
    if outputs.checked_mul(kernel)? != values.len() || kernel == 0 || channels == 0 {
        return None;
    }
    let fitted = vec![outputs, channels, height, width];
    if channels == inputs {
        return Some((values.to_vec(), fitted));
    }
    let mut kernels = Vec::with_capacity(outputs.checked_mul(channels)?.checked_mul(plane)?);
    for kernel in values.chunks(kernel) {
        if channels == 1 {
            let sum = |place: usize| kernel.iter().skip(place).step_by(plane).sum::<f32>();
            kernels.extend((0..plane).map(sum));
            continue;
        }
        let scale = (inputs as f64 / channels as f64) as f32;
        for channel in 0..channels {
            let from = channel % inputs * plane;
            kernels.extend(kernel[from..from + plane].iter().map(|value| value * scale));
        }
    }
    Some((kernels, fitted))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two kernels of 3 channels and 1 × 2 places.
    const KERNELS: [f32; 12] = [1., 2., 3., 4., 5., 6., 10., 20., 30., 40., 50., 60.];
    const SHAPE: [usize; 4] = [2, 3, 1, 2];

    #[test]
    fn one_channel_takes_the_sum_of_all() {
        let (found, shape) = fit_channels(&KERNELS, &SHAPE, 1).unwrap();
        assert_eq!(
            (found.as_slice(), shape.as_slice()),
            (&[9., 12., 90., 120.][..], &[2, 1, 1, 2][..])
        );
    }

    #[test]
    fn more_channels_repeat_them_scaled_and_fewer_are_cut() {
        let (found, shape) = fit_channels(&KERNELS, &SHAPE, 4).unwrap();
        assert_eq!(shape, [2, 4, 1, 2]);
        let quarter = [0.75, 1.5, 2.25, 3.0, 3.75, 4.5, 0.75, 1.5];
        assert_eq!(found[..8], quarter);
        assert_eq!(found[8..], quarter.map(|value| value * 10.0));
        let (found, shape) = fit_channels(&KERNELS, &SHAPE, 2).unwrap();
        assert_eq!(shape, [2, 2, 1, 2]);
        assert_eq!(found, [1.5, 3.0, 4.5, 6.0, 15.0, 30.0, 45.0, 60.0]);
    }

    #[test]
    fn as_many_channels_change_nothing_and_other_shapes_are_refused() {
        let same = fit_channels(&KERNELS, &SHAPE, 3).unwrap();
        assert_eq!(same, (KERNELS.to_vec(), SHAPE.to_vec()));
        assert_eq!(fit_channels(&KERNELS, &SHAPE, 0), None);
        assert_eq!(fit_channels(&KERNELS, &[2, 6], 1), None);
        assert_eq!(fit_channels(&KERNELS, &[2, 3, 2, 2], 1), None);
        assert_eq!(fit_channels(&[], &[0, 3, 1, 2], 4), Some((Vec::new(), vec![0, 4, 1, 2])));
    }
}
