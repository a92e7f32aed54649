//! Adapters' values against their formulas in f64, and a convolution's path against the convolution by the merged weight.

use std::collections::HashMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::rng;

use tl_kernels::adapter::{Adapter, Bottleneck, LowRank, replace, sites};
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Linear, Nonlinearity, conv, conv_norm};

fn draw<const D: usize>(name: &str, dims: [usize; D]) -> Tensor<D> {
    let mut random = rng(1, name, 0, 0);
    let count = dims.iter().product();
    let values: Vec<f32> = (0..count).map(|_| random.between(-1.0, 1.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, dims), &Device::flex())
}

fn list<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    let values: Vec<f32> = tensor.into_data().try_into_vec().unwrap();
    values.into_iter().map(f64::from).collect()
}

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{found} {expected}");
    }
}

/// `rows·wᵀ`, each row of `rows` of the width of `w`'s.
fn product(rows: &[f64], w: &[f64], width: usize) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let rows = rows.chunks_exact(width);
    rows.flat_map(|row| w.chunks_exact(width).map(move |w| dot(row, w))).collect()
}

fn with<M: Module>(module: M, adapter: Adapter) -> M {
    let path = sites(&module)[0].0.clone();
    replace(module, HashMap::from([(path, Some(adapter))]))
}

fn linear() -> Linear {
    let mut layer = Linear::new(5, 4, &Device::flex());
    layer.weight = burn::module::Param::from_tensor(draw("w", [4, 5]));
    layer.bias = Some(burn::module::Param::from_tensor(draw("bias", [4])));
    layer
}

fn low_rank(inputs: usize, outputs: usize) -> LowRank {
    LowRank::new(draw("a", [2, inputs]), draw("b", [outputs, 2]), 1.5, ("test", 0.0))
}

#[test]
fn a_linear_layer_with_a_low_rank_path_and_a_magnitude_is_its_formula() {
    let (input, layer) = (draw("x", [3, 5]), linear());
    let (x, w) = (list(input.clone()), list(layer.weight.val()));
    let bias = list(layer.bias.as_ref().unwrap().val());
    let path = low_rank(5, 4);
    let inner = product(&x, &list(path.a.val()), 5);
    let delta = product(&inner, &list(path.b.val()), 2);
    let base = product(&x, &w, 5);
    let sum: Vec<f64> = base.iter().zip(&delta).map(|(y, d)| y + 1.5 * d).collect();
    let biased = |rows: &[f64]| -> Vec<f64> {
        rows.iter().enumerate().map(|(at, value)| value + bias[at % 4]).collect()
    };
    let lora = with(layer.clone(), Adapter { low_rank: Some(path.clone()), ..Adapter::default() });
    near(&list(lora.forward(input.clone())), &biased(&sum));

    let magnitude = draw("m", [4]);
    let m = list(magnitude.clone());
    let change = product(&list(path.b.val()), &list(path.a.val().transpose()), 2);
    let whole: Vec<f64> = w.iter().zip(&change).map(|(w, d)| w + 1.5 * d).collect();
    let norm = |row: usize| whole[row * 5..][..5].iter().map(|v| v * v).sum::<f64>().sqrt();
    let scaled: Vec<f64> =
        sum.iter().enumerate().map(|(at, y)| y * m[at % 4] / norm(at % 4)).collect();
    let path = path.with_magnitude(magnitude);
    let dora = with(layer, Adapter { low_rank: Some(path), ..Adapter::default() });
    near(&list(dora.forward(input)), &biased(&scaled));
}

#[test]
fn a_bottleneck_is_its_formula_on_rows() {
    let layer = linear();
    let input = draw("x", [3, 5]);
    let y = list(layer.forward(input.clone()));
    let mut bottleneck = Bottleneck::new(draw("down", [2, 4]), draw("up", [4, 2]));
    bottleneck.down_bias = burn::module::Param::from_tensor(draw("b1", [2]));
    bottleneck.up_bias = burn::module::Param::from_tensor(draw("b2", [4]));
    let (b1, b2) = (list(bottleneck.down_bias.val()), list(bottleneck.up_bias.val()));
    let inner = product(&y, &list(bottleneck.down.val()), 4);
    let inner: Vec<f64> =
        inner.iter().enumerate().map(|(at, value)| (value + b1[at % 2]).max(0.0)).collect();
    let outer = product(&inner, &list(bottleneck.up.val()), 2);
    let expected: Vec<f64> =
        y.iter().zip(&outer).enumerate().map(|(at, (y, o))| y + o + b2[at % 4]).collect();
    let adapter = Adapter { bottleneck: Some(bottleneck), ..Adapter::default() };
    near(&list(with(layer, adapter).forward(input)), &expected);
}

fn convolution(kernel: usize, stride: usize) -> Conv2d {
    let config = Conv2dConfig::new([3, 4], kernel).stride(stride).padding(kernel / 2).bias(true);
    let mut layer = config.init(&Device::flex());
    layer.weight = burn::module::Param::from_tensor(draw("w", [4, 3, kernel, kernel]));
    layer
}

#[test]
fn a_convolution_with_a_low_rank_path_is_one_by_the_merged_weight() {
    let input = draw("x", [2, 3, 6, 6]);
    let relu = Nonlinearity::Relu;
    let mut norm = BatchNorm2d::new(4, &Device::flex());
    norm.weight = burn::module::Param::from_tensor(draw("gamma", [4]));
    for (kernel, stride) in [(1, 1), (3, 1), (3, 2)] {
        let layer = convolution(kernel, stride);
        let path = low_rank(3 * kernel * kernel, 4);
        let delta = path.b.val().matmul(path.a.val()).mul_scalar(1.5);
        let mut merged = layer.clone();
        let whole = layer.weight.val() + delta.reshape([4, 3, kernel, kernel]);
        merged.weight = burn::module::Param::from_tensor(whole);
        let adapted = with(layer, Adapter { low_rank: Some(path), ..Adapter::default() });
        let plain = |layer: &Conv2d| list(conv(layer, input.clone(), relu));
        near(&plain(&adapted), &plain(&merged));
        let residual = plain_tensor(&merged, &input);
        let normed = |layer: &Conv2d| {
            list(conv_norm(layer, &norm, input.clone(), Some(residual.clone().into()), relu))
        };
        near(&normed(&adapted), &normed(&merged));
        // With the statistics of the batch.
        let live = norm.clone().train();
        let trained = |layer: &Conv2d| {
            let input = input.clone().autodiff();
            list(conv_norm(layer, &live, input, None, relu).without_autodiff())
        };
        near(&trained(&adapted), &trained(&merged));
    }
}

fn plain_tensor(layer: &Conv2d, input: &Tensor<4>) -> Tensor<4> {
    conv(layer, input.clone(), Nonlinearity::None)
}

#[test]
fn a_bottleneck_stands_between_a_norm_and_the_residual() {
    let (input, layer) = (draw("x", [2, 3, 6, 6]), convolution(3, 1));
    let mut norm = BatchNorm2d::new(4, &Device::flex());
    norm.weight = burn::module::Param::from_tensor(draw("gamma", [4]));
    let residual = draw("residual", [2, 4, 6, 6]);
    let y = conv_norm(&layer, &norm, input.clone(), None, Nonlinearity::None);
    let bottleneck = Bottleneck::new(draw("down", [2, 4]), draw("up", [4, 2]));
    // Pixel by pixel as rows.
    let rows = |map: Tensor<4>| list(map.permute([0, 2, 3, 1]));
    let y = rows(y);
    let inner = product(&y, &list(bottleneck.down.val()), 4);
    let inner: Vec<f64> = inner.into_iter().map(|value| value.max(0.0)).collect();
    let outer = product(&inner, &list(bottleneck.up.val()), 2);
    let others = rows(residual.clone());
    let sums = y.iter().zip(&outer).zip(&others).map(|((y, o), r)| (y + o + r).max(0.0));
    let expected: Vec<f64> = sums.collect();
    let adapter = Adapter { bottleneck: Some(bottleneck), ..Adapter::default() };
    let adapted = with(layer, adapter);
    let relu = Nonlinearity::Relu;
    let found = conv_norm(&adapted, &norm, input, Some(residual.into()), relu);
    near(&rows(found), &expected);
}

#[test]
fn an_empty_slot_holds_nothing_and_what_was_put_there_comes_out() {
    let layer = linear();
    let count = |layer: &Linear| tl_core::parameters::parameters(layer).len();
    assert_eq!(count(&layer), 2);
    let adapted = with(layer, Adapter { low_rank: Some(low_rank(5, 4)), ..Adapter::default() });
    let paths = tl_core::parameters::parameters(&adapted).into_iter().map(|info| info.path);
    let paths: Vec<String> = paths.collect();
    assert_eq!(paths, ["weight", "bias", "adapter.low_rank.a", "adapter.low_rank.b"]);
    let path = sites(&adapted)[0].0.clone();
    assert_eq!(count(&replace(adapted, HashMap::from([(path, None)]))), 2);
}
