//! Gradients of a map that several branches read.

use burn::prelude::*;

use super::super::reference::Array;
use super::super::{ConvShape, batch_norm_train_unit, conv2d_unit};
use super::{assert_close, tensor, weighted_sum};
use crate::{Nonlinearity, Shared, share};

const SIZE: [usize; 4] = [2, 4, 9, 7];

/// What reads the map; each gives a map of the same size.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Branch {
    Convolution,
    Depthwise,
    /// The map as the residual of a convolution of something else.
    Residual,
    /// The same with a norm with statistics of the batch.
    NormResidual,
    /// One of Burn's own operations.
    Own,
}

fn branch(kind: Branch, map: Shared, other: &Tensor<4>, number: u64) -> Tensor<4> {
    let device = other.device();
    let shape = ConvShape { stride: [1; 2], padding: [1; 2], dilation: [1; 2], groups: 1 };
    let filters = |inputs| tensor::<4>(&Array::scattered(&[4, inputs, 3, 3], 20 + number), &device);
    let relu = Nonlinearity::Relu;
    match kind {
        Branch::Convolution => conv2d_unit(map, filters(4), None, None, shape, relu),
        Branch::Depthwise => {
            conv2d_unit(map, filters(1), None, None, ConvShape { groups: 4, ..shape }, relu)
        }
        Branch::Residual => conv2d_unit(other.clone(), filters(4), None, Some(map), shape, relu),
        Branch::NormResidual => {
            let ones = Tensor::ones([4], &device);
            let zeros = Tensor::zeros([4], &device);
            batch_norm_train_unit(other.clone(), ones, zeros, Some(map), 1e-5, relu).0
        }
        Branch::Own => map.into_map().mul_scalar(1.5),
    }
}

/// The gradient of what the map is made of, with the branches one after the other or side by side.
fn gradient(kinds: &[Branch], shares: bool, leaf: bool, chained: bool) -> Tensor<4> {
    let device = Device::flex().autodiff();
    let input = tensor::<4>(&Array::scattered(&SIZE, 1), &device).require_grad();
    let map = if leaf { input.clone() } else { input.clone().mul_scalar(2.0) };
    let map = if shares { share(map) } else { map.into() };
    let mut other = tensor::<4>(&Array::scattered(&SIZE, 2), &device);
    let mut sum: Option<Tensor<4>> = None;
    for (number, &kind) in kinds.iter().enumerate() {
        let output = branch(kind, map.clone(), &other, number as u64);
        if chained {
            other = output.clone();
        }
        sum = match sum {
            Some(sum) if !chained => Some(sum + output),
            _ => Some(output),
        };
    }
    let found = weighted_sum(sum.unwrap(), &Array::scattered(&SIZE, 3)).backward();
    input.grad(&found).unwrap()
}

fn list(tensor: Tensor<4>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn the_gradient_of_a_shared_map_is_that_of_a_plain_one() {
    use Branch::{Convolution, Depthwise, NormResidual, Own, Residual};
    let cases: [&[Branch]; 11] = [
        &[Convolution],
        &[Convolution, Convolution],
        &[Convolution, Residual],
        &[Convolution, NormResidual],
        &[Residual, Convolution],
        &[Depthwise, NormResidual],
        &[Convolution, Own],
        &[Own, Convolution],
        &[Own, Own],
        &[Convolution, Depthwise, Convolution, Own],
        &[Convolution, Convolution, NormResidual],
    ];
    for kinds in cases {
        for leaf in [false, true] {
            for chained in [false, true] {
                let run = |shares| list(gradient(kinds, shares, leaf, chained));
                let expected = run(false);
                let what = format!("{kinds:?} leaf {leaf} chained {chained}");
                let values = expected.iter().map(|&value| f64::from(value)).collect();
                let expected = Array { shape: SIZE.to_vec(), values };
                assert_close(gradient(kinds, true, leaf, chained), &expected, &what);
                assert_eq!(run(true), run(true), "{what}");
            }
        }
    }
}

/// A branch whose output the loss does not read.
#[test]
fn a_branch_that_does_not_reach_the_loss_takes_no_gradient_with_it() {
    let device = Device::flex().autodiff();
    let other = tensor::<4>(&Array::scattered(&SIZE, 2), &device);
    for kinds in [
        [Branch::Convolution, Branch::Convolution],
        [Branch::Convolution, Branch::NormResidual],
        [Branch::NormResidual, Branch::Convolution],
    ] {
        for used in [0, 1] {
            let input = tensor::<4>(&Array::scattered(&SIZE, 1), &device).require_grad();
            let run = |map: Shared| {
                let outputs = kinds.map(|kind| branch(kind, map.clone(), &other, 0));
                let output = outputs[used].clone();
                let found = weighted_sum(output, &Array::scattered(&SIZE, 3)).backward();
                list(input.grad(&found).unwrap())
            };
            let map = || input.clone().mul_scalar(2.0);
            assert_eq!(run(share(map())), run(map().into()), "{kinds:?} {used}");
        }
    }
}

#[test]
fn two_gradients_meet_in_one_sum_equal_to_the_last_bit() {
    let kinds = [Branch::Convolution, Branch::NormResidual];
    let [shared, plain] = [true, false].map(|shares| list(gradient(&kinds, shares, false, true)));
    assert_eq!(shared, plain);
}
