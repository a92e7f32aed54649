//! What a method says it trains on is what a step down its loss raises.

use crate::support::{formula, values};
use burn::prelude::*;
use tl_adapt::methods::{named, names};
use tl_adapt::{
    EpochStart, Evidence, LabelledOutputs, Method, Networks, Outputs, Sizes, SourceBatch, Step,
    TargetBatch, Validator,
};

const ROWS: usize = 48;
const WIDTH: usize = 5;
const CLASSES: usize = 4;
const DRAWS: usize = 6;
/// How far the logits move along their gradient of length 1.
const STRIDE: f64 = 0.05;

/// Features and logits on the host.
fn outputs(features: &Tensor<2>, logits: &Tensor<2>) -> Outputs {
    let (features, logits) = (values(features.clone()), values(logits.clone()));
    Outputs { features, logits, width: WIDTH, classes: CLASSES }
}

/// A batch of both domains by formula.
fn step<'a>(method: &dyn Method, networks: &'a Networks, draw: usize) -> Step<'a> {
    let device = Device::flex().autodiff();
    let tensor = |what: &str, width, scale| {
        let name = format!("judges.{draw}.{what}");
        formula(&name, [ROWS, width], scale, &device).require_grad()
    };
    let source = SourceBatch {
        features: tensor("source", WIDTH, 2.0),
        logits: tensor("source.logits", CLASSES, 3.0),
        labels: (0..ROWS).map(|row| row % CLASSES).collect(),
        domains: vec![0; ROWS],
        items: (0..ROWS).collect(),
    };
    let target = TargetBatch {
        features: tensor("target", WIDTH, 2.0),
        logits: tensor("target.logits", CLASSES, 4.0),
        teacher: method.teacher().map(|_| tensor("teacher", CLASSES, 6.0).inner()),
        items: (0..ROWS).collect(),
    };
    Step {
        method: method.name(),
        source_encoder: Some(source.features.clone().inner()),
        source: Some(source),
        target: Some(target),
        networks,
        round: 0,
        progress: 0.5,
        seed: draw as u64,
        step: 1,
    }
}

/// By how much a small step down the loss of `round` changes each of the certainty scores; nothing where it leaves the target's
/// logits alone.
fn change(method: &mut dyn Method, round: usize, draw: usize) -> Option<[f64; 3]> {
    let sizes = Sizes { features: WIDTH, classes: CLASSES };
    let device = Device::flex().autodiff();
    let networks = Networks::new(&method.networks(sizes), draw as u64, &device);
    let step = Step { round, ..step(method, &networks, draw) };
    let target = step.target.clone().unwrap();
    let before = outputs(&target.features, &target.logits);
    // Answers that are right may be as sure as they are: pseudo-labels are given out.
    let validation = LabelledOutputs { outputs: before.clone(), labels: before.predictions() };
    method.begin_epoch(&EpochStart { target: &before, validation: &validation }).unwrap();
    let terms = method.terms(&step).unwrap().terms.into_iter();
    let loss = terms.map(|term| term.value.mul_scalar(term.weight)).reduce(|a, b| a + b)?;
    let gradient = target.logits.grad(&loss.backward())?;
    let length = values(gradient.clone()).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 {
        return None;
    }
    let moved = target.logits.inner() - gradient.mul_scalar(STRIDE / length);
    let after = outputs(&target.features, &moved);
    let score = |validator: Validator, target: &Outputs| {
        let evidence = Evidence { training: &validation, validation: &validation, target };
        validator.score(&evidence).unwrap()
    };
    Some(Validator::CERTAINTY.map(|validator| score(validator, &after) - score(validator, &before)))
}

#[test]
fn a_method_trains_on_those_scores_that_a_step_down_its_loss_raises() {
    for name in names() {
        let mut method = named(name).unwrap();
        let said = method.trains_on();
        let rounds = method.rounds();
        let rounds: Vec<usize> = (0..rounds.len()).filter(|&round| rounds[round].target).collect();
        let mut changes = Vec::new();
        for draw in 0..DRAWS {
            changes.extend(rounds.iter().filter_map(|&round| change(&mut *method, round, draw)));
        }
        println!("{name}: {changes:.5?}");
        for (place, validator) in Validator::CERTAINTY.into_iter().enumerate() {
            let raised = changes.iter().filter(|change| change[place] > 0.0).count();
            let always = raised == changes.len() && raised > 0;
            let score = validator.name();
            assert_eq!(
                said.contains(&validator),
                always,
                "{name}, {score}: {raised} of {changes:?}"
            );
        }
    }
}
