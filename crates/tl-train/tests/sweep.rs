//! A sweep over learning rates of a network of one matrix.

use crate::toy::{LABELS, Matrix, VECTORS, Vectors, WEIGHT, logits, model, near};
use burn::module::Param;
use burn::prelude::*;
use tl_core::{Model, Phase, Plan};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::fit::{Sweep, SweepEnd, sweep};
use tl_train::{Earlier, Settings, Silent, Task, TrainError};

/// From 10⁻⁷ to 10 over batches of all four vectors.
fn swept(model: Model<Matrix, LinearHead>) -> Sweep {
    let phase = Phase::finetune(1).label_smoothing(0.0).rates(10.0, 10.0);
    swept_as(model, phase, &Settings::default()).unwrap()
}

/// The same of another phase, with other settings.
fn swept_as(
    model: Model<Matrix, LinearHead>,
    phase: Phase,
    settings: &Settings,
) -> Result<Sweep, TrainError> {
    let (data, split) = (Vectors::new(), Split { train: vec![0, 1, 2, 3], ..Split::default() });
    let (augment, earlier) = (Augment::none(), Earlier::default());
    let task = Task { data: &data, split: &split, augment, earlier };
    sweep(model, &task, &Plan::new(vec![phase]), settings, 1e8, &mut Silent)
}

#[test]
fn steps_of_several_batches_are_as_many_as_those_of_one() {
    let settings = Settings { batch_size: 1, accumulate: 2, ..Settings::default() };
    let found = swept_as(model(), Phase::finetune(1).rates(10.0, 10.0), &settings).unwrap();
    let growth = found.steps[1].factor / found.steps[0].factor;
    // 10^(8 / 99) for a hundred steps; fifty would grow by 10^(8 / 49).
    assert!((1.19..1.21).contains(&growth), "{growth}");
}

#[test]
fn images_that_are_mixed_nowhere_are_refused_before_anything_is_trained() {
    let settings = Settings { mixup: Some(0.2), ..Settings::default() };
    let error = swept_as(model(), Phase::probe(1), &settings).unwrap_err().to_string();
    assert!(error.contains("mixup or cutmix"), "{error}");
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
