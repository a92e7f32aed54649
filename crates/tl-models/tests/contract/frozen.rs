//! What is frozen stays as it is, bit by bit, and may be kept instead of computed anew.

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{is_statistic, parameters};
use tl_core::{
    Activation, Backbone, NormPolicy, Optimizer, OptimizerConfig, Pass, Phase, Plan, ResolvedPhase,
    Schedule, apply,
};
use tl_models::{Architecture, Classifier};

use super::changes;
use super::examples::{CLASSES, LABELS, examples};
use crate::formula::{Rule, deviation_f32, filled, rows};
use crate::training::cross_entropy;

/// Networks of up to this many parameters are cut behind every stage; larger ones behind the first, the middle and the last.
const SMALL: usize = 5_000_000;
/// Above this many, where nearly all of them lie in the last stages, the cut behind the first tells nothing that the one in
/// the middle does not, and a step takes a second.
const LARGE: usize = 100_000_000;

fn cuts<B: Backbone>(backbone: &B) -> Vec<usize> {
    let stages = backbone.stages().len();
    let elements: usize = parameters(backbone).iter().map(|info| info.elements()).sum();
    let mut cuts: Vec<usize> = if elements <= SMALL {
        (1..=stages).collect()
    } else if elements <= LARGE {
        vec![1, stages / 2, stages]
    } else {
        vec![stages / 2, stages]
    };
    cuts.dedup();
    cuts
}

/// The phase that trains what lies behind the first `cut` stages, norms included.
fn phase<B: Backbone>(backbone: &B, cut: usize, decay: f64, rates: [f64; 2]) -> ResolvedPhase {
    let stages = backbone.stages();
    let phase = match stages.get(cut) {
        Some(first) => Phase::finetune(1).from(&first.name),
        None => Phase::probe(1),
    };
    let phase =
        phase.norm(NormPolicy::Train).schedule(Schedule::Constant).rates(rates[0], rates[1]);
    let plan = Plan::new(vec![phase]).optimizer(sgd(decay));
    let resolved = plan.resolve(&stages).unwrap().remove(0);
    assert_eq!(resolved.cut, cut);
    resolved
}

fn sgd(weight_decay: f64) -> OptimizerConfig {
    OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay }
}

/// Trains on `logits` with the labels of the examples.
fn step<B: Architecture>(
    model: Classifier<B>,
    logits: Tensor<2>,
    optimizer: &mut Optimizer,
    phase: &ResolvedPhase,
) -> Classifier<B> {
    let mut gradients = cross_entropy(logits, &LABELS).backward();
    optimizer.step(model, &mut gradients, 1.0, |path, rank| phase.rates(path, rank))
}

/// Two steps with a weight decay that moves whatever it may reach: no frozen parameter or statistic has another bit, every
/// statistic behind the cut moves, and something of every stage there.
fn check_left_alone<B: Architecture>(backbone: B) {
    let model = filled(backbone, CLASSES, &Rule::plain());
    let network = model.backbone.name();
    let stages = model.backbone.stages();
    for cut in cuts(&model.backbone) {
        let phase = phase(&model.backbone, cut, 0.5, [1e-2, 1e-3]);
        let mut optimizer = Optimizer::new(sgd(0.5));
        let mut trained = apply(&phase, model.clone().train());
        for number in 0..2 {
            let batch = examples(&trained.backbone, number, 0).autodiff();
            let pass = Pass { seed: 1, step: number };
            let logits = trained.forward(batch, pass).unwrap();
            trained = step(trained, logits, &mut optimizer, &phase);
        }
        let mut moved = vec![false; stages.len() + 1];
        for (path, moves) in changes(&model, &trained) {
            let stage = match path.strip_prefix("backbone.") {
                Some(inner) => stages.iter().position(|stage| stage.owns(inner)).unwrap(),
                None => stages.len(),
            };
            let expected = stage >= cut;
            assert!(expected || !moves, "{network}: {path} moved, the first {cut} stages frozen");
            // The auxiliary classifier of an Inception is not asked for an answer here.
            let asked = !path.starts_with("backbone.auxiliary.");
            let still = expected && asked && is_statistic(&path) && !moves;
            assert!(!still, "{network}: {path} stood still behind the first {cut} stages");
            moved[stage] |= moves;
        }
        for (stage, moved) in moved.into_iter().enumerate().skip(cut) {
            assert!(moved, "{network}: stage {stage} stood still behind the first {cut} stages");
        }
    }
}

/// The most that logits may be off, relative to their length, where the frozen stages' output was kept. A compiled prefix is
/// off by up to 1e-5; norms that take their statistics from four examples make more of it.
const MOST_DEVIATION: f64 = 2e-3;
/// What two steps have to change of the logits at least, so that the comparison tells something.
const LEAST_CHANGE: f64 = 2e-2;

/// Before the first step and after each of two, the logits are the same whether the frozen stages run on the autodiff device in
/// every step or ran once, compiled, on the plain one; of all stages frozen, and of all but the last.
fn check_kept<B: Architecture + Sync + 'static>(backbone: B) {
    let model = filled(backbone, CLASSES, &Rule::plain());
    let network = model.backbone.name();
    let stages = model.backbone.stages().len();
    // Maps of several places at the end: of one alone a batch's statistics are those of four numbers.
    let input = || examples(&model.backbone, 0, 32);
    let pass = Pass { seed: 1, step: 0 };
    for cut in [stages - 1, stages] {
        let phase = phase(&model.backbone, cut, 0.0, [3e-2, 1e-4]);
        let kept = model.backbone.compile(0..cut).forward(input()).unwrap();
        let logits = |from_kept: bool| -> Vec<Vec<f32>> {
            let mut optimizer = Optimizer::new(sgd(0.0));
            let mut trained = apply(&phase, model.clone().train());
            let mut found = Vec::new();
            for _ in 0..3 {
                let logits = match from_kept {
                    true => trained.forward_from(kept.clone().autodiff(), cut, pass),
                    false => trained.forward(input().autodiff(), pass),
                }
                .unwrap();
                found.push(rows(Activation::Vector(logits.clone().without_autodiff())));
                trained = step(trained, logits, &mut optimizer, &phase);
            }
            found
        };
        let (kept, anew) = (logits(true), logits(false));
        for (number, (kept, anew)) in kept.iter().zip(&anew).enumerate() {
            let off = deviation_f32(kept, anew);
            let place = format!("{network}, the first {cut} stages frozen, {number} steps");
            assert!(off <= MOST_DEVIATION, "{place}: off by {off:.1e}");
        }
        let change = deviation_f32(&anew[2], &anew[0]);
        assert!(change >= LEAST_CHANGE, "{network}: two steps change the logits by {change:.1e}");
    }
}

mod what_is_frozen_is_the_same_after_training_the_rest {
    crate::for_every_architecture!(most: super::check_left_alone);
}

mod training_from_what_was_kept_is_training_from_the_input {
    crate::for_every_architecture!(most: super::check_kept);
}

mod so_they_are_where_the_size_is_chosen {
    use burn::prelude::Device;
    use tl_core::TokenPooling;
    use tl_models::{
        Architecture, Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, Lstm, LstmConfig, Purpose,
        Vit, VitConfig, VitSize,
    };

    fn check<B: Architecture + Sync + 'static>(backbone: B) {
        super::check_left_alone(backbone.clone());
        super::check_kept(backbone);
    }

    #[test]
    fn vision_transformers() {
        let tiny = VitConfig::new(VitSize::Tiny, 8, 32).depth(3);
        for config in [tiny, tiny.dinov2(4), tiny.clip(true)] {
            check(Vit::new(config, &Device::flex()));
        }
    }

    #[test]
    fn encoders_of_texts() {
        for family in Family::ALL {
            let mut config = EncoderConfig::base(family);
            (config.vocabulary, config.width, config.heads) = (50, 32, 4);
            (config.depth, config.hidden) = (3, 64);
            config.positions = 20 + config.first_position;
            check(Encoder::new(config, &Device::flex()));
        }
    }

    #[test]
    fn gpt2() {
        let mut config = Gpt2Config::default();
        (config.vocabulary, config.positions, config.width) = (50, 20, 32);
        (config.heads, config.depth, config.hidden) = (4, 3, 64);
        (config.end, config.padding) = (49, 49);
        config.purpose = Purpose::Vectors(TokenPooling::Last);
        check(Gpt2::new(config, &Device::flex()));
    }

    #[test]
    fn lstm() {
        let config = LstmConfig {
            vocabulary: 50,
            embedding: 12,
            hidden: 20,
            depth: 3,
            ..LstmConfig::default()
        };
        check(Lstm::new(config, &Device::flex()));
    }
}
