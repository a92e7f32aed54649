//! What GPT-2 promises: the contract of a backbone, padding that changes nothing, files of all ages, a cache of the
//! past that changes no answer.

use std::collections::BTreeMap;

use crate::formula::{Rule, deviation_f32, filled, rows};
use burn::prelude::*;
use tl_core::parameters::parameters;
use tl_core::{Activation, Backbone, CausalCache, Pass, Past, Pieces, TokenPooling};
use tl_models::weights::{LoadReport, WeightsFile, save_safetensors};
use tl_models::{
    Architecture, Classifier, Gpt2, Gpt2Config, LoadOptions, Purpose, load, save, save_backbone,
};

fn small(purpose: Purpose) -> Gpt2Config {
    let mut config = Gpt2Config::default();
    (config.vocabulary, config.positions, config.width) = (50, 20, 32);
    (config.heads, config.depth, config.hidden) = (4, 3, 64);
    (config.end, config.padding, config.purpose) = (49, 49, purpose);
    config
}

const LAST: Purpose = Purpose::Vectors(TokenPooling::Last);

fn model(purpose: Purpose) -> Classifier<Gpt2> {
    filled(Gpt2::new(small(purpose), &Device::flex()), 3, &Rule::plain())
}

fn text(ids: &[u32]) -> Pieces {
    Pieces { ids: ids.to_vec(), segments: vec![0; ids.len()], ..Pieces::default() }
}

fn texts() -> Vec<Pieces> {
    vec![text(&[3, 9, 4]), text(&[5, 6, 7, 8, 9, 10, 11]), text(&[12])]
}

fn answer(model: &Classifier<Gpt2>, texts: Vec<Pieces>) -> Vec<f32> {
    let pass = Pass::default();
    rows(Activation::Vector(model.forward(Activation::Texts(texts), pass).unwrap()))
}

#[test]
fn every_tensor_has_one_stage_and_a_cut_anywhere_changes_nothing() {
    for purpose in [LAST, Purpose::Vectors(TokenPooling::Mean), Purpose::Language] {
        let backbone = model(purpose).backbone;
        let stages = backbone.stages();
        assert_eq!(stages.len(), 5);
        let tensors = parameters(&backbone).into_iter().map(|info| info.path);
        for path in tensors.chain(crate::training::flags(&backbone).into_keys()) {
            assert_eq!(stages.iter().filter(|stage| stage.owns(&path)).count(), 1, "{path}");
        }
        let pass = Pass::default();
        let input = || Activation::Texts(texts());
        let whole = rows(backbone.forward_stages(input(), 0..5, pass).unwrap());
        for cut in 1..=5 {
            let front = backbone.forward_stages(input(), 0..cut, pass).unwrap();
            let compiled = backbone.clone().train().compile(0..cut).forward(input()).unwrap();
            let off = deviation_f32(&rows(compiled), &rows(front.clone()));
            assert!(off <= 1e-5, "the compiled prefix 0..{cut} is off by {off:.1e}");
            let back = backbone.forward_stages(front, cut..5, pass).unwrap();
            assert!(rows(back) == whole, "0..{cut} and {cut}.. differ from all");
        }
        assert!(backbone.forward_stages(input(), 0..6, pass).is_err());
    }
}

#[test]
fn a_text_is_the_same_alone_and_beside_longer_ones() {
    for purpose in [LAST, Purpose::Vectors(TokenPooling::Mean)] {
        let model = model(purpose);
        let together = answer(&model, texts());
        for (number, text) in texts().into_iter().enumerate() {
            let off = deviation_f32(&answer(&model, vec![text]), &together[number * 3..][..3]);
            assert!(off < 1e-5, "{purpose:?}, text {number}: {off:.1e}");
        }
    }
}

#[test]
fn no_piece_sees_a_later_one() {
    let model = model(Purpose::Language);
    let logits = |ids: &[u32]| {
        let input = Activation::Texts(vec![text(ids)]);
        rows(model.backbone.forward_stages(input, 0..5, Pass::default()).unwrap())
    };
    let (one, other) = (logits(&[1, 2, 3, 4, 5]), logits(&[1, 2, 3, 40, 41]));
    assert_eq!(one.len(), 4 * 50);
    assert_eq!(one[..3 * 50], other[..3 * 50]);
    assert_ne!(one[3 * 50..], other[3 * 50..]);
}

#[test]
fn going_on_with_a_cache_gives_the_logits_of_the_whole_text() {
    let backbone = model(Purpose::Language).backbone;
    let ids: Vec<u32> = (0..20).map(|it| it * 7 % 49).collect();
    let whole = Activation::Texts(vec![text(&[&ids[..], &[0]].concat()[..20])]);
    let whole = rows(backbone.forward_stages(whole, 0..5, Pass::default()).unwrap());
    for first in [1, 5, 11] {
        let mut past = Past::default();
        let mut found = backbone.next_logits(&ids[..first], &mut past).unwrap();
        for place in first..20 {
            let logits = rows(Activation::Vector(found.clone()));
            let off = deviation_f32(&logits, &whole[(place - 1) * 50..][..50]);
            assert!(off < 1e-5, "{first} at once, piece {place}: {off:.1e}");
            found = backbone.next_logits(&ids[place..place + 1], &mut past).unwrap();
        }
        assert_eq!(past.pieces, 20);
        let fault = backbone.next_logits(&[1], &mut past).unwrap_err().to_string();
        assert!(fault.contains("up to 20 pieces"), "{fault}");
    }
    assert!(backbone.next_logits(&[], &mut Past::default()).is_err());
    assert!(backbone.next_logits(&[50], &mut Past::default()).is_err());
}

#[test]
fn an_empty_text_and_one_too_long_are_no_panic() {
    let found = answer(&model(LAST), vec![text(&[]), text(&[3])]);
    assert!(found.iter().all(|value| value.is_finite()));
    let language = model(Purpose::Language).backbone;
    let run = |texts: Vec<Pieces>| {
        language.forward_stages(Activation::Texts(texts), 0..5, Pass::default())
    };
    assert!(run(vec![text(&[]), text(&[3])]).unwrap_err().to_string().contains("two pieces"));
    assert!(run(vec![text(&[3; 21])]).unwrap_err().to_string().contains("up to 20"));
    assert!(run(vec![text(&[50])]).unwrap_err().to_string().contains("number 50"));
}

/// Writes the model's values under names that `rename` makes of the origin's, and loads the file into a network
/// with other values.
fn reloaded(
    model: &Classifier<Gpt2>,
    rename: impl Fn(&str) -> Option<String>,
    more: &[&str],
) -> Result<(Classifier<Gpt2>, LoadReport), String> {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.safetensors");
    save(&whole, model, &BTreeMap::new()).unwrap();
    let whole = WeightsFile::open(&whole).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for name in whole.names() {
        let (shape, values) = (whole.shape(name).unwrap().to_vec(), whole.values(name).unwrap());
        tensors.extend(rename(name).map(|name| (name, shape, values)));
    }
    tensors.extend(more.iter().map(|name| (name.to_string(), vec![2], vec![0.5, 1.5])));
    let path = folder.path().join("model.safetensors");
    save_safetensors(&path, &tensors, &[], &BTreeMap::new()).unwrap();
    let device = Device::flex();
    let into = Gpt2::new(model.backbone.config().clone(), &device).with_head(3, 9, &device);
    load(into, &WeightsFile::open(&path).unwrap(), LoadOptions::default())
        .map_err(|fault| fault.to_string())
}

#[test]
fn what_is_saved_is_loaded_bit_for_bit_with_and_without_the_prefix() {
    let model = model(LAST);
    let (loaded, report) = reloaded(&model, |name| Some(name.to_string()), &[]).unwrap();
    assert_eq!(crate::training::bits(&loaded), crate::training::bits(&model));
    assert!(report.missing.is_empty() && report.unused.is_empty(), "{report}");
    let old = |name: &str| Some(name.strip_prefix("transformer.").unwrap_or(name).to_string());
    let buffers = ["h.0.attn.bias", "h.2.attn.masked_bias", "lm_head.weight"];
    let (loaded, report) = reloaded(&model, old, &buffers).unwrap();
    assert_eq!(crate::training::bits(&loaded), crate::training::bits(&model), "{report}");
    assert_eq!(report.unused.len(), 3);
}

#[test]
fn matrices_are_written_the_way_round_that_the_origin_keeps_them() {
    let model = model(LAST);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alone.safetensors");
    save_backbone(&path, &model.backbone, &BTreeMap::new()).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    let name = "transformer.h.1.mlp.c_fc.weight";
    assert_eq!(file.shape(name).unwrap(), [32, 64]);
    let here = model.backbone.h[1].mlp.c_fc.weight.val();
    assert_eq!(here.dims(), [64, 32]);
    let turned: Vec<f32> = here.transpose().into_data().try_into_vec().unwrap();
    assert_eq!(file.values(name).unwrap(), turned);
}

#[test]
fn a_layer_that_is_missing_and_a_tensor_that_is_strange_are_errors() {
    let model = model(LAST);
    let lacking = |name: &str| (!name.contains("h.1.")).then(|| name.to_string());
    let message = reloaded(&model, lacking, &[]).unwrap_err();
    assert!(message.contains("lacks 12 of its tensors"), "{message}");
    let message = reloaded(&model, |name| Some(name.to_string()), &["h.0.other"]).unwrap_err();
    assert!(message.contains("h.0.other"), "{message}");
}
