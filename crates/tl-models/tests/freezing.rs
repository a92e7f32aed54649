//! What a phase leaves alone, trained for real on two architectures.

mod formula;

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleVisitor, Param, ParamGroup};
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::log_softmax;
use formula::{Rule, filled, images};
use tl_core::parameters::{ModulePath, is_statistic, parameters, values, visit_parameters};
use tl_core::{
    Activation, Backbone, NormPolicy, Optimizer, OptimizerConfig, Pass, Phase, Plan, ResolvedPhase,
    Schedule, TrainableReport, apply,
};
use tl_models::{Architecture, Classifier, MobileNetV2, ResNet, ResNetDepth, Vgg, VggDepth};

const CLASSES: usize = 3;

fn resnet18() -> Classifier<ResNet> {
    filled(
        ResNet::new(ResNetDepth::D18, &Device::flex()),
        CLASSES,
        &Rule::plain(),
    )
}

fn mobilenet() -> Classifier<MobileNetV2> {
    filled(MobileNetV2::new(&Device::flex()), CLASSES, &Rule::plain())
}

/// Weight decay strong enough to move whatever it may reach.
fn optimizer() -> Optimizer {
    Optimizer::new(optimizer_config())
}

fn optimizer_config() -> OptimizerConfig {
    OptimizerConfig::AdamW {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.5,
    }
}

fn resolve<B: Architecture>(phase: Phase, model: &Classifier<B>) -> ResolvedPhase {
    let plan = Plan::new(vec![phase]).optimizer(optimizer_config());
    plan.resolve(&model.backbone.stages()).unwrap().remove(0)
}

/// Every parameter and statistic by path, as bits.
fn bits<B: Architecture>(model: &Classifier<B>) -> BTreeMap<String, Vec<u32>> {
    let mut all = BTreeMap::new();
    visit_parameters(model, |info, tensor| {
        let bits = values(tensor)
            .unwrap()
            .iter()
            .map(|value| value.to_bits())
            .collect();
        all.insert(info.path.clone(), bits);
    });
    all
}

/// Every flag by path.
fn flags<M: Module>(module: &M) -> BTreeMap<String, bool> {
    #[derive(Default)]
    struct Visitor {
        path: ModulePath,
        found: BTreeMap<String, bool>,
    }
    impl ModuleVisitor for Visitor {
        fn visit_flag(&mut self, flag: &Param<Flag>) {
            self.found.insert(self.path.joined(), flag.is_enabled());
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.found
}

/// One step of training on four images, through every stage on the autodiff device.
fn step<B: Architecture>(
    model: Classifier<B>,
    optimizer: &mut Optimizer,
    phase: &ResolvedPhase,
    number: u64,
) -> Classifier<B> {
    let batch = images(&format!("input.{number}"), [4, 3, 32, 32]).autodiff();
    let pass = Pass {
        seed: 1,
        step: number,
    };
    let logits = model.forward(Activation::image(batch), pass).unwrap();
    let chosen: Vec<f32> = (0..4 * CLASSES)
        .map(|at| {
            if at % CLASSES == (at / CLASSES) % CLASSES {
                -0.25
            } else {
                0.0
            }
        })
        .collect();
    let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [4, CLASSES]), &Device::flex());
    let loss = (log_softmax(logits, 1) * chosen.autodiff()).sum();
    let mut gradients = loss.backward();
    optimizer.step(model, &mut gradients, 1.0, |path, rank| {
        phase.rates(path, rank)
    })
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
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    for (path, old) in &before {
        let stage = match path.strip_prefix("backbone.") {
            Some(inner) => &stages.iter().find(|stage| stage.owns(inner)).unwrap().name,
            None => "head",
        };
        let moves = trained.contains(&stage)
            && (!is_statistic(path) || resolved.phase.norm == NormPolicy::Train);
        assert_eq!(
            *old != after[path],
            moves,
            "{path} of {stage} should move: {moves}"
        );
    }
    let state = optimizer.save().unwrap();
    for path in state.keys() {
        let setting = resolved.setting(path).unwrap();
        assert!(
            trained.contains(&setting.name.as_str()),
            "{path} has moments"
        );
    }
    assert_eq!(bits_of_valid(&model), after, "valid() holds other values");
}

fn bits_of_valid<B: Architecture>(model: &Classifier<B>) -> BTreeMap<String, Vec<u32>> {
    bits(&model.valid())
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
        check_phase(
            resnet18(),
            Phase::finetune(1).from("layer3").norm(norm),
            &trained,
        );
        check_phase(
            resnet18(),
            Phase::finetune(1).freeze_through("layer2").norm(norm),
            &trained,
        );
        let phase = Phase::finetune(1).from("features.17").norm(norm);
        check_phase(mobilenet(), phase, &["features.17", "features.18", "head"]);
    }
}

#[test]
fn a_frozen_stage_in_the_middle_is_frozen_whole() {
    let phase = Phase::finetune(1)
        .freeze_matching("layer[23]")
        .norm(NormPolicy::Train);
    check_phase(resnet18(), phase, &["stem", "layer1", "layer4", "head"]);
    let phase = Phase::finetune(1)
        .freeze_matching("features\\.([2-9]|1.)")
        .norm(NormPolicy::Train);
    check_phase(mobilenet(), phase, &["features.0", "features.1", "head"]);
}

/// Complaint: the statistics of a frozen norm drift, and results cannot be reproduced.
#[test]
fn a_frozen_norm_keeps_its_statistics() {
    let everything = ["stem", "layer1", "layer2", "layer3", "layer4", "head"];
    check_phase(
        resnet18(),
        Phase::finetune(1).norm(NormPolicy::Frozen),
        &everything,
    );
}

#[test]
fn the_statistics_of_a_trained_norm_move() {
    let everything = ["stem", "layer1", "layer2", "layer3", "layer4", "head"];
    check_phase(
        resnet18(),
        Phase::finetune(1).norm(NormPolicy::Train),
        &everything,
    );
}

fn check_set<B: Architecture>(model: &Classifier<B>, phase: &ResolvedPhase, when: &str) {
    for info in parameters(model) {
        let stage = phase.setting(&info.path).unwrap();
        let trained = stage.trained && !is_statistic(&info.path);
        assert_eq!(info.trained, trained, "{} {when}", info.path);
    }
    for (path, on) in flags(model) {
        let stage = phase.setting(&path).unwrap();
        let expected = if path.contains("dropout") {
            stage.trained
        } else {
            stage.statistics_move
        };
        assert_eq!(on, expected, "{path} {when}");
    }
}

fn check_apply<B: Architecture>(model: Classifier<B>, phases: Vec<Phase>) {
    for phase in phases {
        let phase = resolve(phase, &model);
        let model = model.clone();
        let applied = |model| apply(&phase, model);
        check_set(&applied(model.clone().train()), &phase, "after train");
        check_set(
            &applied(model.clone().train().freeze()),
            &phase,
            "after freeze",
        );
        check_set(
            &applied(model.clone().train().unfreeze()),
            &phase,
            "after unfreeze",
        );
        let group = ParamGroup::from_regex("layer|blocks").unwrap();
        let touched = model.clone().train().freeze().unfreeze_group(group);
        check_set(&applied(touched), &phase, "after unfreezing a group");
        let again = applied(applied(model.clone().train()).valid().train());
        check_set(&again, &phase, "after valid and train");
        // The way a loop goes: train, evaluate on a copy, go on.
        let kept = applied(model.train());
        let _ = kept.valid();
        check_set(&kept, &phase, "beside valid");
        check_set(
            &kept.valid().train(),
            &phase,
            "after valid and train, unapplied",
        );
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
    let vgg = Vgg::new(VggDepth::D11, true, &Device::flex()).with_zero_head();
    check_apply(
        vgg,
        vec![
            Phase::finetune(1).from("classifier.3"),
            Phase::finetune(1).norm(train),
        ],
    );
}

trait ZeroHead: Architecture + Sized {
    /// A head of zeros: no time is spent on a hundred million values that nothing reads.
    fn with_zero_head(self) -> Classifier<Self> {
        let (width, dropout) = (self.head_input_width(), self.head_dropout());
        let head = tl_kernels::LinearHead::new(width, CLASSES, dropout, &Device::flex());
        tl_core::Model {
            backbone: self,
            head,
        }
    }
}
impl<B: Architecture> ZeroHead for B {}

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
    assert_eq!(
        after.keys().collect::<Vec<_>>(),
        before.keys().collect::<Vec<_>>()
    );
    assert_eq!(bits(&other), bits(&model));
    assert_eq!(restored.save().unwrap(), after);
}

/// Complaint: nothing was trained and nobody noticed.
#[test]
fn the_trainable_report_counts_what_torchvision_counts() {
    let counts = |report: &TrainableReport, phase: usize| -> Vec<(String, u64, u64)> {
        let rows = report.phases[phase].stages.iter();
        rows.map(|row| (row.stage.clone(), row.trainable, row.frozen))
            .collect()
    };
    let model = ResNet::new(ResNetDepth::D18, &Device::flex()).with_head(1000, 0, &Device::flex());
    let plan = Plan::new(vec![
        Phase::probe(3),
        Phase::finetune(8).from("layer3").layer_decay(0.5),
    ]);
    let report = TrainableReport::new(&plan.resolve(&model.backbone.stages()).unwrap(), &model);
    let row = |stage: &str, trained, frozen| (stage.to_string(), trained, frozen);
    // stem 64·3·49 + 2·64; layer1 4·(64·64·9 + 2·64); layer2 (64 + 3·128)·128·9 + 64·128 + 5·2·128; and so on.
    let (stem, layers, head) = (9_536, [147_968, 525_568, 2_099_712, 8_393_728], 513_000);
    let frozen = [
        row("stem", 0, stem),
        row("layer1", 0, layers[0]),
        row("layer2", 0, layers[1]),
    ];
    let probe = [
        row("layer3", 0, layers[2]),
        row("layer4", 0, layers[3]),
        row("head", head, 0),
    ];
    assert_eq!(counts(&report, 0), [frozen.clone(), probe].concat());
    let tuned = [
        row("layer3", layers[2], 0),
        row("layer4", layers[3], 0),
        row("head", head, 0),
    ];
    assert_eq!(counts(&report, 1), [frozen, tuned].concat());
    assert_eq!(report.phases[0].total(), 11_689_512);
    assert_eq!(report.phases[0].trainable(), head);
    assert_eq!(report.trainable(), layers[2] + layers[3] + head);
    let phase = &report.phases[1];
    let cached: Vec<bool> = phase.stages.iter().map(|row| row.cached).collect();
    assert_eq!(cached, [true, true, true, false, false, false]);
    let norms: Vec<&str> = phase.stages.iter().map(|row| row.norm.as_str()).collect();
    assert_eq!(
        norms,
        ["frozen", "frozen", "frozen", "frozen", "frozen", "-"]
    );
    let rates: Vec<f64> = phase.stages.iter().map(|row| row.rate).collect();
    assert_eq!(rates, [0.0, 0.0, 0.0, 1.5e-4, 3e-4, 1e-3]);
    let text = report.to_string();
    assert!(
        text.contains("513000 of 11689512 parameters trained"),
        "{text}"
    );
    assert!(text.contains("layer4"), "{text}");

    let model = MobileNetV2::new(&Device::flex()).with_head(1000, 0, &Device::flex());
    let plan = Plan::new(vec![Phase::finetune(1)]);
    let report = TrainableReport::new(&plan.resolve(&model.backbone.stages()).unwrap(), &model);
    let all = counts(&report, 0);
    assert_eq!(report.trainable(), 3_504_872);
    assert_eq!(report.phases[0].total(), 3_504_872);
    assert_eq!(all[0], row("features.0", 32 * 3 * 9 + 2 * 32, 0));
    assert_eq!(
        all[1],
        row("features.1", 32 * 9 + 2 * 32 + 32 * 16 + 2 * 16, 0)
    );
    assert_eq!(all[18], row("features.18", 320 * 1280 + 2 * 1280, 0));
    assert_eq!(all[19], row("head", 1_281_000, 0));
}

#[test]
fn the_plain_prefix_and_the_frozen_stages_on_the_autodiff_device_train_the_same_head() {
    let model = resnet18();
    let phase = resolve(
        Phase::finetune(1).from("layer4").norm(NormPolicy::Train),
        &model,
    );
    assert_eq!(phase.cut, 4);
    let model = apply(&phase, model.train());
    let batch = images("input.0", [4, 3, 32, 32]);
    let pass = Pass::default();
    let features = model
        .backbone
        .compile(0..phase.cut)
        .forward(Activation::image(batch.clone()));
    let features = features.unwrap().autodiff();
    let one = model.forward_from(features, phase.cut, pass).unwrap();
    let other = model
        .forward(Activation::image(batch.autodiff()), pass)
        .unwrap();
    let read = |logits: Tensor<2>| logits.without_autodiff().into_data().try_into_vec::<f32>();
    let off = formula::deviation_f32(&read(one).unwrap(), &read(other).unwrap());
    assert!(off <= 1e-5, "{off:.1e}");
}
