//! What a plan refuses, and how it says so.

use tl_core::{CoreError, OptimizerConfig, Phase, Plan, ResolvedPhase, Schedule, Stage};

const NAMES: [&str; 5] = ["stem", "layer1", "layer2", "layer3", "layer4"];

fn stages() -> Vec<Stage> {
    let mut stages = vec![Stage::new("stem", &["conv1", "bn1"])];
    stages.extend(NAMES[1..].iter().map(|name| Stage::new(name, &[name])));
    stages
}

fn resolve(phase: Phase) -> Result<ResolvedPhase, CoreError> {
    Plan::new(vec![phase]).resolve(&stages()).map(|mut phases| phases.remove(0))
}

fn refused(phase: Phase) -> CoreError {
    let error = resolve(phase).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

#[test]
fn an_unknown_stage_is_an_error_that_lists_the_stages() {
    let phase = Phase::finetune(1);
    for phase in [
        phase.clone().from("layer9"),
        phase.clone().freeze_through("layer9"),
        phase.clone().stage_rate("layer9", 1e-3),
    ] {
        let error = refused(phase);
        let stages = NAMES.map(String::from).to_vec();
        assert_eq!(error, CoreError::UnknownStage { name: "layer9".into(), stages });
        let message = error.to_string();
        assert!(message.contains("stem, layer1, layer2, layer3, layer4"), "{message}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_that_lists_the_stages() {
    // The name begins so, but is longer; of two patterns the second is at fault.
    for phase in [
        Phase::finetune(1).freeze_matching("layer"),
        Phase::finetune(1).freeze_matching("layer1").freeze_matching("layer"),
    ] {
        let error = refused(phase);
        let stages = NAMES.map(String::from).to_vec();
        let pattern = "layer".to_string();
        assert_eq!(error, CoreError::PatternMatchesNothing { pattern, stages });
        let message = error.to_string();
        assert!(message.contains("stem, layer1, layer2, layer3, layer4"), "{message}");
    }
}

#[test]
fn a_pattern_that_is_no_regular_expression_is_an_error_in_one_line() {
    for pattern in ["layer[", "(", "*", ")", "a)(b"] {
        let error = refused(Phase::finetune(1).freeze_matching(pattern));
        let CoreError::BadPattern { pattern: named, reason } = error else {
            panic!("{pattern}: {error}")
        };
        assert_eq!(named, pattern);
        assert!(!reason.is_empty());
    }
}

#[test]
fn numbers_that_make_no_sense_are_errors_that_name_them() {
    let phase = || Phase::finetune(1);
    let bad = [f64::NAN, f64::INFINITY, -1e-3, 0.0];
    let mut cases = Vec::new();
    for value in bad {
        cases.push(("the head's learning rate", value, phase().rates(value, 1e-4)));
        cases.push(("the learning rate", value, phase().rates(1e-3, value)));
        cases.push((
            "the learning rate of stage layer2",
            value,
            phase().stage_rate("layer2", value),
        ));
        cases.push(("the learning rate of stage head", value, phase().stage_rate("head", value)));
        cases.push(("the layer decay", value, phase().layer_decay(value)));
        cases.push(("the largest gradient norm", value, phase().clip_norm(value)));
        let schedule = Schedule::SlantedTriangular { cut: value, ratio: 32.0 };
        cases.push(("the cut", value, phase().schedule(schedule)));
    }
    for value in [f64::NAN, -0.1, 1.0] {
        cases.push(("the label smoothing", value, phase().label_smoothing(value)));
        let schedule = Schedule::WarmupCosine { warmup: value };
        cases.push(("the warm-up", value, phase().schedule(schedule)));
    }
    for value in [f64::NAN, f64::INFINITY, 0.5] {
        let schedule = Schedule::SlantedTriangular { cut: 0.1, ratio: value };
        cases.push(("the ratio", value, phase().schedule(schedule)));
    }
    cases.push(("the layer decay", 1.5, phase().layer_decay(1.5)));
    for (expected, number, phase) in cases {
        let error = refused(phase);
        let CoreError::BadNumber { what, value, .. } = &error else { panic!("{error}") };
        assert_eq!(what, &format!("{expected} of phase \"finetune\""));
        assert_eq!(value.to_bits(), number.to_bits());
    }
}

#[test]
fn optimizers_that_make_no_sense_are_errors() {
    let adamw = |beta1, beta2, epsilon, weight_decay| OptimizerConfig::AdamW {
        beta1,
        beta2,
        epsilon,
        weight_decay,
    };
    let sgd =
        |momentum, weight_decay| OptimizerConfig::Sgd { momentum, nesterov: false, weight_decay };
    let nan = f64::NAN;
    for optimizer in [
        adamw(1.0, 0.999, 1e-8, 0.0),
        adamw(nan, 0.999, 1e-8, 0.0),
        adamw(0.9, -0.1, 1e-8, 0.0),
        adamw(0.9, 0.999, 0.0, 0.0),
        adamw(0.9, 0.999, 1e-8, -0.1),
        adamw(0.9, 0.999, 1e-8, nan),
        sgd(1.0, 0.0),
        sgd(0.9, f64::INFINITY),
    ] {
        let plan = Plan::new(vec![Phase::probe(1)]).optimizer(optimizer);
        let error = plan.resolve(&stages()).unwrap_err();
        assert!(matches!(error, CoreError::BadNumber { .. }), "{optimizer:?}: {error}");
    }
}

#[test]
fn a_plan_without_phases_and_a_phase_without_epochs_are_errors() {
    let error = Plan::new(Vec::new()).resolve(&stages()).unwrap_err();
    assert_eq!(error.to_string(), "the plan is empty; give it at least one phase");
    let error = refused(Phase::finetune(0));
    assert_eq!(error.to_string(), "phase \"finetune\" is empty; give it at least one epoch");
}
