//! The fully connected layer against Burn's own product.

use burn::prelude::*;

use super::super::linear_unit;
use super::super::reference::Array;
use super::tensor;

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn a_linear_unit_and_its_gradients_equal_burns_product() {
    let device = Device::flex().autodiff();
    for [rows, input, output] in [[1, 1, 1], [5, 33, 70], [300, 20, 10], [2, 129, 65]] {
        let [x, w] = [[rows, input], [output, input]]
            .map(|shape| tensor::<2>(&Array::scattered(&shape, 1), &device).require_grad());
        let b = tensor::<1>(&Array::scattered(&[output], 2), &device).require_grad();
        let weights = tensor::<2>(&Array::scattered(&[rows, output], 3), &device);
        let run = |unit: &dyn Fn() -> Tensor<2>| {
            let output = unit();
            let gradients = (output.clone() * weights.clone()).sum().backward();
            let gradients = [
                list(x.grad(&gradients).unwrap()),
                list(w.grad(&gradients).unwrap()),
                list(b.grad(&gradients).unwrap()),
            ];
            (list(output), gradients)
        };
        let (found, gradients) = run(&|| linear_unit(x.clone(), w.clone(), Some(b.clone()), None));
        let plain = || x.clone().matmul(w.clone().transpose()) + b.clone().unsqueeze();
        let (expected, expected_gradients) = run(&plain);
        let pairs = [&found, &gradients[0], &gradients[1], &gradients[2]];
        let expected = [expected, expected_gradients.concat()].concat();
        for (found, expected) in pairs.into_iter().flatten().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{rows} {input} {output}: {found} {expected}");
        }
    }
}
