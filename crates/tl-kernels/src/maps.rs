//! What is done to whole feature maps, channels last in memory as the convolutions leave them.

use burn::prelude::*;
use burn::tensor::activation;

/// `work` on a map as `[batch, height, width, channels]`, which costs no copy behind a convolution.
pub fn channels_last(map: Tensor<4>, work: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    work(map.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
}

/// The channels of all maps, one map's behind the other's.
pub fn concatenate(maps: Vec<Tensor<4>>) -> Tensor<4> {
    let last = maps.into_iter().map(|map| map.permute([0, 2, 3, 1])).collect();
    Tensor::cat(last, 3).permute([0, 3, 1, 2])
}

/// x·σ(x) (Elfwing et al. 2017, arXiv 1702.03118), the swish of EfficientNet.
pub fn silu(map: Tensor<4>) -> Tensor<4> {
    channels_last(map, activation::silu)
}

/// Each channel of an image times its factor: `factors` is `[batch, channels, 1, 1]`.
pub fn scale_channels(map: Tensor<4>, factors: Tensor<4>) -> Tensor<4> {
    channels_last(map, |map| map * factors.permute([0, 2, 3, 1]))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    fn map(from: f32, channels: usize) -> Tensor<4> {
        let count = 2 * channels * 2 * 3;
        let values: Vec<f32> = (0..count).map(|at| from + at as f32).collect();
        Tensor::from_data(TensorData::new(values, [2, channels, 2, 3]), &Device::flex())
    }

    fn list(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    #[test]
    fn channels_stand_behind_each_other_in_the_order_of_the_maps() {
        let (first, second) = (map(0.0, 1), map(100.0, 2));
        let both = concatenate(vec![first.clone(), second.clone()]);
        assert_eq!(both.dims(), [2, 3, 2, 3]);
        assert_eq!(list(both.clone().narrow(1, 0, 1)), list(first));
        assert_eq!(list(both.narrow(1, 1, 2)), list(second));
    }

    #[test]
    fn silu_is_its_formula_and_so_is_its_slope() {
        let values = [-4.0f64, -1.278, -0.5, 0.0, 0.7, 3.0];
        let data = TensorData::new(values.map(|value| value as f32).to_vec(), [1, 2, 1, 3]);
        let input = Tensor::<4>::from_data(data, &Device::flex().autodiff()).require_grad();
        let output = silu(input.clone());
        let slopes = list(input.grad(&output.clone().sum().backward()).unwrap());
        let formula = |x: f64| x / (1.0 + (-x).exp());
        for ((x, found), slope) in values.into_iter().zip(list(output)).zip(slopes) {
            assert!((f64::from(found) - formula(x)).abs() < 1e-6, "{x}: {found}");
            let expected = (formula(x + 1e-5) - formula(x - 1e-5)) / 2e-5;
            assert!((f64::from(slope) - expected).abs() < 1e-5, "{x}: {slope}");
        }
    }

    #[test]
    fn each_channel_of_each_image_has_its_own_factor() {
        let factors = TensorData::new(vec![2.0f32, -1.0, 0.5, 3.0], [2, 2, 1, 1]);
        let factors = Tensor::<4>::from_data(factors, &Device::flex());
        let found = list(scale_channels(map(1.0, 2), factors));
        let expected: Vec<f32> =
            (0..24).map(|at| (1.0 + at as f32) * [2.0, -1.0, 0.5, 3.0][at / 6]).collect();
        assert_eq!(found, expected);
    }
}
