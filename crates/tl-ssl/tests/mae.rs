//! The masked autoencoder against transformers', on weights that one formula fills in both.
//!
//! The expected numbers are recorded in f64 by `xtask/parity/record_mae.py`.

use std::collections::BTreeMap;

use crate::formula::{Rule, deviation, fill, filled, images, projections};
use crate::support::gradients_of;
use burn::module::Module;
use burn::prelude::*;
use serde::Deserialize;
use tl_core::parameters::{Control, is_statistic, map_values, set_trained};
use tl_core::{Backbone, VisibleTokens};
use tl_models::{Vit, VitConfig, VitSize};
use tl_ssl::methods::{Mae, Mask};
use tl_ssl::{Decoder, DecoderShape, Method, Sizes, SslError};

#[derive(Deserialize)]
struct Fixture {
    input_shape: [usize; 4],
    patch: usize,
    depth: usize,
    mask_ratio: f64,
    decoder: DecoderShape,
    orders: Vec<Vec<usize>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    normalise: bool,
    loss: f64,
    gradients: BTreeMap<String, Gradient>,
}

#[derive(Deserialize)]
struct Gradient {
    norm: f64,
    projections: Vec<f64>,
}

#[derive(Module, Debug)]
struct Both {
    backbone: Vit,
    decoder: Decoder,
}

fn both(fixture: &Fixture) -> Both {
    let device = Device::flex();
    let config = VitConfig::new(VitSize::Tiny, fixture.patch, fixture.input_shape[2]);
    let vit = Vit::new(config.depth(fixture.depth), &device);
    let backbone = filled(vit, 2, &Rule::plain()).backbone;
    let values = 3 * fixture.patch.pow(2);
    let decoder = Decoder::new(fixture.decoder, backbone.embedding_width(), values, &device);
    let decoder = map_values(decoder, |info| {
        Some(fill(&format!("decoder.{}", info.path), &info.shape, &Rule::plain()))
    });
    set_trained(Both { backbone, decoder }.train(), |path, control| match control {
        Control::Gradient => !is_statistic(path),
        Control::Flag => true,
    })
}

fn fixture() -> Fixture {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/mae.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn masks(fixture: &Fixture) -> Vec<Mask> {
    let of = |order: &Vec<usize>| Mask::of_order(order.clone(), fixture.mask_ratio);
    fixture.orders.iter().map(of).collect()
}

#[test]
fn loss_and_gradients_are_those_of_transformers() {
    let fixture = fixture();
    let images = images("input", fixture.input_shape).autodiff();
    for case in &fixture.cases {
        let both = both(&fixture);
        let mae = Mae { normalise: case.normalise, ..Mae::default() };
        let found = mae.losses_with(&both.backbone, &both.decoder, &images, &masks(&fixture));
        let loss = found.unwrap().0.mean();
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let off = (value - case.loss).abs() / case.loss;
        assert!(off < 1e-4, "loss {value} should be {}", case.loss);
        let gradients = gradients_of(&both, &loss.backward());
        let mut worst = 0f64;
        for (name, expected) in &case.gradients {
            let path = if name.starts_with("decoder.") {
                name.clone()
            } else {
                format!("backbone.{name}")
            };
            let values = &gradients[&path];
            let norm = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let projected = projections(values, expected.projections.len());
            let off = deviation(&projected, &expected.projections)
                .max((norm - expected.norm).abs() / expected.norm);
            assert!(off < 1e-3, "{name}: {off:.1e}");
            worst = worst.max(off);
        }
        println!("normalise {}: loss {off:.1e}, gradients {worst:.1e}", case.normalise);
    }
}

/// The comparison can fail: another mask, and patches without their normalisation, are noticed.
#[test]
fn another_mask_is_another_loss() {
    let fixture = fixture();
    let images = images("input", fixture.input_shape).autodiff();
    let both = both(&fixture);
    let mut masks = masks(&fixture);
    masks[0].visible.swap(0, 1);
    let mae = Mae::default();
    let loss = |masks: &[Mask]| {
        let found = mae.losses_with(&both.backbone, &both.decoder, &images, masks);
        f64::from(found.unwrap().0.mean().into_scalar::<f32>())
    };
    // The order of visible patches is no matter.
    let same = (loss(&masks) - fixture.cases[0].loss).abs() / fixture.cases[0].loss;
    assert!(same < 1e-5, "{same:.1e}");
    let (visible, hidden) = (masks[0].visible[0], masks[0].hidden[0]);
    masks[0].visible[0] = hidden;
    masks[0].hidden[0] = visible;
    let other = (loss(&masks) - fixture.cases[0].loss).abs() / fixture.cases[0].loss;
    assert!(other > 1e-3, "{other:.1e}");
}

/// The slope along a direction is the gradient's product with it.
#[test]
fn the_loss_falls_along_its_gradient() {
    let fixture = fixture();
    let images = images("input", fixture.input_shape).autodiff();
    let both = both(&fixture);
    let mae = Mae::default();
    let loss = |both: &Both| {
        let found = mae.losses_with(&both.backbone, &both.decoder, &images, &masks(&fixture));
        found.unwrap().0.mean()
    };
    let start = loss(&both);
    let gradients = gradients_of(&both, &start.backward());
    for path in ["backbone.blocks.0.attn.qkv.weight", "backbone.cls_token", "decoder.mask_token"] {
        let gradient = &gradients[path];
        let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
        let step = 1e-2 / squares.sqrt();
        let moved = |sign: f64| {
            let both = map_values(both.clone(), |info| {
                (info.path == path).then(|| {
                    let mut old = Vec::new();
                    tl_core::parameters::visit_parameters(&both, |other, tensor| {
                        if other.path == path {
                            old = tl_core::parameters::values(tensor).unwrap();
                        }
                    });
                    old.iter()
                        .zip(gradient)
                        .map(|(value, g)| (f64::from(*value) + sign * step * f64::from(*g)) as f32)
                        .collect()
                })
            });
            f64::from(loss(&both).into_scalar::<f32>())
        };
        let slope = (moved(1.0) - moved(-1.0)) / (2.0 * step);
        assert!((slope - squares).abs() < 0.02 * squares, "{path}: {slope} against {squares}");
    }
}

#[test]
fn a_ratio_that_hides_nothing_or_everything_is_an_error() {
    let vit = crate::support::small_vit(1);
    let sizes = Sizes { embedding: 192, image: 28 };
    for (mask_ratio, part) in
        [(0.0, "larger"), (1.0, "smaller"), (0.99, "smaller"), (-0.1, "between")]
    {
        let mae = Mae { mask_ratio, ..Mae::default() };
        let error = mae.heads(&vit, sizes, 1, &Device::flex()).unwrap_err();
        assert!(matches!(error, SslError::BadOption { .. }));
        assert!(error.to_string().contains(part), "{error}");
    }
    // Images smaller than a patch.
    let error = Mae::default().heads(&vit, Sizes { image: 6, ..sizes }, 1, &Device::flex());
    assert!(error.unwrap_err().to_string().contains("patches of 7 pixels"));
}

#[test]
fn the_pictures_show_visible_patches_as_they_are_and_hidden_ones_grey() {
    let vit = crate::support::small_vit(1);
    let sizes = Sizes { embedding: 192, image: 28 };
    let mae = Mae::default();
    let decoder = mae.heads(&vit, sizes, 1, &Device::flex()).unwrap();
    let shown = mae.show(&vit, &decoder, images("input", [2, 3, 28, 28]), 5).unwrap();
    assert_eq!(shown.len(), 2);
    let grid = vit.patch_grid(28, 28).unwrap();
    for pictures in shown {
        let names: Vec<&str> = pictures.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["original", "masked", "reconstruction"]);
        let [original, masked, filled] = [0, 1, 2].map(|at| {
            let data = TensorData::new(pictures[at].1.clone(), [1, 3, 28, 28]);
            let patches = grid.patchify(Tensor::from_data(data, &Device::flex()));
            patches.into_data().try_into_vec::<f32>().unwrap()
        });
        let mut hidden = 0;
        for at in (0..original.len()).step_by(147) {
            let part = at..at + 147;
            if masked[part.clone()].iter().all(|value| *value == 0.0) {
                hidden += 1;
                assert_ne!(filled[part.clone()], original[part]);
            } else {
                assert_eq!(masked[part.clone()], original[part.clone()]);
                assert_eq!(filled[part.clone()], original[part]);
            }
        }
        assert_eq!(hidden, 12);
    }
}
