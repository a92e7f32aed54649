//! Every architecture against torchvision, timm or transformers, on weights that one formula fills in both.
//!
//! The expected numbers are recorded in f64 by `xtask/parity/record_models.py`, `record_vit.py`, `record_encoders.py` and
//! `record_gpt2.py`; those of masked language models stand in `masked.rs`.

use std::collections::{BTreeMap, HashMap};

use crate::formula::{deviation, filled, refill, rows, signed};
use crate::recorded::{Fixture, Mode, Names, entries, gradient_deviation};
use crate::training::{cross_entropy, is_random};
use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{
    Control, is_statistic, parameters, set_trained, values, visit_parameters,
};
use tl_core::{Activation, Pass};
use tl_models::load::origin_name;
use tl_models::{Architecture, Classifier};

const MOST_LOGIT_DEVIATION: f64 = 1e-4;
const MOST_GRADIENT_DEVIATION: f64 = 1e-3;
const MOST_STATISTIC_DEVIATION: f64 = 1e-4;

/// Logits of a batch, on whichever device it is.
fn logits<B: Architecture>(model: &Classifier<B>, batch: Activation) -> Tensor<2> {
    model.forward(batch, Pass::default()).unwrap()
}

fn logit_deviation(found: Tensor<2>, expected: &[Vec<f64>]) -> f64 {
    let found = found.without_autodiff().into_data().try_into_vec::<f32>().unwrap();
    let found: Vec<f64> = found.into_iter().map(f64::from).collect();
    deviation(&found, &expected.concat())
}

/// The largest relative error of the norms of the recorded statistics.
fn statistic_deviation<B: Architecture>(
    model: &Classifier<B>,
    expected: &BTreeMap<String, f64>,
) -> f64 {
    let (mut worst, mut seen) = (0.0f64, 0);
    visit_parameters(model, |info, tensor| {
        if let Some(norm) = expected.get(&origin_name(&model.backbone, &info.path)) {
            let squares: f64 = values(tensor).unwrap().iter().map(|v| f64::from(*v).powi(2)).sum();
            worst = worst.max((squares.sqrt() - norm).abs() / norm);
            seen += 1;
        }
    });
    assert_eq!(seen, expected.len());
    worst
}

/// Forward, loss, backward with every parameter trained, norms in `training` or not, dropout off.
fn check_pass<B: Architecture>(
    model: &Classifier<B>,
    fixture: &Fixture,
    mode: &Mode,
    training: bool,
) {
    let model = set_trained(model.clone().train(), |path, control| match control {
        Control::Gradient => !is_statistic(path),
        Control::Flag => training && !is_random(path),
    });
    let logits = logits(&model, fixture.batch(mode).autodiff());
    let off = logit_deviation(logits.clone(), &mode.logits);
    let loss = cross_entropy(logits, &fixture.labels);
    let found_loss = f64::from(loss.clone().into_scalar::<f32>());
    let loss_off = (found_loss - mode.loss).abs() / mode.loss;
    let gradient_off = gradient_deviation(&model, &loss.backward(), &mode.gradients);
    let statistic_off = statistic_deviation(&model, &mode.statistics);
    println!(
        "{:12} {:5} logits {off:.1e} loss {loss_off:.1e} gradients {gradient_off:.1e} \
         statistics {statistic_off:.1e}",
        fixture.architecture,
        if training { "train" } else { "eval" }
    );
    assert!(off <= MOST_LOGIT_DEVIATION, "logits {off:.1e}");
    assert!(loss_off <= MOST_LOGIT_DEVIATION, "loss {found_loss} against {}", mode.loss);
    assert!(gradient_off <= MOST_GRADIENT_DEVIATION, "gradients {gradient_off:.1e}");
    assert!(statistic_off <= MOST_STATISTIC_DEVIATION, "statistics {statistic_off:.1e}");
}

fn check<B: Architecture>(backbone: B) {
    check_against(backbone.name(), backbone);
}

fn check_against<B: Architecture>(fixture: &str, backbone: B) {
    let fixture = Fixture::read(fixture);
    let model = filled(backbone, fixture.classes, &fixture.rule);

    assert_eq!(entries(&model), fixture.entries);

    let batch = fixture.batch(&fixture.eval);
    let off = logit_deviation(logits(&model, batch.clone()), &fixture.eval.logits);
    println!("{:12} plain logits {off:.1e}", fixture.architecture);
    assert!(off <= MOST_LOGIT_DEVIATION, "logits on the plain device {off:.1e}");

    check_pass(&model, &fixture, &fixture.eval, false);
    check_pass(&model, &fixture, &fixture.train, true);

    // The comparison can fail: two weights of one shape, swapped, are noticed.
    let (one, other) = weights_of_one_shape(&fixture.entries);
    let off = deviation_when_swapped(model, &fixture, batch, &one, &other);
    println!("{:12} {one} and {other} swapped: {off:.1e}", fixture.architecture);
    assert!(off > 10.0 * MOST_LOGIT_DEVIATION, "{one} and {other} swapped: {off:.1e}");
}

/// Two convolutions, or in a network without a second one two matrices.
fn weights_of_one_shape(entries: &BTreeMap<String, Vec<usize>>) -> (String, String) {
    for rank in [4, 2] {
        let mut seen: BTreeMap<&[usize], &str> = BTreeMap::new();
        for (name, shape) in entries.iter().filter(|(_, shape)| shape.len() == rank) {
            if let Some(first) = seen.insert(shape, name) {
                return (first.to_string(), name.clone());
            }
        }
    }
    panic!("no two weights have one shape");
}

fn deviation_when_swapped<B: Architecture>(
    model: Classifier<B>,
    fixture: &Fixture,
    batch: Activation,
    one: &str,
    other: &str,
) -> f64 {
    let swapped = refill(model, &fixture.rule, |name| match name {
        name if name == one => Some(other.to_string()),
        name if name == other => Some(one.to_string()),
        _ => None,
    });
    logit_deviation(logits(&swapped, batch), &fixture.eval.logits)
}

mod logits_gradients_and_statistics_are_torchvisions {
    crate::for_every_architecture!(super::check);
}

fn check_names<B: Architecture>(backbone: B) {
    let names = Names::read(backbone.name());
    let model = backbone.with_zero_head(names.classes, &Device::flex());
    assert_eq!(entries(&model), names.entries);
}

mod names_and_shapes_of_larger_networks_are_torchvisions {
    crate::for_every_architecture!(larger: super::check_names);
}

/// `xtask/parity/record_inception.py`: the last classifier's loss and 0.4 times the auxiliary one's, in training.
#[test]
fn inceptions_auxiliary_logits_loss_and_gradients_are_torchvisions() {
    use tl_core::{Backbone, Head};

    let fixture = Fixture::read("inception_v3_auxiliary");
    let (mode, halfway) = (&fixture.train, &fixture.auxiliary);
    let network = tl_models::InceptionV3::new(&Device::flex());
    let model = filled(network, fixture.classes, &fixture.rule).train();
    let model = set_trained(model, |path, control| match control {
        Control::Gradient => !is_statistic(path),
        Control::Flag => !is_random(path),
    });
    let stages = model.backbone.stages().len();
    let (batch, pass) = (fixture.batch(mode).autodiff(), Pass::default());
    let (features, answered) = model.backbone.forward_training(batch, 0..stages, pass).unwrap();
    let (logits, answered) = (model.head.forward(features, pass).unwrap(), answered.unwrap());
    let off = logit_deviation(logits.clone(), &mode.logits);
    let halfway_off = logit_deviation(answered.clone(), halfway);
    let of = |logits: Tensor<2>| cross_entropy(logits, &fixture.labels);
    let loss = of(logits) + of(answered).mul_scalar(0.4);
    let found_loss = f64::from(loss.clone().into_scalar::<f32>());
    let gradient_off = gradient_deviation(&model, &loss.backward(), &mode.gradients);
    println!(
        "inception_v3 logits {off:.1e} auxiliary {halfway_off:.1e} loss {found_loss} gradients {gradient_off:.1e}"
    );
    assert!(off <= MOST_LOGIT_DEVIATION, "logits {off:.1e}");
    assert!(halfway_off <= MOST_LOGIT_DEVIATION, "auxiliary logits {halfway_off:.1e}");
    assert!((found_loss - mode.loss).abs() <= MOST_LOGIT_DEVIATION * mode.loss, "{found_loss}");
    assert!(gradient_off <= MOST_GRADIENT_DEVIATION, "gradients {gradient_off:.1e}");

    // Where it stands still it is not asked, nor where images leave no place for it.
    let small = |model: &Classifier<tl_models::InceptionV3>, side: usize| {
        let batch =
            Activation::image(crate::formula::images("input", [2, 3, side, side])).autodiff();
        model.backbone.forward_training(batch, 0..stages, pass).unwrap().1
    };
    assert!(small(&model, 139).is_none());
    assert_eq!(small(&model, 299).unwrap().dims(), [2, fixture.classes]);
    let still = set_trained(model, |path, control| match control {
        Control::Gradient => !is_statistic(path) && !path.contains("auxiliary"),
        Control::Flag => !is_random(path),
    });
    assert!(small(&still, 299).is_none());
}

mod logits_and_gradients_are_timms {
    use tl_core::TokenPooling;
    use tl_models::{Vit, VitConfig, VitSize};

    fn check(fixture: &str, config: VitConfig) {
        super::check_against(fixture, Vit::new(config, &super::Device::flex()));
    }

    #[test]
    fn three_sizes() {
        check("vit_tiny", VitConfig::new(VitSize::Tiny, 16, 64));
        check("vit_small", VitConfig::new(VitSize::Small, 16, 64));
        check("vit_base", VitConfig::new(VitSize::Base, 16, 64));
    }

    #[test]
    fn small_patches_and_the_mean_of_the_patches() {
        let config = VitConfig::new(VitSize::Tiny, 4, 28).depth(6);
        check("vit_tiny_patch4_mean", VitConfig { pooling: TokenPooling::Mean, ..config });
    }

    #[test]
    fn the_kinds_of_dinov2_and_clip() {
        let config = VitConfig::new(VitSize::Small, 14, 56);
        check("vit_small_dinov2", config.dinov2(0));
        check("vit_small_dinov2_registers", config.dinov2(4));
        check("vit_tiny_clip", VitConfig::new(VitSize::Tiny, 16, 64).clip(true));
    }

    #[test]
    fn images_of_another_size_than_the_network_was_built_for() {
        check("vit_tiny_larger", VitConfig::new(VitSize::Tiny, 16, 64));
        check("vit_tiny_smaller", VitConfig::new(VitSize::Tiny, 16, 64));
    }
}

mod hidden_states_logits_and_gradients_are_those_of_transformers {
    use tl_core::{Activation, Backbone, Pass};
    use tl_models::{Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, Purpose};

    use super::{Fixture, check_against, cross_entropy, filled, gradient_deviation, rows};

    fn check(name: &str, family: Family) {
        let fixture = Fixture::read(name);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, fixture.config.to_string()).unwrap();
        let config = EncoderConfig::read(&path, family).unwrap();
        let encoder = Encoder::new(config, &super::Device::flex());
        let model = filled(encoder.clone(), fixture.classes, &fixture.rule);
        let mut state = fixture.batch(&fixture.eval);
        for (stage, expected) in fixture.hidden.iter().enumerate() {
            let next = model.backbone.forward_stages(state, stage..stage + 1, Pass::default());
            state = next.unwrap();
            let off = expected.deviation(&without_padding(&state));
            assert!(off <= super::MOST_LOGIT_DEVIATION, "{name}, stage {stage}: {off:.1e}");
        }
        check_against(name, encoder);
    }

    fn without_padding(state: &Activation) -> Vec<f32> {
        let tokens = state.clone().into_tokens("test").unwrap();
        let [_, longest, width] = tokens.hidden.dims();
        let all = rows(state.clone());
        let texts = all.chunks(longest * width).zip(tokens.lengths.unwrap());
        texts.flat_map(|(text, length)| text[..length * width].to_vec()).collect()
    }

    #[test]
    fn of_base_size() {
        check("bert", Family::Bert);
        check("roberta", Family::Roberta);
        check("distilbert", Family::DistilBert);
    }

    /// GPT-2 of the size that a fixture says.
    fn gpt2(fixture: &Fixture) -> Gpt2 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, fixture.config.to_string()).unwrap();
        Gpt2::new(Gpt2Config::read(&path).unwrap(), &super::Device::flex())
    }

    #[test]
    fn of_gpt2_as_a_classifier() {
        let fixture = Fixture::read("gpt2");
        let model = filled(gpt2(&fixture), fixture.classes, &fixture.rule);
        let mut state = fixture.batch(&fixture.eval);
        let stages = model.backbone.stages().len();
        for stage in 0..stages {
            let next = model.backbone.forward_stages(state, stage..stage + 1, Pass::default());
            state = next.unwrap();
            // The origin tells nothing of the last layer before its norm.
            let expected = match stage {
                last if last + 2 == stages => continue,
                norm if norm + 1 == stages => &fixture.hidden[stage - 1],
                _ => &fixture.hidden[stage],
            };
            let off = expected.deviation(&without_padding(&state));
            assert!(off <= super::MOST_LOGIT_DEVIATION, "gpt2, stage {stage}: {off:.1e}");
        }
        check_against("gpt2", gpt2(&fixture));
    }

    #[test]
    fn of_gpt2_as_a_language_model() {
        let fixture = Fixture::read("gpt2_language");
        let network = gpt2(&fixture).for_purpose(Purpose::Language);
        let model = super::Module::train(filled(network, fixture.classes, &fixture.rule));
        let model = super::set_trained(model, |_, control| control == super::Control::Gradient);
        let stages = model.backbone.stages().len();
        let batch = fixture.batch(&fixture.eval);
        let logits = model.backbone.forward_stages(batch.autodiff(), 0..stages, Pass::default());
        let logits = logits.unwrap().pooled().unwrap();
        let behind = fixture.texts.iter().flat_map(|text| &text.ids[1..]);
        let behind: Vec<usize> = behind.map(|id| *id as usize).collect();
        let values = rows(Activation::Vector(logits.clone().without_autodiff()));
        let off = fixture.hidden.last().unwrap().deviation(&values);
        let loss = cross_entropy(logits, &behind);
        let found_loss = f64::from(loss.clone().into_scalar::<f32>());
        let loss_off = (found_loss - fixture.eval.loss).abs() / fixture.eval.loss;
        let gradients = loss.backward();
        let gradient_off = gradient_deviation(&model, &gradients, &fixture.eval.gradients);
        println!("gpt2 language logits {off:.1e} loss {loss_off:.1e} gradients {gradient_off:.1e}");
        assert!(off <= super::MOST_LOGIT_DEVIATION, "logits {off:.1e}");
        assert!(loss_off <= super::MOST_LOGIT_DEVIATION, "loss {found_loss}");
        assert!(gradient_off <= super::MOST_GRADIENT_DEVIATION, "gradients {gradient_off:.1e}");
    }

    #[test]
    fn of_the_size_of_minilm_and_on_pairs() {
        check("bert_minilm", Family::Bert);
        check("bert_pairs", Family::Bert);
    }
}

/// Convolutions, norms' scales, shifts, means and variances: of each kind and shape two neighbours.
fn check_swaps<B: Architecture>(backbone: B) {
    let fixture = Fixture::read(backbone.name());
    let model = filled(backbone, fixture.classes, &fixture.rule);
    let batch = fixture.batch(&fixture.eval);
    let mut last: HashMap<(Vec<usize>, String), String> = HashMap::new();
    let (mut least, mut pairs) = (f64::INFINITY, 0);
    for info in parameters(&model) {
        let name = origin_name(&model.backbone, &info.path);
        let kind = name.rsplit('.').next().unwrap().to_string();
        if name.ends_with("downsample.1.bias") {
            // It is added to the same sum as the block's last shift: to swap them changes nothing.
            continue;
        }
        if let Some(before) = last.insert((info.shape, kind), name.clone()) {
            let off =
                deviation_when_swapped(model.clone(), &fixture, batch.clone(), &before, &name);
            assert!(off > 10.0 * MOST_LOGIT_DEVIATION, "{before} and {name} swapped: {off:.1e}");
            least = least.min(off);
            pairs += 1;
        }
    }
    println!("{:12} {pairs} swaps, the least noticed {least:.1e}", fixture.architecture);
    assert!(pairs > 50);
}

mod any_two_tensors_of_one_kind_and_shape_swapped_are_noticed {
    crate::for_every_architecture! { super::check_swaps,
        mobilenet_v2 = MobileNetV2::new(&Device::flex()),
        resnet18 = ResNet::new(ResNetDepth::D18, &Device::flex()),
    }
}

#[test]
fn the_formula_takes_the_values_that_python_computes() {
    let first = |name: &str| signed(name).take(3).collect::<Vec<_>>();
    assert_eq!(first("input"), [-0.7193933725357056, -0.8787211179733276, -0.2358555793762207]);
    let expected = [-0.4551053047180176, -0.9978117942810059, -0.9483293294906616];
    assert_eq!(first("features.0.0.weight"), expected);
}
