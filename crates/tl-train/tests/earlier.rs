//! What earlier tasks add to a fitting, against closed forms of single steps of a network of one matrix.

use crate::toy::{LABELS, Matrix, VECTORS, Vectors, WEIGHT, logits, model, near};
use burn::prelude::*;
use tl_core::parameters::{values, visit_parameters};
use tl_core::{OptimizerConfig, Phase, Plan, Schedule};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::regularise::{Importance, Measure, features_of};
use tl_train::{Conduct, Earlier, EarlierHead, Fitted, Keep, Memory, Settings, Silent, Task, fit};

const RATE: f64 = 0.5;

/// A fitting by plain steps over all vectors at once, with these terms.
fn fitted(terms: &[&str], epochs: usize, clip: Option<f64>) -> Fitted<Matrix, LinearHead> {
    fitted_after(None, terms, epochs, clip)
}

/// The same after a task to which the weights matter so.
fn fitted_after(
    importance: Option<&Importance>,
    terms: &[&str],
    epochs: usize,
    clip: Option<f64>,
) -> Fitted<Matrix, LinearHead> {
    let data = Vectors::new();
    let mut phase = Phase::finetune(epochs).rates(RATE, RATE).label_smoothing(0.0);
    phase = phase.schedule(Schedule::Constant);
    phase.clip_norm = clip;
    for term in terms {
        phase = phase.regularised(term.parse().unwrap());
    }
    let optimizer = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let plan = Plan::new(vec![phase]).optimizer(optimizer);
    let head = EarlierHead { weight: vec![1.0, 0.0, 0.0, 1.0], bias: vec![0.0; 2], classes: 2 };
    let memory = Memory { data: &data, items: vec![1, 3], head: 0 };
    let earlier = Earlier { importance, heads: vec![head], memory: vec![memory] };
    let split = Split { train: vec![0, 1, 2, 3], ..Split::default() };
    let task = Task { data: &data, split: &split, augment: Augment::none(), earlier };
    let settings =
        Settings { batch_size: 4, path_integral: true, keep: Keep::Last, ..Settings::default() };
    fit(model(), &task, &plan, &settings, &Conduct::default(), &mut Silent).unwrap()
}

fn weight(found: &Fitted<Matrix, LinearHead>) -> Vec<f32> {
    let mut all = Vec::new();
    visit_parameters(&found.model.backbone, |_, tensor| all = values(tensor).unwrap());
    all
}

/// What the labels ask of the logits: probabilities without the label's 1.
fn errors(item: usize) -> [f64; 2] {
    let [one, other] = logits(VECTORS[item]).map(f64::exp);
    let mut errors = [one / (one + other), other / (one + other)];
    errors[LABELS[item]] -= 1.0;
    errors
}

/// The gradient of the mean loss over `items` in the matrix.
fn gradient(items: &[usize]) -> [f64; 4] {
    [0, 1, 2, 3].map(|place| {
        let of = |item: &usize| VECTORS[*item][place / 2] * errors(*item)[place % 2];
        items.iter().map(of).sum::<f64>() / items.len() as f64
    })
}

const ALL: [usize; 4] = [0, 1, 2, 3];

/// How much a weight matters whose loss fell by `did` while it moved by `moved`.
fn matters(did: f64, moved: f64) -> f64 {
    did.max(0.0) / (moved * moved + 0.1)
}

#[test]
fn a_weight_matters_by_what_its_step_did_for_the_loss() {
    let found = fitted(&[], 1, None);
    let own = gradient(&ALL);
    assert!(near(&weight(&found), &[0, 1, 2, 3].map(|it| WEIGHT[it] - RATE * own[it])));
    let expected = own.map(|slope| matters(RATE * slope * slope, RATE * slope));
    assert!(near(&found.importance.unwrap()["backbone.weight"], &expected));
}

#[test]
fn a_path_counts_the_gradient_before_it_is_clipped() {
    let own = gradient(&ALL);
    // Of the head's weight and bias; what the head multiplies are the logits themselves.
    let mean = |of: &dyn Fn(usize) -> f64| ALL.into_iter().map(of).sum::<f64>() / 4.0;
    let weights = [0, 1, 2, 3]
        .map(|it: usize| mean(&|item| errors(item)[it / 2] * logits(VECTORS[item])[it % 2]));
    let biases = [0, 1].map(|it: usize| mean(&|item| errors(item)[it]));
    let squares = own.iter().chain(&weights).chain(&biases).map(|slope| slope * slope);
    let norm = squares.sum::<f64>().sqrt();
    let largest = norm / 4.0;
    let found = fitted(&[], 1, Some(largest));
    let share = largest / (norm + 1e-6);
    let expected = own.map(|slope| matters(RATE * share * slope * slope, RATE * share * slope));
    assert!(near(&found.importance.unwrap()["backbone.weight"], &expected));
}

#[test]
fn examples_that_are_shown_again_pull_as_their_loss_does_and_are_no_part_of_the_path() {
    let found = fitted(&["rehearsal:strength=0.6"], 1, None);
    let (own, again) = (gradient(&ALL), gradient(&[1, 3]));
    let whole = [0, 1, 2, 3].map(|it| own[it] + 0.6 * again[it]);
    assert!(near(&weight(&found), &[0, 1, 2, 3].map(|it| WEIGHT[it] - RATE * whole[it])));
    let expected = [0, 1, 2, 3].map(|it| matters(RATE * own[it] * whole[it], RATE * whole[it]));
    assert!(near(&found.importance.unwrap()["backbone.weight"], &expected));
}

#[test]
fn what_mattered_on_its_way_is_held_without_the_half_of_its_kin() {
    let (own, held, matters) = (gradient(&ALL), [0.5, -0.5, 1.0, 0.0], [2.0, 0.0, 1.0, 0.5]);
    let of = |values: [f64; 4]| {
        let values = values.map(|value| value as f32).to_vec();
        [("backbone.weight".to_string(), values)].into()
    };
    for (measure, term, factor) in
        [(Measure::Si, "si:strength=0.3", 0.6), (Measure::Mas, "mas:strength=0.3", 0.3)]
    {
        let importance = Importance { measure, weights: of(held), importance: of(matters) };
        let found = weight(&fitted_after(Some(&importance), &[term], 1, None));
        let expected = [0, 1, 2, 3].map(|it| {
            WEIGHT[it] - RATE * (own[it] + factor * matters[it] * (WEIGHT[it] - held[it]))
        });
        assert!(near(&found, &expected), "{term}: {found:?} {expected:?}");
    }
}

#[test]
fn a_network_that_has_not_moved_is_not_held_and_one_that_has_is() {
    let one = |terms: &[&str]| weight(&fitted(terms, 1, None));
    assert_eq!(one(&["lwf:strength=10"]), one(&[]));
    let two = |terms: &[&str]| weight(&fitted(terms, 2, None));
    assert_ne!(two(&["lwf:strength=10"]), two(&[]));
    let nothing = ["lwf:strength=0", "rehearsal:strength=0"];
    assert_eq!(two(&nothing), two(&[]));
}

#[test]
fn features_are_those_that_the_head_multiplies_in_the_order_of_the_items() {
    let (data, device) = (Vectors::new(), Device::flex());
    let found = features_of(&model(), &data, &[2, 0, 3], 2, &device).unwrap();
    assert_eq!(found.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [2, 0, 3]);
    assert!(found.iter().all(|(item, vector)| near(vector, &logits(VECTORS[*item]))));
}
