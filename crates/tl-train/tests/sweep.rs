//! A sweep over learning rates of a network of one matrix.

mod toy;

use burn::module::Param;
use burn::prelude::*;
use tl_core::{Model, Phase, Plan};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::fit::{Sweep, SweepEnd, sweep};
use tl_train::{Earlier, Settings, Silent, Task};
use toy::{LABELS, Matrix, VECTORS, Vectors, WEIGHT, logits, model, near};

/// From 10⁻⁷ to 10 over batches of all four vectors.
fn swept(model: Model<Matrix, LinearHead>) -> Sweep {
    let (data, split) = (Vectors::new(), Split { train: vec![0, 1, 2, 3], ..Split::default() });
    let (augment, earlier) = (Augment::none(), Earlier::default());
    let task = Task { data: &data, split: &split, augment, earlier };
    let plan = Plan::new(vec![Phase::finetune(1).label_smoothing(0.0).rates(10.0, 10.0)]);
    sweep(model, &task, &plan, &Settings::default(), 1e8, &mut Silent).unwrap()
}

#[test]
fn a_single_batch_is_gone_through_again_and_again_and_the_network_stays_as_it_was() {
    let network = model();
    let found = swept(network.clone());
    let mut expected = 0.0;
    for (vector, label) in VECTORS.into_iter().zip(LABELS) {
        let logits = logits(vector);
        let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
        expected += (sum.ln() - logits[label]) / VECTORS.len() as f64;
    }
    let first = found.steps[0];
    assert!((first.loss - expected).abs() < 1e-5, "{first:?}, expected is a loss of {expected}");
    assert!((first.factor / 1e-8 - 1.0).abs() < 1e-9, "{first:?}");
    assert!(found.steps.len() <= 100 && found.steps.len() > 50, "{} steps", found.steps.len());
    let grows = |pair: &[tl_train::fit::SweptStep]| pair[0].factor < pair[1].factor;
    assert!(found.steps.windows(2).all(grows));
    // The two classes can be told apart, so that the loss falls before rates are too high.
    assert!(found.steepest().is_some());
    let weight = network.backbone.weight.val().into_data().try_into_vec::<f32>().unwrap();
    assert!(near(&weight, &WEIGHT), "{weight:?}");
    assert_eq!(swept(network), found, "the same again is the same");
}

#[test]
fn weights_that_are_no_numbers_end_the_sweep_before_its_first_step() {
    let mut network = model();
    let nothing = Tensor::full([2, 2], f32::NAN, &Device::flex());
    network.backbone.weight = Param::from_tensor(nothing);
    let found = swept(network);
    assert_eq!((found.steps.len(), found.end), (0, SweepEnd::NotFinite));
    assert_eq!(found.steepest(), None);
}
