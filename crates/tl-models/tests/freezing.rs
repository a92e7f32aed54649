//! What a phase leaves alone, trained for real on two architectures; cuts of every network stand in `contract`.

use crate::formula::{Rule, filled, images};
use crate::training::{bits, flags};
use burn::module::{Module, ParamGroup};
use burn::prelude::*;
use tl_core::parameters::{is_statistic, parameters};
use tl_core::{
    Activation, Backbone, NormPolicy, Optimizer, OptimizerConfig, Pass, Phase, Plan, ResolvedPhase,
    Schedule, apply,
};
use tl_models::{Architecture, Classifier, MobileNetV2, ResNet, ResNetDepth, Vgg, VggDepth};

const CLASSES: usize = 3;

fn resnet18() -> Classifier<ResNet> {
    filled(ResNet::new(ResNetDepth::D18, &Device::flex()), CLASSES, &Rule::plain())
}

fn mobilenet() -> Classifier<MobileNetV2> {
    filled(MobileNetV2::new(&Device::flex()), CLASSES, &Rule::plain())
}

/// Weight decay strong enough to move whatever it may reach.
fn optimizer() -> Optimizer {
    Optimizer::new(optimizer_config())
}

fn optimizer_config() -> OptimizerConfig {
    OptimizerConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.5 }
}

fn resolve<B: Architecture>(phase: Phase, model: &Classifier<B>) -> ResolvedPhase {
    let plan = Plan::new(vec![phase]).optimizer(optimizer_config());
    plan.resolve(&model.backbone.stages()).unwrap().remove(0)
}

/// One step of training on the images that belong to `number`.
fn step<B: Architecture>(
    model: Classifier<B>,
    optimizer: &mut Optimizer,
    phase: &ResolvedPhase,
    number: u64,
) -> Classifier<B> {
    let smallest = model.backbone.expected_input().images("images").unwrap().smallest;
    let side = smallest.max(32);
    let batch = images(&format!("input.{number}"), [4, 3, side, side]);
    crate::training::step(model, optimizer, phase, batch, &[0, 1, 2, 0], number)
}

/// Two steps under `phase`: every parameter moves exactly where its stage is trained, every statistic
/// exactly where the stage is trained and the norms are.
fn check_phase<B: Architecture>(model: Classifier<B>, phase: Phase, trained: &[&str]) {
    let resolved = resolve(phase.schedule(Schedule::Constant), &model);
    let stages = model.backbone.stages();
    let before = bits(&model);
    let mut model = apply(&resolved, model.train());
    let mut optimizer = optimizer();
    for number in 0..2 {
        model = step(model, &mut optimizer, &resolved, number);
    }
    let after = bits(&model);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (path, old) in &before {
        let stage = match path.strip_prefix("backbone.") {
            Some(inner) => &stages.iter().find(|stage| stage.owns(inner)).unwrap().name,
            None => "head",
        };
        let moves = trained.contains(&stage)
            && (!is_statistic(path) || resolved.phase.norm == NormPolicy::Train);
        assert_eq!(*old != after[path], moves, "{path} of {stage} should move: {moves}");
    }
    let state = optimizer.save().unwrap();
    for path in state.keys() {
        let setting = resolved.setting(path).unwrap();
        assert!(trained.contains(&setting.name.as_str()), "{path} has moments");
    }
    assert_eq!(bits(&model.valid()), after, "valid() holds other values");
}

#[test]
fn a_probe_leaves_every_stage_bit_identical() {
    for norm in [NormPolicy::Frozen, NormPolicy::Train] {
        check_phase(resnet18(), Phase::probe(1).norm(norm), &["head"]);
        check_phase(mobilenet(), Phase::probe(1).norm(norm), &["head"]);
    }
}

#[test]
fn the_stages_before_the_cut_are_bit_identical_after_training_the_rest() {
    for norm in [NormPolicy::Frozen, NormPolicy::Train] {
        let trained = ["layer3", "layer4", "head"];
        check_phase(resnet18(), Phase::finetune(1).from("layer3").norm(norm), &trained);
        check_phase(resnet18(), Phase::finetune(1).freeze_through("layer2").norm(norm), &trained);
        let phase = Phase::finetune(1).from("features.17").norm(norm);
        check_phase(mobilenet(), phase, &["features.17", "features.18", "head"]);
    }
}

#[test]
fn a_frozen_stage_in_the_middle_is_frozen_whole() {
    let phase = Phase::finetune(1).freeze_matching("layer[23]").norm(NormPolicy::Train);
    check_phase(resnet18(), phase, &["stem", "layer1", "layer4", "head"]);
    let phase = Phase::finetune(1).freeze_matching("features\\.([2-9]|1.)").norm(NormPolicy::Train);
    check_phase(mobilenet(), phase, &["features.0", "features.1", "head"]);
}

/// Complaint: the statistics of a frozen norm drift, and results cannot be reproduced.
#[test]
fn a_frozen_norm_keeps_its_statistics() {
    let everything = ["stem", "layer1", "layer2", "layer3", "layer4", "head"];
    check_phase(resnet18(), Phase::finetune(1).norm(NormPolicy::Frozen), &everything);
}

#[test]
fn the_statistics_of_a_trained_norm_move() {
    let everything = ["stem", "layer1", "layer2", "layer3", "layer4", "head"];
    check_phase(resnet18(), Phase::finetune(1).norm(NormPolicy::Train), &everything);
}

fn check_set<B: Architecture>(model: &Classifier<B>, phase: &ResolvedPhase, when: &str) {
    for info in parameters(model) {
        let stage = phase.setting(&info.path).unwrap();
        let trained = stage.trained && !is_statistic(&info.path);
        assert_eq!(info.trained, trained, "{} {when}", info.path);
    }
    for (path, on) in flags(model) {
        let stage = phase.setting(&path).unwrap();
        let norm = !crate::training::is_random(&path);
        let expected = if norm { stage.statistics_move } else { stage.trained };
        assert_eq!(on, expected, "{path} {when}");
    }
}

fn check_apply<B: Architecture>(model: Classifier<B>, phases: Vec<Phase>) {
    for phase in phases {
        let phase = resolve(phase, &model);
        let model = model.clone();
        let applied = |model| apply(&phase, model);
        check_set(&applied(model.clone().train()), &phase, "after train");
        check_set(&applied(model.clone().train().freeze()), &phase, "after freeze");
        check_set(&applied(model.clone().train().unfreeze()), &phase, "after unfreeze");
        let group = ParamGroup::from_regex("layer|blocks").unwrap();
        let touched = model.clone().train().freeze().unfreeze_group(group);
        check_set(&applied(touched), &phase, "after unfreezing a group");
        let again = applied(applied(model.clone().train()).valid().train());
        check_set(&again, &phase, "after valid and train");
        // The way a loop goes: train, evaluate on a copy, go on.
        let kept = applied(model.train());
        let _ = kept.valid();
        check_set(&kept, &phase, "beside valid");
        check_set(&kept.valid().train(), &phase, "after valid and train, unapplied");
    }
}

#[test]
fn apply_sets_every_gradient_and_flag_whatever_they_were() {
    let train = NormPolicy::Train;
    let phases = |from: &str, pattern: &str| {
        vec![
            Phase::probe(1),
            Phase::probe(1).norm(train),
            Phase::finetune(1),
            Phase::finetune(1).norm(train),
            Phase::finetune(1).from(from).norm(train),
            Phase::finetune(1).freeze_matching(pattern).norm(train),
        ]
    };
    check_apply(resnet18(), phases("layer3", "layer2"));
    check_apply(mobilenet(), phases("features.9", "features.1."));
    // Dropout between two stages, one of them trained.
    // A head of zeros: no time is spent on a hundred million values that nothing reads.
    let device = Device::flex();
    let vgg = Vgg::new(VggDepth::D11, true, &device).with_zero_head(CLASSES, &device);
    check_apply(vgg, vec![Phase::finetune(1).from("classifier.3"), Phase::finetune(1).norm(train)]);
}

/// Complaint: unfreezing, or a resume across it, breaks the groups of the optimizer.
#[test]
fn unfreezing_keeps_every_moment() {
    let path = "backbone.layer4.1.conv2.weight";
    let all = resolve(Phase::finetune(1).from("layer4"), &resnet18());
    let probe = resolve(Phase::probe(1), &resnet18());
    let mut optimizer = optimizer();

    let mut model = apply(&all, resnet18().train());
    for number in 0..2 {
        model = step(model, &mut optimizer, &all, number);
    }
    let before = optimizer.save().unwrap();
    assert_eq!(before[path].steps, 2);

    // Frozen for a step: the moments wait.
    model = apply(&probe, model);
    model = step(model, &mut optimizer, &probe, 2);
    let frozen = optimizer.save().unwrap();
    assert_eq!(frozen[path], before[path]);
    assert_eq!(frozen["head.linear.weight"].steps, 3);

    // Unfrozen again, beside an optimizer that was saved and restored in between.
    model = apply(&all, model);
    let device = Device::flex();
    let mut restored = Optimizer::restore(optimizer_config(), frozen.clone(), &device);
    let other = step(model.clone(), &mut restored, &all, 3);
    model = step(model, &mut optimizer, &all, 3);
    let after = optimizer.save().unwrap();
    assert_eq!(after[path].steps, 3);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert_eq!(bits(&other), bits(&model));
    assert_eq!(restored.save().unwrap(), after);
}

/// Maps large enough that 3×3 convolutions of frozen weights go by tiles, which are off by more than plain sums.
#[test]
fn a_compiled_network_at_full_size_gives_the_same_logits() {
    fn check<B: Architecture + Sync + 'static>(model: &Classifier<B>, name: &str) {
        let batch = || Activation::image(images("input.0", [1, 3, 224, 224]));
        let stages = model.backbone.stages().len();
        let read = |logits: Tensor<2>| logits.into_data().try_into_vec::<f32>().unwrap();
        let plain = read(model.forward(batch(), Pass::default()).unwrap());
        let features = model.backbone.compile(0..stages).forward(batch()).unwrap();
        let compiled = read(model.forward_from(features, stages, Pass::default()).unwrap());
        let off = crate::formula::deviation_f32(&compiled, &plain);
        println!("{name}: {off:.1e}");
        assert!(off <= 1e-4, "{name}: {off:.1e}");
        assert!(compiled != plain, "{name}: nothing went another way");
    }
    check(&resnet18(), "resnet18");
    let device = Device::flex();
    let resnet50 = ResNet::new(ResNetDepth::D50, &device);
    check(&filled(resnet50, CLASSES, &Rule::plain()), "resnet50");
    let vgg = Vgg::new(VggDepth::D11, false, &device);
    check(&filled(vgg, CLASSES, &Rule::plain()), "vgg11");
}

#[test]
fn a_prefix_in_half_precision_stays_near_and_is_what_was_asked_for_alone() {
    let device = Device::flex();
    let model = filled(ResNet::new(ResNetDepth::D50, &device), CLASSES, &Rule::plain());
    let stages = model.backbone.stages().len();
    let logits = |half: bool| {
        let prefix = tl_kernels::with_half_precision(half, || model.backbone.compile(0..stages));
        let batch = Activation::image(images("input.0", [2, 3, 64, 64]));
        let features = prefix.forward(batch).unwrap();
        let logits = model.forward_from(features, stages, Pass::default()).unwrap();
        logits.into_data().try_into_vec::<f32>().unwrap()
    };
    let (plain, half) = (logits(false), logits(true));
    let off = crate::formula::deviation_f32(&half, &plain);
    assert_eq!(off > 0.0, tl_kernels::has_half_precision(), "{off:.1e}");
    assert!(off <= 1e-2, "{off:.1e}");
    assert_eq!(logits(false), plain);
}
