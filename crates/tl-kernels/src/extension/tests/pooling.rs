//! Pooling against Burn's own operations.

use burn::prelude::*;
use burn::tensor::module::{adaptive_avg_pool2d, max_pool2d};
use burn::tensor::ops::MaxPoolOptions;

use super::super::reference::Array;
use super::super::{average_pool_unit, max_pool_unit};
use super::tensor;

fn list(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn assert_near(found: Tensor<4>, expected: Tensor<4>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    for (found, expected) in list(found).iter().zip(list(expected)) {
        assert!((found - expected).abs() <= 1e-6, "{what}: {found} should be {expected}");
    }
}

/// The output, and the gradient of the input from a gradient that is not the same everywhere.
fn both_ways(x: &Array, pool: impl Fn(Tensor<4>) -> Tensor<4>) -> [Tensor<4>; 2] {
    let x = tensor::<4>(x, &Device::flex().autodiff()).require_grad();
    let output = pool(x.clone());
    let shape: [usize; 4] = output.dims();
    let weights = tensor::<4>(&Array::scattered(&shape, 7), &output.device());
    let gradients = (output.clone() * weights).sum().backward();
    [output.inner(), x.grad(&gradients).unwrap()]
}

#[test]
fn pooling_and_its_gradient_equal_burns_own() {
    for shape in [[2, 5, 11, 8], [1, 64, 14, 14], [3, 17, 7, 9]] {
        let x = Array::scattered(&shape, 3);
        for [kernel, stride, padding] in [[3, 2, 1], [2, 2, 0], [3, 1, 1], [4, 3, 2]] {
            let options = MaxPoolOptions::new([kernel; 2])
                .with_stride([stride; 2])
                .with_padding([padding; 2]);
            let [found, gradient] = both_ways(&x, |x| max_pool_unit(x, kernel, stride, padding));
            let expected = both_ways(&x, |x| max_pool2d(x, options.clone()));
            let what = format!("max {shape:?} {kernel} {stride} {padding}");
            assert_near(found, expected[0].clone(), &what);
            assert_near(gradient, expected[1].clone(), &what);
        }
        for size in [1, 3, 7] {
            let [found, gradient] = both_ways(&x, |x| average_pool_unit(x, [size; 2]));
            let expected = both_ways(&x, |x| adaptive_avg_pool2d(x, [size; 2]));
            let what = format!("average {shape:?} {size}");
            assert_near(found, expected[0].clone(), &what);
            assert_near(gradient, expected[1].clone(), &what);
        }
    }
}
