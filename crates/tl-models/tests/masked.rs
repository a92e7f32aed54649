//! Masked language models: transformers' numbers, the contract of a backbone, files with and without what predicts pieces.

use std::collections::BTreeMap;

use crate::formula::{Rule, deviation_f32, filled, refill, rows};
use crate::recorded::{Fixture, gradient_deviation};
use crate::training::cross_entropy;
use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{Control, parameters, set_trained};
use tl_core::{Activation, Backbone, Pass, Pieces};
use tl_models::load::{origin_name, origin_shape};
use tl_models::weights::{LoadReport, WeightsFile};
use tl_models::{
    Architecture, Classifier, Encoder, EncoderConfig, Family, LoadOptions, load, save_backbone,
};

fn read(config: &serde_json::Value, family: Family) -> EncoderConfig {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, config.to_string()).unwrap();
    let mut config = EncoderConfig::read(&path, family).unwrap();
    config.predicts = true;
    config
}

fn logits(model: &Classifier<Encoder>, batch: Activation) -> Tensor<2> {
    let stages = model.backbone.stages().len();
    let found = model.backbone.forward_stages(batch, 0..stages, Pass::default());
    found.unwrap().pooled().unwrap()
}

fn values(logits: Tensor<2>) -> Vec<f32> {
    rows(Activation::Vector(logits.without_autodiff()))
}

/// Logits of the places that are asked for within 1e-4, gradients within 1e-3.
fn check(name: &str, family: Family) {
    let fixture = Fixture::read(name);
    let network = Encoder::new(read(&fixture.config, family), &Device::flex());
    let model = filled(network, 1, &fixture.rule);
    let entries: BTreeMap<String, Vec<usize>> = parameters(&model)
        .into_iter()
        .filter(|info| !info.path.starts_with("head."))
        .map(|info| {
            let name = origin_name(&model.backbone, &info.path);
            (name, origin_shape(&model.backbone, &info.path, &info.shape))
        })
        .collect();
    assert_eq!(entries, fixture.entries);
    let expected = &fixture.hidden[0];
    let off = expected.deviation(&values(logits(&model, fixture.batch(&fixture.eval))));
    assert!(off <= 1e-4, "{name}: logits on the plain device {off:.1e}");

    let trained = set_trained(model.clone().train(), |_, control| control == Control::Gradient);
    let found = logits(&trained, fixture.batch(&fixture.eval).autodiff());
    let off = expected.deviation(&values(found.clone()));
    let loss = cross_entropy(found, &fixture.labels);
    let found_loss = f64::from(loss.clone().into_scalar::<f32>());
    let gradient_off = gradient_deviation(&trained, &loss.backward(), &fixture.eval.gradients);
    println!("{name} logits {off:.1e} gradients {gradient_off:.1e}");
    assert!(off <= 1e-4, "{name}: logits {off:.1e}");
    let loss_off = (found_loss - fixture.eval.loss).abs() / fixture.eval.loss;
    assert!(loss_off <= 1e-4, "{name}: loss {found_loss}");
    assert!(gradient_off <= 1e-3, "{name}: gradients {gradient_off:.1e}");

    // The comparison can fail: the two vectors of the last norm, or another bias, are noticed.
    let bias = origin_name(&model.backbone, "backbone.prediction.bias");
    let swapped =
        refill(model, &fixture.rule, |name| (name == bias).then(|| "another.bias".to_string()));
    let off = expected.deviation(&values(logits(&swapped, fixture.batch(&fixture.eval))));
    assert!(off > 1e-3, "{name}: another bias moves nothing, {off:.1e}");
}

#[test]
fn logits_and_gradients_of_all_families_are_those_of_transformers() {
    check("bert_masked", Family::Bert);
    check("roberta_masked", Family::Roberta);
    check("distilbert_masked", Family::DistilBert);
}

fn small(family: Family, predicts: bool) -> EncoderConfig {
    let mut config = EncoderConfig::base(family);
    (config.vocabulary, config.width, config.heads) = (50, 32, 4);
    (config.depth, config.hidden) = (2, 64);
    config.positions = 20 + config.first_position;
    config.predicts = predicts;
    config
}

fn model(family: Family, predicts: bool) -> Classifier<Encoder> {
    filled(Encoder::new(small(family, predicts), &Device::flex()), 2, &Rule::plain())
}

fn text(ids: &[u32], asked: &[usize]) -> Pieces {
    Pieces { ids: ids.to_vec(), segments: vec![0; ids.len()], asked: asked.to_vec() }
}

#[test]
fn every_tensor_has_one_stage_and_a_cut_anywhere_changes_nothing() {
    let texts = || Activation::Texts(vec![text(&[3, 9, 4], &[1]), text(&[5, 6, 7, 8, 9], &[0, 4])]);
    for family in Family::ALL {
        let backbone = model(family, true).backbone;
        let stages = backbone.stages();
        assert_eq!(stages.last().unwrap().name, "prediction");
        let tensors = parameters(&backbone).into_iter().map(|info| info.path);
        for path in tensors.chain(crate::training::flags(&backbone).into_keys()) {
            assert_eq!(stages.iter().filter(|stage| stage.owns(&path)).count(), 1, "{path}");
        }
        let pass = Pass::default();
        let whole = rows(backbone.forward_stages(texts(), 0..stages.len(), pass).unwrap());
        assert_eq!(whole.len(), 3 * 50);
        for cut in 1..stages.len() {
            let front = backbone.clone().train().compile(0..cut).forward(texts()).unwrap();
            let back = backbone.forward_stages(front, cut..stages.len(), pass).unwrap();
            let off = deviation_f32(&rows(back), &whole);
            assert!(off < 1e-5, "0..{cut} and {cut}.. differ from all by {off:.1e}");
        }
        // A place has the same answer alone and beside a longer text; where nothing is asked there is none.
        let alone = Activation::Texts(vec![text(&[3, 9, 4], &[1])]);
        let alone = rows(backbone.forward_stages(alone, 0..stages.len(), pass).unwrap());
        assert!(deviation_f32(&alone, &whole[..50]) < 1e-5);
        let none = Activation::Texts(vec![text(&[3, 9, 4], &[])]);
        let fault = backbone.forward_stages(none, 0..stages.len(), pass).unwrap_err();
        assert!(fault.to_string().contains("hidden piece"), "{fault}");
    }
}

fn reloaded(from: &Encoder, into: EncoderConfig) -> (Classifier<Encoder>, LoadReport) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save_backbone(&path, from, &BTreeMap::new()).unwrap();
    let device = Device::flex();
    let into = Encoder::new(into, &device).with_head(2, 9, &device);
    load(into, &WeightsFile::open(&path).unwrap(), LoadOptions::default()).unwrap()
}

#[test]
fn a_file_gives_back_what_it_holds_and_leaves_fresh_or_aside_what_the_other_purpose_needs() {
    for family in Family::ALL {
        let language = model(family, true).backbone;
        let (again, report) = reloaded(&language, small(family, true));
        assert_eq!(
            crate::training::bits(&again.backbone),
            crate::training::bits(&language),
            "{report}"
        );
        assert!(report.unused.is_empty(), "{report}");
        // For a classifier the encoder is taken, and what predicts pieces is passed over.
        let (_, report) = reloaded(&language, small(family, false));
        assert_eq!(report.unused.len(), 5, "{report}");
        // And the other way round it begins fresh.
        let (fresh, report) = reloaded(&model(family, false).backbone, small(family, true));
        let prediction = fresh.backbone.prediction.as_ref().unwrap();
        assert!(report.missing.contains(&origin_name(&fresh.backbone, "backbone.prediction.bias")));
        assert!(
            rows(Activation::Vector(prediction.bias.val().unsqueeze())).iter().all(|it| *it == 0.0)
        );
        let config = language.config().to_json(&[]);
        let class = config["architectures"][0].as_str().unwrap();
        assert!(class.ends_with("ForMaskedLM") && config.get("id2label").is_none(), "{config}");
    }
}
