//! Activations, norms, and what holds for all units.

use burn::prelude::*;

use super::super::reference::{self, Array};
use super::super::{
    ConvShape, affine_unit, batch_norm_train_unit, composed_affine, composed_window_mean,
    conv2d_unit, finish, window_mean_unit,
};
use super::{ACTS, arrays, assert_close, cases, tensor, weighted_sum};
use crate::Nonlinearity;

#[test]
fn a_value_that_is_no_number_passes_every_nonlinearity() {
    let device = Device::flex();
    for act in ACTS {
        let x = Tensor::<4>::full([1, 1, 1, 20], f32::NAN, &device);
        let weight = Tensor::<4>::ones([1, 1, 1, 1], &device);
        let shape = ConvShape { stride: [1; 2], padding: [0; 2], dilation: [1; 2], groups: 1 };
        let output = conv2d_unit(x, weight, None, None, shape, act);
        let values: Vec<f32> = output.into_data().try_to_vec().unwrap();
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
                let [x, residual] =
                    [&x, &residual].map(|array| tensor::<4>(array, &device).require_grad());
                let [weight, bias] =
                    [&weight, &bias].map(|array| tensor::<1>(array, &device).require_grad());
                let added = has_residual.then(|| residual.clone().into());
                let (output, found_mean, found_variance) = batch_norm_train_unit(
                    x.clone(),
                    weight.clone(),
                    bias.clone(),
                    added,
                    epsilon,
                    act,
                );
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
                    assert_close(
                        residual.grad(&found).unwrap(),
                        &before,
                        &format!("residual of {what}"),
                    );
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
        let output = conv2d_unit(
            x.clone(),
            w.clone(),
            Some(bias.clone()),
            None,
            case.shape,
            Nonlinearity::Relu6,
        );
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
                conv2d_unit(
                    x.clone(),
                    w.clone(),
                    Some(bias.clone()),
                    Some(residual.clone().into()),
                    case.shape,
                    act,
                )
            } else {
                let ConvShape { stride, padding, dilation, groups } = case.shape;
                let options =
                    burn::tensor::ops::ConvOptions::new(stride, padding, dilation, groups);
                let sum =
                    burn::tensor::module::conv2d(x.clone(), w.clone(), Some(bias.clone()), options);
                finish(sum, Some(residual.clone().into()), act)
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

#[test]
fn a_standing_norm_and_its_gradients_are_its_formula_fused_and_composed() {
    let device = Device::flex().autodiff();
    for shape in [[3, 4, 9, 7], [2, 3, 1, 1], [1, 1, 5, 6], [2, 37, 3, 3]] {
        let [x, gradient] = [1, 2].map(|salt| Array::scattered(&shape, salt));
        let [scale, shift] = [3, 4].map(|salt| Array::scattered(&[shape[1]], salt));
        let plane = shape[2] * shape[3];
        for act in ACTS {
            let mut sum = x.clone();
            for (index, value) in sum.values.iter_mut().enumerate() {
                let channel = index / plane % shape[1];
                *value = *value * scale.values[channel] + shift.values[channel];
            }
            let mut expected = sum.clone();
            expected.values.iter_mut().for_each(|value| *value = reference::act(*value, act));
            let before = reference::through_act(&sum, &gradient, act);
            let (mut input, mut of_scale) = (before.clone(), scale.clone());
            let mut of_shift = shift.clone();
            of_scale.values.iter_mut().for_each(|value| *value = 0.0);
            of_shift.values.iter_mut().for_each(|value| *value = 0.0);
            for (index, value) in input.values.iter_mut().enumerate() {
                let channel = index / plane % shape[1];
                of_scale.values[channel] += *value * x.values[index];
                of_shift.values[channel] += *value;
                *value *= scale.values[channel];
            }
            for fused in [true, false] {
                let what = format!("{shape:?} {act:?} {fused}");
                let x = tensor::<4>(&x, &device).require_grad();
                let [scale, shift] =
                    [&scale, &shift].map(|array| tensor::<1>(array, &device).require_grad());
                let output = if fused {
                    affine_unit(x.clone(), scale.clone(), shift.clone(), act)
                } else {
                    let scale = scale.clone().reshape([shape[1], 1, 1, 1]);
                    composed_affine(x.clone(), scale, shift.clone(), act)
                };
                assert_close(output.clone(), &expected, &what);
                let found = weighted_sum(output, &gradient).backward();
                assert_close(x.grad(&found).unwrap(), &input, &format!("input of {what}"));
                assert_close(scale.grad(&found).unwrap(), &of_scale, &format!("scale of {what}"));
                assert_close(shift.grad(&found).unwrap(), &of_shift, &format!("shift of {what}"));
            }
        }
    }
}

#[test]
fn means_of_windows_and_their_gradients_are_a_convolution_fused_and_composed() {
    let device = Device::flex().autodiff();
    for (kernel, stride, padding) in [(2, 2, 0), (3, 1, 1), (5, 3, 0)] {
        let x = Array::scattered(&[2, 3, 9, 8], 1);
        let shape =
            ConvShape { stride: [stride; 2], padding: [padding; 2], dilation: [1; 2], groups: 3 };
        let mut weight = Array::scattered(&[3, 1, kernel, kernel], 2);
        weight.values.iter_mut().for_each(|value| *value = 1.0 / (kernel * kernel) as f64);
        let expected = reference::convolve(&x, &weight, None, None, shape);
        let gradient = Array::scattered(&expected.shape, 3);
        let [input, ..] = reference::convolve_backward(&x, &weight, &gradient, shape);
        for fused in [true, false] {
            let what = format!("{kernel} {stride} {padding} {fused}");
            let x = tensor::<4>(&x, &device).require_grad();
            let unit = if fused { window_mean_unit } else { composed_window_mean };
            let output = unit(x.clone(), kernel, stride, padding);
            assert_close(output.clone(), &expected, &what);
            let found = weighted_sum(output, &gradient).backward();
            assert_close(x.grad(&found).unwrap(), &input, &format!("input of {what}"));
        }
    }
}
