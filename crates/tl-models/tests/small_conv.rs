//! The small convolutional network against PyTorch, on weights that one formula fills in both.
//!
//! The expected numbers are recorded in f64 by `xtask/parity/record_small_conv.py`.

use crate::formula::{Rule, deviation_f32, filled, images, rows};
use burn::module::Module;
use burn::prelude::*;
use serde::Deserialize;
use tl_core::parameters::{parameters, values, visit_parameters};
use tl_core::{Activation, Pass};
use tl_models::SmallConv;
use tl_models::load::origin_name;

#[derive(Deserialize)]
struct Fixture {
    #[serde(flatten)]
    rule: Rule,
    eval: Vec<Vec<f32>>,
    train: Vec<Vec<f32>>,
    running_mean_norm: f64,
    running_var_norm: f64,
    names: Vec<String>,
}

#[test]
fn logits_and_statistics_are_pytorchs() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/small_conv.json")).unwrap();
    let model = filled(SmallConv::new(&Device::flex()), 10, &fixture.rule);
    let mut names: Vec<String> = parameters(&model)
        .into_iter()
        .map(|info| origin_name(&model.backbone, &info.path))
        .collect();
    names.sort();
    assert_eq!(names, fixture.names);
    let input = || images("input", [2, 3, 28, 28]);
    let logits = model.forward(Activation::image(input()), Pass::default()).unwrap();
    assert!(deviation_f32(&rows(Activation::Vector(logits)), &fixture.eval.concat()) < 1e-4);
    let model = model.train();
    let logits = model.forward(Activation::image(input()).autodiff(), Pass::default()).unwrap();
    let logits = rows(Activation::Vector(logits).without_autodiff());
    assert!(deviation_f32(&logits, &fixture.train.concat()) < 1e-4);
    visit_parameters(&model, |info, value| {
        let expected = match info.path.as_str() {
            "backbone.blocks.1.norm.running_mean" => fixture.running_mean_norm,
            "backbone.blocks.1.norm.running_var" => fixture.running_var_norm,
            _ => return,
        };
        let squares = values(value).unwrap().into_iter().map(|v| f64::from(v) * f64::from(v));
        let found = squares.sum::<f64>().sqrt();
        assert!((found / expected - 1.0).abs() < 1e-4, "{}: {found} {expected}", info.path);
    });
}
