//! The units against plain f64 loops and against Burn's own operations.

use burn::prelude::*;

use super::reference::{self, Array};
use super::{ConvShape, activate, batch_norm_train_unit, conv2d_unit, finish};
use crate::Nonlinearity;

const ACTS: [Nonlinearity; 3] = [Nonlinearity::None, Nonlinearity::Relu, Nonlinearity::Relu6];

fn tensor<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = array.values.iter().map(|&value| value as f32).collect();
    Tensor::from_data(TensorData::new(values, array.shape.clone()), device)
}

/// Panics unless `found` is `expected` to `1e-5` of its largest value.
fn assert_close<const D: usize>(found: Tensor<D>, expected: &Array, what: &str) {
    assert_eq!(found.dims().to_vec(), expected.shape, "{what}: the shape");
    let found: Vec<f32> = found.into_data().try_to_vec().unwrap();
    let scale = expected.values.iter().fold(1e-6f64, |scale, value| scale.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected.values).enumerate() {
        let difference = (f64::from(*found) - expected).abs() / scale;
        assert!(difference < 1e-5, "{what}: {found} at {index} should be {expected}");
    }
}

#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    outputs: usize,
    kernel: [usize; 2],
    shape: ConvShape,
}

fn case(x: [usize; 4], outputs: usize, kernel: usize, stride: usize, padding: usize, dilation: usize, groups: usize) -> Case {
    let shape = ConvShape { stride: [stride; 2], padding: [padding; 2], dilation: [dilation; 2], groups };
    Case { x, outputs, kernel: [kernel; 2], shape }
}

/// Every path of the kernels, at sizes that leave remainders.
fn cases() -> Vec<Case> {
    let mut cases = vec![
        // Depthwise: odd planes, strides, dilation, even and large kernels, one pixel, many images in a line.
        case([2, 5, 11, 13], 5, 3, 1, 1, 1, 5),
        case([3, 4, 12, 9], 4, 3, 2, 1, 1, 4),
        case([2, 3, 7, 7], 3, 5, 3, 2, 1, 3),
        case([2, 3, 9, 10], 3, 3, 1, 2, 2, 3),
        case([2, 3, 9, 10], 3, 3, 2, 2, 2, 3),
        case([1, 2, 1, 1], 2, 3, 1, 1, 1, 2),
        case([1, 2, 70, 68], 2, 3, 1, 1, 1, 2),
        case([205, 2, 3, 3], 2, 3, 1, 1, 1, 2),
        case([1, 3, 8, 8], 3, 4, 2, 1, 1, 3),
        case([2, 3, 5, 6], 3, 1, 3, 0, 1, 3),
        // 1×1: batch 1 and small batches, images together and alone, a stride, groups.
        case([1, 5, 7, 9], 6, 1, 1, 0, 1, 1),
        case([1, 5, 9, 9], 64, 1, 1, 0, 1, 1),
        case([3, 7, 1, 1], 5, 1, 1, 0, 1, 1),
        case([9, 6, 3, 3], 8, 1, 1, 0, 1, 1),
        case([2, 4, 34, 33], 3, 1, 1, 0, 1, 1),
        case([2, 6, 9, 7], 4, 1, 2, 0, 1, 1),
        case([2, 6, 5, 5], 4, 1, 1, 0, 1, 2),
        case([2, 6, 5, 5], 4, 1, 1, 1, 1, 1),
        // Dense: stems, strides, dilation, groups, more input channels than one block of columns.
        case([2, 3, 15, 17], 5, 3, 2, 1, 1, 1),
        case([1, 3, 33, 31], 4, 7, 2, 3, 1, 1),
        case([2, 4, 9, 8], 6, 3, 1, 2, 2, 2),
        case([1, 32, 40, 37], 33, 3, 1, 1, 1, 1),
        case([9, 31, 6, 5], 7, 3, 1, 1, 1, 1),
        case([1, 4, 6, 6], 8, 3, 1, 1, 1, 4),
        case([1, 2, 1, 1], 3, 3, 1, 1, 1, 1),
        case([1, 3, 3, 3], 32, 3, 2, 0, 1, 1),
    ];
    let mut uneven = case([2, 3, 9, 12], 3, 3, 1, 1, 1, 3);
    uneven.kernel = [3, 5];
    uneven.shape = ConvShape { stride: [2, 1], padding: [0, 2], dilation: [1, 2], groups: 3 };
    cases.push(uneven);
    cases.push(Case { x: [2, 3, 9, 12], outputs: 4, shape: ConvShape { groups: 1, ..uneven.shape }, ..uneven });
    cases
}

struct Arrays {
    x: Array,
    w: Array,
    bias: Array,
    residual: Array,
    gradient: Array,
    /// Without bias and residual.
    sum: Array,
}

fn arrays(case: &Case) -> Arrays {
    let [kernel_height, kernel_width] = case.kernel;
    let x = Array::scattered(&case.x, 1);
    let mut w = Array::scattered(&[case.outputs, case.x[1] / case.shape.groups, kernel_height, kernel_width], 2);
    // Large enough that ReLU6 reaches its upper end.
    w.values.iter_mut().for_each(|value| *value *= 4.0);
    let sum = reference::convolve(&x, &w, None, None, case.shape);
    Arrays {
        bias: Array::scattered(&[case.outputs], 3),
        residual: Array::scattered(&sum.shape, 4),
        gradient: Array::scattered(&sum.shape, 5),
        x,
        w,
        sum,
    }
}

fn weighted_sum(output: Tensor<4>, gradient: &Array) -> Tensor<1> {
    let gradient = tensor::<4>(gradient, &output.device());
    (output * gradient).sum()
}

#[test]
fn a_convolution_with_all_that_follows_equals_plain_f64_loops() {
    let device = Device::flex();
    for case in cases() {
        let arrays = arrays(&case);
        for act in ACTS {
            for (has_bias, has_residual) in [(false, false), (true, false), (false, true), (true, true)] {
                let bias = has_bias.then_some(&arrays.bias);
                let residual = has_residual.then_some(&arrays.residual);
                let mut expected = reference::convolve(&arrays.x, &arrays.w, bias, residual, case.shape);
                expected.values.iter_mut().for_each(|value| *value = reference::act(*value, act));
                let found = conv2d_unit(
                    tensor(&arrays.x, &device),
                    tensor(&arrays.w, &device),
                    bias.map(|bias| tensor(bias, &device)),
                    residual.map(|residual| tensor(residual, &device)),
                    case.shape,
                    act,
                );
                assert_close(found, &expected, &format!("{case:?} {act:?} {has_bias} {has_residual}"));
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
                let [input, weight, shift] = reference::convolve_backward(&arrays.x, &arrays.w, &gradient, case.shape);
                let x = tensor::<4>(&arrays.x, &device).require_grad();
                let w = tensor::<4>(&arrays.w, &device).require_grad();
                let bias = bias.map(|bias| tensor::<1>(bias, &device).require_grad());
                let residual = residual.map(|residual| tensor::<4>(residual, &device).require_grad());
                let output = conv2d_unit(x.clone(), w.clone(), bias.clone(), residual.clone(), case.shape, act);
                let found = weighted_sum(output, &arrays.gradient).backward();
                assert_close(x.grad(&found).unwrap(), &input, &format!("input of {what}"));
                assert_close(w.grad(&found).unwrap(), &weight, &format!("weight of {what}"));
                if let Some(bias) = bias {
                    assert_close(bias.grad(&found).unwrap(), &shift, &format!("bias of {what}"));
                }
                if let Some(residual) = residual {
                    assert_close(residual.grad(&found).unwrap(), &gradient, &format!("residual of {what}"));
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
        let [input, weight, _] = reference::convolve_backward(&arrays.x, &arrays.w, &gradient, case.shape);
        for (trains_x, trains_w) in [(true, false), (false, true)] {
            let x = tensor::<4>(&arrays.x, &device).set_require_grad(trains_x);
            let w = tensor::<4>(&arrays.w, &device).set_require_grad(trains_w);
            let output = conv2d_unit(x.clone(), w.clone(), None, None, case.shape, Nonlinearity::Relu6);
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
    let [_, weight, _] = reference::convolve_backward(&arrays.x, &arrays.w, &arrays.gradient, case.shape);
    let w = tensor::<4>(&arrays.w, &graph).require_grad();
    let output = conv2d_unit(tensor(&arrays.x, &plain), w.clone(), None, None, case.shape, Nonlinearity::None);
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
    let expected = conv2d_unit(Tensor::from_data(copied, &device), w.clone(), None, None, shape, Nonlinearity::None);
    let found = conv2d_unit(x.swap_dims(2, 3), w, None, None, shape, Nonlinearity::None);
    assert_eq!(found.into_data(), expected.into_data());
}

#[test]
fn an_activation_and_its_gradients_equal_plain_f64_loops() {
    let device = Device::flex().autodiff();
    let [mut x, residual, gradient] = [1, 2, 3].map(|salt| Array::scattered(&[3, 5, 17, 19], salt));
    x.values.iter_mut().for_each(|value| *value *= 16.0);
    for act in ACTS {
        for has_residual in [false, true] {
            let mut sum = x.clone();
            if has_residual {
                sum.values.iter_mut().zip(&residual.values).for_each(|(value, residual)| *value += residual);
            }
            let expected_gradient = reference::through_act(&sum, &gradient, act);
            let mut expected = sum.clone();
            expected.values.iter_mut().for_each(|value| *value = reference::act(*value, act));
            let x = tensor::<4>(&x, &device).require_grad();
            let residual = has_residual.then(|| tensor::<4>(&residual, &device).require_grad());
            let output = activate(x.clone(), residual.clone(), act);
            assert_close(output.clone().inner(), &expected, &format!("{act:?} {has_residual}"));
            let found = weighted_sum(output, &gradient).backward();
            assert_close(x.grad(&found).unwrap(), &expected_gradient, &format!("input of {act:?}"));
            if let Some(residual) = residual {
                assert_close(residual.grad(&found).unwrap(), &expected_gradient, &format!("residual of {act:?}"));
            }
        }
    }
}

#[test]
fn a_value_that_is_no_number_passes_every_nonlinearity() {
    let device = Device::flex();
    for act in ACTS {
        let x = Tensor::<4>::full([1, 1, 1, 20], f32::NAN, &device);
        let values: Vec<f32> = activate(x, None, act).into_data().try_to_vec().unwrap();
        assert!(values.iter().all(|value| value.is_nan()), "{act:?}");
    }
}

#[test]
fn a_norm_with_batch_statistics_and_its_gradients_equal_plain_f64_loops() {
    let device = Device::flex().autodiff();
    let epsilon = 1e-5;
    for shape in [[3, 4, 9, 7], [2, 3, 1, 1], [1, 2, 70, 66], [20, 3, 3, 3]] {
        let [mut x, gradient, residual] = [1, 2, 3].map(|salt| Array::scattered(&shape, salt));
        // A mean far from 0 shows a variance that is not taken around it.
        x.values.iter_mut().for_each(|value| *value = *value * 3.0 + 5.0);
        let [mut weight, bias] = [4, 5].map(|salt| Array::scattered(&[shape[1]], salt));
        weight.values.iter_mut().for_each(|value| *value *= 4.0);
        let [normed, mean, variance] = reference::normalise(&x, epsilon);
        for act in ACTS {
            for has_residual in [false, true] {
                let what = format!("{shape:?} {act:?} {has_residual}");
                let mut sum = normed.clone();
                let plane = shape[2] * shape[3];
                for (index, value) in sum.values.iter_mut().enumerate() {
                    let channel = index / plane % shape[1];
                    *value = *value * weight.values[channel] + bias.values[channel];
                    *value += if has_residual { residual.values[index] } else { 0.0 };
                }
                let mut expected = sum.clone();
                expected.values.iter_mut().for_each(|value| *value = reference::act(*value, act));
                let before = reference::through_act(&sum, &gradient, act);
                let [input, scale, shift] = reference::norm_backward(&x, &weight, &before, epsilon);
                let [x, residual] = [&x, &residual].map(|array| tensor::<4>(array, &device).require_grad());
                let [weight, bias] = [&weight, &bias].map(|array| tensor::<1>(array, &device).require_grad());
                let added = has_residual.then(|| residual.clone());
                let (output, found_mean, found_variance) =
                    batch_norm_train_unit(x.clone(), weight.clone(), bias.clone(), added, epsilon, act);
                assert!(!found_mean.device().is_autodiff());
                assert_close(found_mean, &mean, &format!("mean of {what}"));
                assert_close(found_variance, &variance, &format!("variance of {what}"));
                assert_close(output.clone().inner(), &expected, &what);
                let found = weighted_sum(output, &gradient).backward();
                if shape[0] * plane > 2 {
                    // The gradient of two values is a difference that cancels.
                    assert_close(x.grad(&found).unwrap(), &input, &format!("input of {what}"));
                }
                assert_close(weight.grad(&found).unwrap(), &scale, &format!("weight of {what}"));
                assert_close(bias.grad(&found).unwrap(), &shift, &format!("bias of {what}"));
                if has_residual {
                    assert_close(residual.grad(&found).unwrap(), &before, &format!("residual of {what}"));
                }
            }
        }
    }
}

/// Values and gradients of all units, bit by bit.
fn everything() -> Vec<TensorData> {
    let device = Device::flex().autodiff();
    let mut results = Vec::new();
    for case in cases() {
        let arrays = arrays(&case);
        let x = tensor::<4>(&arrays.x, &device).require_grad();
        let w = tensor::<4>(&arrays.w, &device).require_grad();
        let bias = tensor::<1>(&arrays.bias, &device).require_grad();
        let output = conv2d_unit(x.clone(), w.clone(), Some(bias.clone()), None, case.shape, Nonlinearity::Relu6);
        results.push(output.clone().into_data());
        let ones = Tensor::ones([case.outputs], &device).require_grad();
        let (output, mean, variance) =
            batch_norm_train_unit(output, ones, bias.clone(), None, 1e-5, Nonlinearity::Relu);
        results.extend([output.clone().into_data(), mean.into_data(), variance.into_data()]);
        let found = weighted_sum(output, &arrays.gradient).backward();
        results.extend([x.grad(&found).unwrap().into_data(), w.grad(&found).unwrap().into_data()]);
        results.push(bias.grad(&found).unwrap().into_data());
    }
    results
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(everything)
    };
    let one = with(1);
    for threads in [2, 3] {
        assert!(with(threads) == one, "{threads} threads");
    }
}

/// The composition that other devices run, here on flex: it notices when Burn's internals no longer mean what the
/// extension takes them for.
#[test]
fn a_unit_through_the_extension_equals_burns_own_operations() {
    let device = Device::flex().autodiff();
    for case in cases().into_iter().take(24).step_by(3) {
        let arrays = arrays(&case);
        let run = |through_extension: bool| {
            let x = tensor::<4>(&arrays.x, &device).require_grad();
            let w = tensor::<4>(&arrays.w, &device).require_grad();
            let bias = tensor::<1>(&arrays.bias, &device).require_grad();
            let residual = tensor::<4>(&arrays.residual, &device).require_grad();
            let act = Nonlinearity::Relu6;
            let output = if through_extension {
                conv2d_unit(x.clone(), w.clone(), Some(bias.clone()), Some(residual.clone()), case.shape, act)
            } else {
                let ConvShape { stride, padding, dilation, groups } = case.shape;
                let options = burn::tensor::ops::ConvOptions::new(stride, padding, dilation, groups);
                let sum = burn::tensor::module::conv2d(x.clone(), w.clone(), Some(bias.clone()), options);
                finish(sum, Some(residual.clone()), act)
            };
            let found = weighted_sum(output.clone(), &arrays.gradient).backward();
            let flat = |tensor: Tensor<4>| tensor.inner().flatten::<1>(0, 3);
            let gradients = [&x, &w, &residual].map(|tensor| flat(tensor.grad(&found).unwrap()));
            let mut all = vec![flat(output), bias.grad(&found).unwrap()];
            all.extend(gradients);
            Tensor::cat(all, 0)
        };
        let expected: Vec<f32> = run(false).into_data().try_to_vec().unwrap();
        let values = expected.iter().map(|&value| f64::from(value)).collect();
        let expected = Array { shape: vec![expected.len()], values };
        assert_close(run(true), &expected, &format!("{case:?}"));
    }
}
