//! What the recurrent network of texts promises: the contract of a backbone, PyTorch's values and gradients, padding that
//! changes nothing.

use std::collections::BTreeMap;

use crate::formula::{Rule, deviation, deviation_f32, filled, rows};
use crate::recorded::{Fixture, gradient_deviation};
use burn::prelude::*;
use tl_core::parameters::parameters;
use tl_core::{Activation, Backbone, Pass, Pieces, TokenPooling};
use tl_models::load::origin_name;
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, Classifier, LoadOptions, Lstm, LstmConfig, load, save};

const CASES: [&str; 3] = ["lstm", "lstm_both", "lstm_deep"];
/// Of values and gradients.
const MOST_DEVIATION: f64 = 1e-5;

fn recorded(name: &str) -> (Fixture, Classifier<Lstm>) {
    let fixture = Fixture::read(name);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, fixture.config.to_string()).unwrap();
    let network = Lstm::new(LstmConfig::read(&path).unwrap(), &Device::flex());
    let model = filled(network, fixture.classes, &fixture.rule);
    (fixture, model)
}

#[test]
fn outputs_logits_and_all_gradients_are_torchs_with_packed_lengths() {
    for name in CASES {
        let (fixture, model) = recorded(name);
        let entries: BTreeMap<String, Vec<usize>> = parameters(&model)
            .into_iter()
            .map(|info| (origin_name(&model.backbone, &info.path), info.shape))
            .collect();
        assert_eq!(entries, fixture.entries, "{name}");
        let batch = || fixture.batch(&fixture.eval);
        let stages = model.backbone.stages().len();
        for (range, expected) in [0..1, 0..stages].into_iter().zip(&fixture.hidden) {
            let state = model.backbone.forward_stages(batch(), range, Pass::default()).unwrap();
            let off = expected.deviation(&without_padding(state));
            assert!(off <= MOST_DEVIATION, "{name}: outputs {off:.1e}");
        }
        let model = model.train();
        let logits = model.forward(batch().autodiff(), Pass::default()).unwrap();
        let values = rows(Activation::Vector(logits.clone().without_autodiff()));
        let values: Vec<f64> = values.into_iter().map(f64::from).collect();
        let off = deviation(&values, &fixture.eval.logits.concat());
        let loss = crate::training::cross_entropy(logits, &fixture.labels);
        let found = f64::from(loss.clone().into_scalar::<f32>());
        assert!((found - fixture.eval.loss).abs() <= MOST_DEVIATION, "{name}: loss {found}");
        let gradients = gradient_deviation(&model, &loss.backward(), &fixture.eval.gradients);
        println!("{name}: logits {off:.1e}, gradients {gradients:.1e}");
        assert!(off <= MOST_DEVIATION, "{name}: logits {off:.1e}");
        assert!(gradients <= MOST_DEVIATION, "{name}: gradients {gradients:.1e}");
    }
}

fn without_padding(state: Activation) -> Vec<f32> {
    let tokens = state.clone().into_tokens("test").unwrap();
    let [_, longest, width] = tokens.hidden.dims();
    let all = rows(state);
    let texts = all.chunks(longest * width).zip(tokens.lengths.unwrap());
    texts.flat_map(|(text, length)| text[..length * width].to_vec()).collect()
}

fn small(pooling: TokenPooling) -> Classifier<Lstm> {
    let both_directions = pooling != TokenPooling::Last;
    let config = LstmConfig {
        vocabulary: 50,
        embedding: 12,
        hidden: 20,
        depth: 3,
        both_directions,
        pooling,
        ..LstmConfig::default()
    };
    filled(Lstm::new(config, &Device::flex()), 3, &Rule::plain())
}

fn texts() -> Vec<Pieces> {
    let text = |ids: &[u32]| Pieces {
        ids: ids.to_vec(),
        segments: vec![0; ids.len()],
        ..Pieces::default()
    };
    vec![text(&[3, 9, 4]), text(&[5, 6, 7, 8, 9, 10, 11]), text(&[12]), text(&[])]
}

#[test]
fn every_tensor_has_one_stage_and_a_cut_anywhere_changes_nothing() {
    for pooling in [TokenPooling::Mean, TokenPooling::Last, TokenPooling::Each] {
        let backbone = small(pooling).backbone;
        let stages = backbone.stages();
        assert_eq!(stages.len(), 4);
        let tensors = parameters(&backbone).into_iter().map(|info| info.path);
        for path in tensors.chain(crate::training::flags(&backbone).into_keys()) {
            assert_eq!(stages.iter().filter(|stage| stage.owns(&path)).count(), 1, "{path}");
        }
        let pass = Pass::default();
        let input = || Activation::Texts(texts());
        let whole = rows(backbone.forward_stages(input(), 0..4, pass).unwrap());
        for cut in 1..=4 {
            let front = backbone.forward_stages(input(), 0..cut, pass).unwrap();
            let compiled = backbone.clone().train().compile(0..cut).forward(input()).unwrap();
            let off = deviation_f32(&rows(compiled), &rows(front.clone()));
            assert!(off <= 1e-5, "the compiled prefix 0..{cut} is off by {off:.1e}");
            let back = backbone.forward_stages(front, cut..4, pass).unwrap();
            assert!(rows(back) == whole, "0..{cut} and {cut}.. differ from all");
        }
        assert!(backbone.forward_stages(input(), 0..5, pass).is_err());
    }
}

#[test]
fn a_text_is_the_same_alone_and_beside_longer_ones() {
    for pooling in [TokenPooling::Mean, TokenPooling::Last] {
        let model = small(pooling);
        let answer = |texts| {
            let logits = model.forward(Activation::Texts(texts), Pass::default()).unwrap();
            rows(Activation::Vector(logits))
        };
        let together = answer(texts());
        for (number, text) in texts().into_iter().enumerate() {
            let off = deviation_f32(&answer(vec![text]), &together[number * 3..][..3]);
            assert!(off < 1e-5, "{pooling:?}, text {number}: {off:.1e}");
        }
    }
}

#[test]
fn a_saved_file_loads_whole_and_other_numbers_of_pieces_are_refused() {
    let model = small(TokenPooling::Mean);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, &model, &BTreeMap::new()).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(file.shape("lstm.weight_hh_l2_reverse"), Some([80, 20].as_slice()));
    let config = model.backbone.config().clone();
    let empty = Lstm::new(config, &Device::flex()).with_head(3, 1, &Device::flex());
    let (loaded, report) = load(empty, &file, LoadOptions::default()).unwrap();
    assert_eq!((report.missing.len(), report.unused.len()), (0, 0));
    let input = || Activation::Texts(texts());
    let answer = |model: &Classifier<Lstm>| {
        rows(Activation::Vector(model.forward(input(), Pass::default()).unwrap()))
    };
    assert!(answer(&loaded) == answer(&model));
    let unknown = Pieces { ids: vec![50], segments: vec![0], ..Pieces::default() };
    let refused = model.forward(Activation::Texts(vec![unknown]), Pass::default());
    assert!(refused.unwrap_err().to_string().contains("50"), "an unknown piece");
}
