//! Plans: what they say of each stage, what they refuse, and their written form.

use std::collections::BTreeSet;

use tl_core::plan::{PLAN_SCHEMA, ParameterRates};
use tl_core::{
    CoreError, Freeze, NormPolicy, OptimizerConfig, Phase, Plan, ResolvedPhase, Schedule, Solver,
    Stage,
};

const NAMES: [&str; 5] = ["stem", "layer1", "layer2", "layer3", "layer4"];

fn stages() -> Vec<Stage> {
    let mut stages = vec![Stage::new("stem", &["conv1", "bn1"])];
    stages.extend(NAMES[1..].iter().map(|name| Stage::new(name, &[name])));
    stages
}

fn resolve(phase: Phase) -> Result<ResolvedPhase, CoreError> {
    Plan::new(vec![phase]).resolve(&stages()).map(|mut phases| phases.remove(0))
}

fn trained(phase: Phase) -> Vec<bool> {
    resolve(phase).unwrap().settings.iter().map(|setting| setting.trained).collect()
}

#[test]
fn each_way_of_freezing_freezes_its_stages() {
    let (yes, no) = (true, false);
    assert_eq!(trained(Phase::finetune(1)), [yes; 6]);
    assert_eq!(trained(Phase::probe(1)), [no, no, no, no, no, yes]);
    let from = trained(Phase::finetune(1).from("layer3"));
    assert_eq!(from, [no, no, no, yes, yes, yes]);
    assert_eq!(trained(Phase::finetune(1).freeze_through("layer2")), from);
    let pattern = Phase::finetune(1).freeze_matching("layer[12]").freeze_matching("layer4");
    assert_eq!(trained(pattern), [yes, no, no, yes, no, yes]);
    // Alternatives belong to one pattern, and a pattern covers the whole name.
    let pattern = Phase::finetune(1).freeze_matching("stem|layer1");
    assert_eq!(trained(pattern), [no, no, yes, yes, yes, yes]);
}

#[test]
fn the_cut_is_the_leading_frozen_stages() {
    let cut = |phase| resolve(phase).unwrap().cut;
    assert_eq!(cut(Phase::finetune(1)), 0);
    assert_eq!(cut(Phase::probe(1)), 5);
    assert_eq!(cut(Phase::finetune(1).from("layer3")), 3);
    assert_eq!(cut(Phase::finetune(1).from("stem")), 0);
    assert_eq!(cut(Phase::finetune(1).freeze_matching("layer.")), 0);
    assert_eq!(cut(Phase::finetune(1).freeze_matching("stem|layer[24]")), 1);
}

fn a_plan_of_everything() -> Plan {
    let slanted = Schedule::SlantedTriangular { cut: 0.1, ratio: 32.0 };
    Plan::new(vec![
        Phase::probe(1).solver(Solver::LogisticRegression),
        Phase::finetune(3).from("layer3").layer_decay(0.7).norm(NormPolicy::Train).clip_norm(1.0),
        Phase::finetune(2).freeze_through("stem").schedule(Schedule::WarmupCosine { warmup: 0.1 }),
        Phase::finetune(2).freeze_matching("layer[12]").schedule(slanted).stage_rate("head", 0.01),
        Phase::finetune(2).schedule(Schedule::Constant).augment(true).named("all"),
    ])
    .optimizer(OptimizerConfig::sgd())
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    for plan in [a_plan_of_everything(), Plan::probe(), Plan::probe_then_finetune(4)] {
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}

/// Every object within `value`, as a path of keys and indices.
fn objects(value: &serde_json::Value, at: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            found.push(at.clone());
            fields.iter().for_each(|(key, inner)| objects(inner, format!("{at}/{key}"), found));
        }
        serde_json::Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(k, item)| objects(item, format!("{at}/{k}"), found));
        }
        _ => (),
    }
}

#[test]
fn an_unknown_field_anywhere_in_a_plan_is_refused() {
    let written = serde_json::to_value(a_plan_of_everything()).unwrap();
    let mut places = Vec::new();
    objects(&written, String::new(), &mut places);
    // The plan, its optimizer, five phases with their rates; the rates by stage are a map of any keys.
    places.retain(|place| !place.ends_with("/stages"));
    assert!(places.len() > 12, "{places:?}");
    for place in places {
        let mut changed = written.clone();
        let object = changed.pointer_mut(&place).unwrap().as_object_mut().unwrap();
        object.insert("learning_rat".into(), 1.into());
        let result = serde_json::from_value::<Plan>(changed);
        assert!(result.is_err(), "an unknown field at \"{place}\" was accepted");
    }
}

#[test]
fn a_plan_of_a_later_version_is_refused() {
    let mut plan = Plan::probe();
    plan.schema = PLAN_SCHEMA + 1;
    let text = serde_json::to_string(&plan).unwrap();
    let error = serde_json::from_str::<Plan>(&text).unwrap().resolve(&stages()).unwrap_err();
    assert_eq!(error, CoreError::Schema { found: PLAN_SCHEMA + 1, known: PLAN_SCHEMA });
}

#[test]
fn gradual_unfreezing_covers_all_epochs_from_the_last_stage_to_the_first() {
    let names = NAMES.map(String::from);
    for steps in 0..8 {
        for epochs in 1..40 {
            let phases = Plan::gradual(&names, epochs, steps).resolve(&stages()).unwrap();
            let total: usize = phases.iter().map(|phase| phase.phase.epochs).sum();
            assert_eq!(total, epochs, "{epochs} epochs in {steps} steps");
            assert!(phases.windows(2).all(|pair| pair[0].cut > pair[1].cut));
            let last = phases.last().unwrap();
            assert_eq!(last.cut, 0, "the first stage is reached");
            assert!(last.phase.epochs * 2 >= epochs, "half is for all stages");
            if epochs >= 2 * steps.clamp(1, NAMES.len()) {
                assert_eq!(phases[0].cut, NAMES.len(), "the head comes first");
                assert_eq!(phases.len(), steps.clamp(1, NAMES.len()) + 1);
            }
            let seen: BTreeSet<&str> =
                phases.iter().map(|phase| phase.phase.name.as_str()).collect();
            assert_eq!(seen.len(), phases.len(), "phases share a name: {seen:?}");
        }
        let nothing = Plan::gradual(&names, 0, steps).resolve(&stages());
        assert!(matches!(nothing, Err(CoreError::Empty { .. })));
    }
    let cuts = Plan::gradual(&names, 10, 5).resolve(&stages()).unwrap();
    let cuts: Vec<usize> = cuts.iter().map(|phase| phase.cut).collect();
    assert_eq!(cuts, [5, 4, 3, 2, 1, 0]);
}

#[test]
fn the_recipes_are_plans() {
    let probe = Plan::probe();
    assert_eq!(probe.phases.len(), 1);
    assert_eq!(probe.phases[0].freeze, Freeze::Backbone);
    assert_eq!(probe.phases[0].solver, Solver::LogisticRegression);
    let both = Plan::probe_then_finetune(4);
    assert_eq!(both.phases[0], probe.phases[0]);
    assert_eq!((both.phases[1].epochs, &both.phases[1].freeze), (4, &Freeze::Nothing));
}

#[test]
fn rates_decay_from_the_last_stage_to_the_first() {
    let phase = Phase::finetune(1).rates(1e-2, 1e-3).layer_decay(0.5);
    let rates = |phase| -> Vec<f64> {
        resolve(phase).unwrap().settings.iter().map(|setting| setting.rate).collect()
    };
    let expected = [6.25e-5, 1.25e-4, 2.5e-4, 5e-4, 1e-3, 1e-2];
    assert_eq!(rates(phase.clone()), expected);
    // A frozen stage has no rate and does not shift those of others.
    let from = rates(phase.clone().from("layer3"));
    assert_eq!(from, [0.0, 0.0, 0.0, 5e-4, 1e-3, 1e-2]);
    // A stage's own rate replaces its decayed one, and its alone.
    let own = rates(phase.clone().stage_rate("layer1", 0.5).stage_rate("head", 0.25));
    assert_eq!(own, [6.25e-5, 0.5, 2.5e-4, 5e-4, 1e-3, 0.25]);
    let scaled = rates(phase.stage_rate("layer1", 0.5).scale_rates(2.0));
    assert_eq!(scaled, [1.25e-4, 1.0, 5e-4, 1e-3, 2e-3, 2e-2]);
}

#[test]
fn norms_and_biases_do_not_decay() {
    let phases = Plan::new(vec![Phase::finetune(1).rates(1e-2, 1e-3).from("layer4")])
        .optimizer(OptimizerConfig::AdamW {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.1,
        })
        .resolve(&stages())
        .unwrap();
    let rates = |path, rank| phases[0].rates(path, rank);
    let expect = |rate, weight_decay| ParameterRates { rate, weight_decay };
    assert_eq!(rates("backbone.layer4.0.conv1.weight", 4), expect(1e-3, 0.1));
    assert_eq!(rates("backbone.layer4.0.bn1.weight", 1), expect(1e-3, 0.0));
    assert_eq!(rates("head.linear.weight", 2), expect(1e-2, 0.1));
    assert_eq!(rates("head.linear.bias", 1), expect(1e-2, 0.0));
    assert_eq!(rates("backbone.conv1.weight", 4).rate, 0.0);
}

#[test]
fn a_path_belongs_to_the_stage_whose_prefix_it_has_as_whole_words() {
    let phase = resolve(Phase::finetune(1)).unwrap();
    let stage = |path: &str| phase.setting(path).map(|setting| setting.name.clone());
    assert_eq!(stage("backbone.layer1.0.conv1.weight").as_deref(), Some("layer1"));
    assert_eq!(stage("backbone.bn1.training").as_deref(), Some("stem"));
    assert_eq!(stage("head.linear.weight").as_deref(), Some("head"));
    assert_eq!(stage("backbone.layer10.0.conv1.weight"), None);
    let features = Stage::new("features.1", &["blocks.1"]);
    assert!(features.owns("blocks.1") && features.owns("blocks.1.conv"));
    assert!(!features.owns("blocks.10.conv") && !features.owns("blocks"));
}
