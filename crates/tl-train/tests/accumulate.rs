//! Steps of several batches, against steps of one batch that holds as much, by a network of one matrix.

use crate::toy::{Matrix, Vectors, model};
use tl_core::parameters::{values, visit_parameters};
use tl_core::{OptimizerConfig, Phase, Plan, Schedule};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::{
    Conduct, Earlier, EarlierHead, Fitted, Keep, Settings, Silent, Task, TrainError, fit,
};

/// How the vectors are divided into batches and steps.
#[derive(Clone, Copy)]
struct Cut {
    batch_size: usize,
    accumulate: usize,
    balanced: bool,
}

/// Three epochs over the vectors `train` along one cycle; where classes weigh alike with a term beside the loss that is a mean over
/// rows as well.
fn fitted(train: &[usize], cut: Cut) -> Result<Fitted<Matrix, LinearHead>, TrainError> {
    let data = Vectors::new();
    let phase = Phase::finetune(3).rates(0.5, 0.5).label_smoothing(0.1);
    let mut phase = phase.schedule(Schedule::OneCycle);
    if !cut.balanced {
        phase = phase.regularised("lwf".parse().unwrap());
    }
    let optimizer = OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    let plan = Plan::new(vec![phase]).optimizer(optimizer);
    let head = EarlierHead { weight: vec![1.0, 0.0, 0.5, 1.0], bias: vec![0.0; 2], classes: 2 };
    let earlier = Earlier { heads: vec![head], ..Earlier::default() };
    let split = Split { train: train.to_vec(), ..Split::default() };
    let task = Task { data: &data, split: &split, augment: Augment::none(), earlier };
    let Cut { batch_size, accumulate, balanced } = cut;
    let settings = Settings {
        batch_size,
        accumulate,
        balanced,
        path_integral: true,
        keep: Keep::Last,
        ..Settings::default()
    };
    fit(model(), &task, &plan, &settings, &Conduct::default(), &mut Silent)
}

fn weights(found: &Fitted<Matrix, LinearHead>) -> Vec<f32> {
    let mut all = Vec::new();
    visit_parameters(&found.model, |_, tensor| all.extend(values(tensor).unwrap()));
    all
}

fn near(one: &[f32], other: &[f32]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-5)
}

fn assert_same(train: &[usize], [one, other]: [Cut; 2], steps: u64) {
    let [one, other] = [one, other].map(|cut| fitted(train, cut).unwrap());
    assert_eq!((one.steps, other.steps), (steps, steps));
    let [first, second] = [&one, &other].map(weights);
    assert!(near(&first, &second), "{first:?} and {second:?}");
    let [first, second] = [&one, &other].map(|it| it.importance.clone().unwrap());
    let [first, second] = [first, second].map(|it| it["backbone.weight"].clone());
    assert!(near(&first, &second), "importance {first:?} and {second:?}");
    for (one, other) in one.rows.iter().zip(&other.rows) {
        assert_eq!(one.learning_rate, other.learning_rate);
        let [one, other] = [one, other].map(|row| row.gradient_norm.unwrap());
        assert!((one - other).abs() < 1e-5, "norm of the gradient {one} and {other}");
    }
}

fn cut(batch_size: usize, accumulate: usize, balanced: bool) -> Cut {
    Cut { batch_size, accumulate, balanced }
}

#[test]
fn batches_of_one_step_are_as_one_batch_of_all_their_rows() {
    let all = [0, 1, 2, 3];
    for (batch_size, accumulate) in [(2, 2), (1, 4), (3, 2), (1, 1000)] {
        assert_same(&all, [cut(batch_size, accumulate, false), cut(4, 1, false)], 3);
    }
    // They are not what steps of single batches come to.
    let [one, other] = [cut(2, 2, false), cut(2, 1, false)].map(|it| fitted(&all, it).unwrap());
    assert_eq!((one.steps, other.steps), (3, 6));
    assert!(!near(&weights(&one), &weights(&other)));
}

#[test]
fn the_last_step_of_an_epoch_may_be_smaller_and_classes_keep_their_weights() {
    // Two examples of class 0 and one of class 1, so that batches weigh by their classes and not by their rows.
    let three = [0, 1, 2];
    for balanced in [false, true] {
        assert_same(&three, [cut(1, 2, balanced), cut(2, 1, balanced)], 6);
        assert_same(&three, [cut(2, 2, balanced), cut(3, 1, balanced)], 3);
        assert_same(&three, [cut(1, 3, balanced), cut(3, 1, balanced)], 3);
    }
}

#[test]
fn a_step_of_no_batch_is_refused() {
    let refused = fitted(&[0, 1], cut(1, 0, false)).err().unwrap().to_string();
    assert!(refused.contains("batches in a step is 0"), "{refused}");
}
