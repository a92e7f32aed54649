//! The formula that fills weights and inputs in parity tests, as `xtask/parity/formula.py` has it.
#![allow(dead_code)] // The tests of other crates use a part.

use std::collections::HashMap;

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::Deserialize;
use tl_core::Activation;
use tl_core::parameters::{map_values, parameters};
use tl_models::load::{order_here, origin_name, origin_shape};
use tl_models::{Architecture, Classifier};
use tl_random::{hash, mix};

/// What the formula may be told about an architecture.
#[derive(Clone, Debug, Deserialize)]
pub struct Rule {
    pub gain: f64,
    pub bias_offset: f64,
    pub scales: Vec<Scale>,
}

/// The scale of the norms whose weight's name ends with `suffix`.
#[derive(Clone, Debug, Deserialize)]
pub struct Scale {
    pub suffix: String,
    pub scale: f64,
}

impl Rule {
    /// One that suits every architecture where no recorded number is compared.
    pub fn plain() -> Self {
        Self { gain: 1.0, bias_offset: 0.0, scales: Vec::new() }
    }
}

/// `s(0), s(1), …` of a name: in `[-1, 1)`, exact in f64.
pub fn signed(name: &str) -> impl Iterator<Item = f64> + use<> {
    let seed = hash(name);
    (0u64..).map(move |index| {
        let bits = mix(seed ^ mix(index)) >> 40;
        bits as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The values of the tensor `name`.
pub fn fill(name: &str, shape: &[usize], rule: &Rule) -> Vec<f32> {
    let count = shape.iter().product();
    let draw = |map: &dyn Fn(f64) -> f64| signed(name).take(count).map(|s| map(s) as f32).collect();
    if shape.len() > 1 {
        let fan_in: usize = shape[1..].iter().product();
        let bound = (3.0 * rule.gain / fan_in as f64).sqrt();
        return draw(&|s| s * bound);
    }
    match name.rsplit('.').next().unwrap() {
        "running_var" => draw(&|s| 1.0 + 0.5 * s),
        "running_mean" => draw(&|s| 0.1 * s),
        "weight" | "gamma" => {
            let listed = rule.scales.iter().find(|entry| name.ends_with(&entry.suffix));
            let scale = listed.map_or(1.0, |entry| entry.scale);
            draw(&|s| scale * (1.0 + 0.2 * s))
        }
        bias if bias.starts_with("bias") => draw(&|s| rule.bias_offset + 0.1 * s),
        _ => panic!("{name}: no rule for this tensor"),
    }
}

/// A batch of images, `[batch, channels, height, width]`, on the plain device.
pub fn images(name: &str, shape: [usize; 4]) -> Tensor<4> {
    let count = shape.iter().product();
    let values: Vec<f32> = signed(name).take(count).map(|s| (2.0 * s) as f32).collect();
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Dot products of `values` with `s` of the names `projection.0`, `projection.1`, ….
pub fn projections(values: &[f32], count: usize) -> Vec<f64> {
    (0..count)
        .map(|k| {
            let direction = signed(&format!("projection.{k}"));
            values.iter().zip(direction).map(|(value, s)| f64::from(*value) * s).sum()
        })
        .collect()
}

/// A classifier with every parameter and statistic filled, on the plain device.
pub fn filled<B: Architecture>(backbone: B, classes: usize, rule: &Rule) -> Classifier<B> {
    let model = backbone.with_zero_head(classes, &Device::flex());
    refill(model, rule, |name| Some(name.to_string()))
}

/// Gives every tensor, by its origin's name, the values of the name that `rename` answers, and leaves
/// it as it is where that is nothing.
pub fn refill<B: Architecture>(
    model: Classifier<B>,
    rule: &Rule,
    rename: impl Fn(&str) -> Option<String>,
) -> Classifier<B> {
    let names: HashMap<String, String> = parameters(&model)
        .into_iter()
        .map(|info| (info.path.clone(), origin_name(&model.backbone, &info.path)))
        .collect();
    let backbone = model.backbone.clone();
    map_values(model, |info| {
        let shape = origin_shape(&backbone, &info.path, &info.shape);
        let values = rename(&names[&info.path]).map(|name| fill(&name, &shape, rule))?;
        Some(order_here(&backbone, &info.path, &info.shape, values))
    })
}

/// The values of an activation, example after example.
pub fn rows(activation: Activation) -> Vec<f32> {
    activation.into_rows().unwrap()
}

/// `‖found − expected‖ / ‖expected‖`
pub fn deviation(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let difference = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    difference / norm(&mut expected.iter().copied())
}

/// The same for values of 32 bits.
pub fn deviation_f32(found: &[f32], expected: &[f32]) -> f64 {
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
    deviation(&wide(found), &wide(expected))
}
