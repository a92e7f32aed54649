//! Convolutions, forwards and backwards.

use burn::prelude::*;

use super::super::conv2d_unit;
use super::super::reference;
use super::{ACTS, arrays, assert_close, case, cases, tensor, weighted_sum};
use crate::Nonlinearity;

#[test]
fn a_convolution_with_all_that_follows_equals_plain_f64_loops() {
    let device = Device::flex();
    for case in cases() {
        let arrays = arrays(&case);
        for act in ACTS {
            for (has_bias, has_residual) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let bias = has_bias.then_some(&arrays.bias);
                let residual = has_residual.then_some(&arrays.residual);
                let mut expected =
                    reference::convolve(&arrays.x, &arrays.w, bias, residual, case.shape);
                expected.values.iter_mut().for_each(|value| *value = reference::act(*value, act));
                let found = conv2d_unit(
                    tensor(&arrays.x, &device),
                    tensor(&arrays.w, &device),
                    bias.map(|bias| tensor(bias, &device)),
                    residual.map(|residual| tensor(residual, &device).into()),
                    case.shape,
                    act,
                );
                assert_close(
                    found,
                    &expected,
                    &format!("{case:?} {act:?} {has_bias} {has_residual}"),
                );
            }
        }
    }
}

#[test]
fn the_gradients_of_a_convolution_equal_plain_f64_loops() {
    let device = Device::flex().autodiff();
    for case in cases() {
        let arrays = arrays(&case);
        for act in ACTS {
            for (has_bias, has_residual) in [(false, false), (true, false), (true, true)] {
                let what = format!("{case:?} {act:?} {has_bias} {has_residual}");
                let bias = has_bias.then_some(&arrays.bias);
                let residual = has_residual.then_some(&arrays.residual);
                let sum = reference::convolve(&arrays.x, &arrays.w, bias, residual, case.shape);
                let gradient = reference::through_act(&sum, &arrays.gradient, act);
                let [input, weight, shift] =
                    reference::convolve_backward(&arrays.x, &arrays.w, &gradient, case.shape);
                let x = tensor::<4>(&arrays.x, &device).require_grad();
                let w = tensor::<4>(&arrays.w, &device).require_grad();
                let bias = bias.map(|bias| tensor::<1>(bias, &device).require_grad());
                let residual =
                    residual.map(|residual| tensor::<4>(residual, &device).require_grad());
                let output = conv2d_unit(
                    x.clone(),
                    w.clone(),
                    bias.clone(),
                    residual.clone().map(Into::into),
                    case.shape,
                    act,
                );
                let found = weighted_sum(output, &arrays.gradient).backward();
                assert_close(x.grad(&found).unwrap(), &input, &format!("input of {what}"));
                assert_close(w.grad(&found).unwrap(), &weight, &format!("weight of {what}"));
                if let Some(bias) = bias {
                    assert_close(bias.grad(&found).unwrap(), &shift, &format!("bias of {what}"));
                }
                if let Some(residual) = residual {
                    assert_close(
                        residual.grad(&found).unwrap(),
                        &gradient,
                        &format!("residual of {what}"),
                    );
                }
            }
        }
    }
}

#[test]
fn a_frozen_parent_gets_no_gradient_and_leaves_the_others_theirs() {
    let device = Device::flex().autodiff();
    for case in cases() {
        let arrays = arrays(&case);
        let gradient = reference::through_act(&arrays.sum, &arrays.gradient, Nonlinearity::Relu6);
        let [input, weight, _] =
            reference::convolve_backward(&arrays.x, &arrays.w, &gradient, case.shape);
        for (trains_x, trains_w) in [(true, false), (false, true)] {
            let x = tensor::<4>(&arrays.x, &device).set_require_grad(trains_x);
            let w = tensor::<4>(&arrays.w, &device).set_require_grad(trains_w);
            let output =
                conv2d_unit(x.clone(), w.clone(), None, None, case.shape, Nonlinearity::Relu6);
            let found = weighted_sum(output, &arrays.gradient).backward();
            assert_eq!(x.grad(&found).is_some(), trains_x, "{case:?}");
            assert_eq!(w.grad(&found).is_some(), trains_w, "{case:?}");
            if let Some(found) = x.grad(&found) {
                assert_close(found, &input, &format!("input of {case:?}"));
            }
            if let Some(found) = w.grad(&found) {
                assert_close(found, &weight, &format!("weight of {case:?}"));
            }
        }
    }
}

#[test]
fn a_unit_of_frozen_parents_stays_out_of_the_graph() {
    let device = Device::flex().autodiff();
    let arrays = arrays(&cases()[0]);
    let [x, w] = [&arrays.x, &arrays.w].map(|array| tensor::<4>(array, &device));
    let output = conv2d_unit(x, w, None, None, cases()[0].shape, Nonlinearity::Relu);
    assert!(!output.is_require_grad() && output.device().is_autodiff());
}

#[test]
fn a_plain_input_and_a_trained_weight_meet_in_one_unit() {
    let (plain, graph) = (Device::flex(), Device::flex().autodiff());
    let case = cases()[18];
    let arrays = arrays(&case);
    let [_, weight, _] =
        reference::convolve_backward(&arrays.x, &arrays.w, &arrays.gradient, case.shape);
    let w = tensor::<4>(&arrays.w, &graph).require_grad();
    let output = conv2d_unit(
        tensor(&arrays.x, &plain),
        w.clone(),
        None,
        None,
        case.shape,
        Nonlinearity::None,
    );
    let found = weighted_sum(output, &arrays.gradient).backward();
    assert_close(w.grad(&found).unwrap(), &weight, "weight");
}

#[test]
fn views_of_other_tensors_are_read_in_their_own_order() {
    let device = Device::flex();
    let arrays = arrays(&case([2, 4, 6, 6], 4, 3, 1, 1, 1, 1));
    let x = tensor::<4>(&arrays.x, &device);
    let w = tensor::<4>(&arrays.w, &device);
    let shape = case([2, 4, 6, 6], 4, 3, 1, 1, 1, 1).shape;
    let copied = x.clone().swap_dims(2, 3).into_data();
    let expected = conv2d_unit(
        Tensor::from_data(copied, &device),
        w.clone(),
        None,
        None,
        shape,
        Nonlinearity::None,
    );
    let found = conv2d_unit(x.swap_dims(2, 3), w, None, None, shape, Nonlinearity::None);
    assert_eq!(found.into_data(), expected.into_data());
}
