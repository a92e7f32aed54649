//! Gradient reversal: exact both ways, as a node and composed.

use burn::prelude::*;

use super::super::reference::Array;
use super::super::{composed_reversal, reversal_unit};
use super::tensor;

fn bits(tensor: Tensor<2>) -> Vec<u32> {
    tensor.into_data().try_to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn gradient_reversal_is_the_identity_forward_and_minus_lambda_backward() {
    let device = Device::flex().autodiff();
    let x = tensor::<2>(&Array::scattered(&[7, 5], 1), &device).require_grad();
    let slope = tensor::<2>(&Array::scattered(&[7, 5], 2), &device);
    let units: [fn(Tensor<2>, f64) -> Tensor<2>; 2] = [reversal_unit, composed_reversal];
    for lambda in [0.0, 0.1, 0.7310586, 1.0, 3.0] {
        for unit in units {
            let output = unit(x.clone(), lambda);
            assert_eq!(bits(output.clone().inner()), bits(x.clone().inner()));
            let gradients = (output * slope.clone()).sum().backward();
            let expected = slope.clone().inner().mul_scalar(-lambda);
            let found = x.grad(&gradients).unwrap();
            // 0 and -0 are the same gradient.
            assert_eq!(bits(found + 0.0), bits(expected + 0.0), "lambda {lambda}");
        }
    }
}

#[test]
fn gradient_reversal_leaves_plain_tensors_and_constants_alone() {
    let device = Device::flex();
    let x = tensor::<2>(&Array::scattered(&[3, 2], 3), &device);
    assert_eq!(bits(reversal_unit(x.clone(), 2.0)), bits(x.clone()));
    let constant = x.clone().autodiff();
    assert_eq!(bits(reversal_unit(constant, 2.0).inner()), bits(x));
}
