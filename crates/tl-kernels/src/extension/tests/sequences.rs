//! The units of transformers against compositions of Burn's own operations.

use burn::prelude::*;
use burn::tensor::activation::{gelu as burn_gelu, gelu_approximate, softmax};

use super::super::reference::Array;
use super::tensor;
use crate::attention::composed_attention;
use crate::{AttentionMask, Gelu, LayerNorm, attention, gelu};

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[track_caller]
fn assert_near(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1e-6f32, |scale, value| scale.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 2e-5 * scale, "{what}: {found} should be {expected}");
    }
}

/// The output and the gradient of the input.
fn both_ways<const D: usize>(x: &Array, unit: impl Fn(Tensor<D>) -> Tensor<D>) -> [Vec<f32>; 2] {
    let x = tensor::<D>(x, &Device::flex().autodiff()).require_grad();
    let output = unit(x.clone());
    let shape: [usize; D] = output.dims();
    let weights = tensor::<D>(&Array::scattered(&shape, 7), &output.device());
    let gradients = (output.clone() * weights).sum().backward();
    [list(output), list(x.grad(&gradients).unwrap())]
}

#[test]
fn a_layer_norm_and_its_gradients_equal_burns_composition() {
    let device = Device::flex().autodiff();
    for shape in [[4, 5, 33], [1, 1, 64], [2, 70, 8]] {
        let x = Array::scattered(&shape, 1);
        let mut layer = LayerNorm::new(shape[2], 1e-6, &device);
        let [weight, bias] = [2, 3]
            .map(|salt| tensor::<1>(&Array::scattered(&[shape[2]], salt), &device).require_grad());
        layer.weight = burn::module::Param::from_tensor(weight.clone());
        layer.bias = burn::module::Param::from_tensor(bias.clone());
        let found = both_ways::<3>(&x, |x| layer.forward(x));
        let expected = both_ways::<3>(&x, |x| {
            let centred = x.clone() - x.mean_dim(2);
            let variance = (centred.clone() * centred.clone()).mean_dim(2);
            let normed = centred / variance.add_scalar(1e-6).sqrt();
            normed * weight.clone().unsqueeze() + bias.clone().unsqueeze()
        });
        assert_near(&found[0], &expected[0], &format!("{shape:?}"));
        assert_near(&found[1], &expected[1], &format!("gradient of {shape:?}"));
        let elsewhere = both_ways::<3>(&x, |x| layer.composed(x));
        assert_near(&elsewhere[0], &expected[0], &format!("composed {shape:?}"));
    }
}

#[test]
fn the_parameters_of_a_layer_norm_get_their_gradients() {
    let device = Device::flex().autodiff();
    let layer = LayerNorm::new(6, 1e-5, &device);
    let x = tensor::<2>(&Array::scattered(&[9, 6], 1), &device);
    let weights = tensor::<2>(&Array::scattered(&[9, 6], 2), &device);
    let gradients = (layer.forward(x.clone()) * weights.clone()).sum().backward();
    let centred = x.clone() - x.mean_dim(1);
    let normed = centred.clone() / (centred.clone() * centred).mean_dim(1).add_scalar(1e-5).sqrt();
    let scale = list((normed * weights.clone()).sum_dim(0));
    let shift = list(weights.sum_dim(0));
    assert_near(&list(layer.weight.val().grad(&gradients).unwrap()), &scale, "weight");
    assert_near(&list(layer.bias.val().grad(&gradients).unwrap()), &shift, "bias");
}

#[test]
fn gelu_and_its_gradient_equal_burns_own() {
    let mut x = Array::scattered(&[3, 7, 19], 1);
    x.values.iter_mut().for_each(|value| *value *= 6.0);
    let found = both_ways::<3>(&x, |x| gelu(x, Gelu::Exact));
    let expected = both_ways::<3>(&x, burn_gelu);
    assert_near(&found[0], &expected[0], "exact");
    assert_near(&found[1], &expected[1], "gradient of exact");
    let found = both_ways::<3>(&x, |x| gelu(x, Gelu::Tanh));
    let expected = both_ways::<3>(&x, gelu_approximate);
    assert_near(&found[0], &expected[0], "tanh");
    assert_near(&found[1], &expected[1], "gradient of tanh");
}

#[test]
fn attention_and_its_gradient_equal_burns_composition() {
    for ([batch, tokens, heads, width], causal, masked) in [
        ([2, 7, 3, 16], false, false),
        ([2, 33, 2, 64], true, false),
        ([3, 20, 1, 8], false, true),
        ([1, 130, 2, 32], true, true),
    ] {
        let x = Array::scattered(&[batch, tokens, 3 * heads * width], 1);
        let hidden = |token: usize| masked && token >= tokens - 2;
        let keys: Vec<f32> = (0..batch * tokens)
            .map(|place| if hidden(place % tokens) { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let keys = || {
            Tensor::<2>::from_data(TensorData::new(keys.clone(), [batch, tokens]), &Device::flex())
        };
        let mask = || AttentionMask { keys: masked.then(keys), causal };
        let found = both_ways::<3>(&x, |x| attention(x, heads, mask()));
        let mut forbidden = vec![0.0f32; tokens * tokens];
        for (place, value) in forbidden.iter_mut().enumerate() {
            let (query, key) = (place / tokens, place % tokens);
            if hidden(key) || causal && key > query {
                *value = -1e30;
            }
        }
        let expected = both_ways::<3>(&x, |x| {
            let parts = [0, 1, 2].map(|part| {
                let part = x.clone().narrow(2, part * heads * width, heads * width);
                part.reshape([batch, tokens, heads, width]).swap_dims(1, 2)
            });
            let [query, key, value] = parts;
            let scores = query.matmul(key.transpose()).div_scalar((width as f64).sqrt());
            let forbidden = TensorData::new(forbidden.clone(), [1, 1, tokens, tokens]);
            let scores = scores + Tensor::<4>::from_data(forbidden, &Device::flex().autodiff());
            let mixed = softmax(scores, 3).matmul(value);
            mixed.swap_dims(1, 2).reshape([batch, tokens, heads * width])
        });
        let what = format!("{batch} {tokens} {heads} {width} {causal} {masked}");
        assert_near(&found[0], &expected[0], &what);
        assert_near(&found[1], &expected[1], &format!("gradient of {what}"));
        let elsewhere = both_ways::<3>(&x, |x| composed_attention(x, heads, mask()));
        assert_near(&elsewhere[0], &expected[0], &format!("composed {what}"));
        assert_near(&elsewhere[1], &expected[1], &format!("gradient of composed {what}"));
    }
}

#[test]
fn a_token_that_sees_none_becomes_zero_on_every_backend() {
    let device = Device::flex();
    let joint = tensor::<3>(&Array::scattered(&[1, 3, 24], 1), &device);
    let keys = || Some(Tensor::<2>::full([1, 3], f32::NEG_INFINITY, &device));
    let mask = || AttentionMask { keys: keys(), causal: false };
    assert_eq!(list(attention(joint.clone(), 2, mask())), [0.0; 24]);
    assert_eq!(list(composed_attention(joint, 2, mask())), [0.0; 24]);
}
