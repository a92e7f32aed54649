//! Every loss against a recording made from its formula in f64 by
//! `xtask/parity/record_adaptation.py`: value and gradient; then what the theory says of equal
//! domains, and batches that are not ordinary.

use crate::support::{formula, recorded, scalar, values};
use burn::prelude::*;
use serde_json::Value;
use tl_adapt::methods::*;

type Loss = fn(&[Tensor<2>]) -> Tensor<1>;

const LABELS: [usize; 5] = [0, 2, 1, 1, 0];

fn take<const N: usize>(inputs: &[Tensor<2>]) -> [Tensor<2>; N] {
    std::array::from_fn(|at| inputs[at].clone())
}

/// Every loss by the name of its recording.
const LOSSES: [(&str, Loss); 18] = [
    ("domain", |x| domain_loss(x[0].clone(), x[1].clone())),
    ("weighted_domain", |x| {
        let [source, target, on_source, on_target] = take(x);
        weighted_domain_loss(source, target, certainty(&on_source), certainty(&on_target))
    }),
    ("coral", |x| coral_loss(x[0].clone(), x[1].clone())),
    ("mcc", |x| mcc_loss(x[0].clone(), 2.5)),
    ("information", |x| information_loss(x[0].clone())),
    ("dan", |x| mmd_loss(x[0].clone(), x[1].clone())),
    ("jan", |x| {
        let [source, target, on_source, on_target] = take(x);
        joint_mmd_loss([source, target], [on_source, on_target])
    }),
    ("mcd", |x| discrepancy(x[0].clone(), x[1].clone())),
    ("bnm", |x| bnm_loss(x[0].clone()).unwrap()),
    ("bnm_wide", |x| bnm_loss(x[0].clone()).unwrap()),
    ("afn", |x| norm_growth_loss(x[0].clone(), 1.0)),
    ("entropy", |x| entropy_loss(x[0].clone())),
    ("agreement", |x| agreement_loss(x[0].clone(), &LABELS)),
    ("contradiction", |x| contradiction_loss(x[0].clone(), &LABELS)),
    ("inverted", |x| inverted_domain_loss(x[0].clone())),
    ("consistency", |x| consistency_loss(x[0].clone(), x[1].clone(), 0.4).unwrap()),
    ("masked", |x| masked_cross_entropy(x[0].clone(), &[Some(0), None, Some(1), None, Some(2)])),
    ("multilinear", |x| {
        let [features, predictions, weights] = take(x);
        (multilinear(features, predictions) * weights).sum()
    }),
];

fn inputs(case: &Value, device: &Device) -> Vec<Tensor<2>> {
    let all = case["inputs"].as_array().unwrap();
    all.iter()
        .map(|input| {
            let shape: [usize; 2] = serde_json::from_value(input["shape"].clone()).unwrap();
            let name = input["name"].as_str().unwrap();
            formula(name, shape, input["scale"].as_f64().unwrap(), device).require_grad()
        })
        .collect()
}

#[test]
fn every_loss_and_its_gradient_equal_the_recording() {
    let recorded = recorded();
    let cases = recorded["losses"].as_object().unwrap();
    assert_eq!(cases.len(), LOSSES.len());
    let device = Device::flex().autodiff();
    for (name, loss) in LOSSES {
        let case = &cases[name];
        let inputs = inputs(case, &device);
        let value = loss(&inputs);
        let expected = case["loss"].as_f64().unwrap();
        let found = scalar(value.clone());
        assert!((found - expected).abs() < 1e-6, "{name}: {found} should be {expected}");
        let gradients = value.backward();
        for (at, input) in inputs.iter().enumerate() {
            let expected: Vec<f64> = serde_json::from_value(case["gradients"][at].clone()).unwrap();
            let found = match input.grad(&gradients) {
                Some(gradient) => values(gradient),
                None => vec![0.0; expected.len()],
            };
            let largest = expected.iter().fold(0f64, |largest, value| largest.max(value.abs()));
            for (found, expected) in found.iter().zip(&expected) {
                let difference = (f64::from(*found) - expected).abs();
                let bound = 1e-6 + 1e-5 * largest;
                assert!(difference < bound, "{name}, input {at}: {found} should be {expected}");
            }
        }
    }
}

#[test]
fn discrepancies_of_equal_domains_are_zero() {
    let device = Device::flex();
    let features = || formula("equal", [7, 5], 2.0, &device);
    let logits = || formula("equal.logits", [7, 3], 2.0, &device);
    for (name, loss) in [
        ("coral", coral_loss(features(), features())),
        ("dan", mmd_loss(features(), features())),
        ("jan", joint_mmd_loss([features(), features()], [logits(), logits()])),
        ("mcd", discrepancy(logits(), logits())),
        ("consistency", consistency_loss(logits(), logits(), 0.0).unwrap()),
    ] {
        let value = scalar(loss);
        assert!(value.abs() < 1e-6, "{name}: {value}");
    }
    // A classifier that cannot tell has ln 2.
    let unsure = || Tensor::<2>::zeros([4, 1], &device);
    assert!((scalar(domain_loss(unsure(), unsure())) - 2f64.ln()).abs() < 1e-6);
    assert_eq!(domain_accuracy(unsure(), unsure()).unwrap(), 0.5);
}

#[test]
fn losses_are_at_their_ends_where_predictions_are_sure() {
    let device = Device::flex();
    let sure = || Tensor::<2>::from_data([[40f32, 0.0], [0.0, 40.0]], &device);
    assert!(scalar(entropy_loss(sure())).abs() < 1e-6);
    assert!((scalar(information_loss(sure())) + 2f64.ln()).abs() < 1e-6);
    assert!((scalar(bnm_loss(sure()).unwrap()) + 1.0).abs() < 1e-6);
    assert!(scalar(mcc_loss(sure().mul_scalar(10.0), 2.5)).abs() < 1e-6);
    // Where 1 - p underflows in f32, its logarithm does not.
    assert!((scalar(contradiction_loss(sure(), &[0, 1])) - 40.0).abs() < 1e-4);
}

fn assert_finite(name: &str, what: &str, inputs: &[Tensor<2>], loss: Loss) {
    let value = loss(inputs);
    assert!(scalar(value.clone()).is_finite(), "{name}: the value for {what}");
    let gradients = value.backward();
    for input in inputs {
        if let Some(gradient) = input.grad(&gradients) {
            assert!(
                values(gradient).iter().all(|v| v.is_finite()),
                "{name}: a gradient for {what}"
            );
        }
    }
}

#[test]
fn every_loss_is_finite_for_one_row_for_equal_rows_and_for_extreme_values() {
    let recorded = recorded();
    let device = Device::flex().autodiff();
    for (name, loss) in LOSSES {
        let ordinary = inputs(&recorded["losses"][name], &device);
        let changed = |change: &dyn Fn(Tensor<2>) -> Tensor<2>| -> Vec<Tensor<2>> {
            ordinary.iter().map(|x| change(x.clone().inner()).autodiff().require_grad()).collect()
        };
        let one_row = changed(&|x| x.narrow(0, 0, 1));
        // The labels of these are for five rows.
        if !["agreement", "contradiction", "masked"].contains(&name) {
            assert_finite(name, "one row", &one_row, loss);
        }
        let equal_rows = changed(&|x| {
            let rows = x.dims()[0];
            x.narrow(0, 0, 1).repeat_dim(0, rows)
        });
        assert_finite(name, "equal rows", &equal_rows, loss);
        assert_finite(name, "zeros", &changed(&|x| x.zeros_like()), loss);
        // The first column, say a class, is never predicted.
        let missing = changed(&|x| {
            let [rows, columns] = x.dims();
            let device = x.device();
            let low = Tensor::<2>::full([rows, 1], -200.0, &device);
            if columns == 1 { x } else { Tensor::cat(vec![low, x.narrow(1, 1, columns - 1)], 1) }
        });
        assert_finite(name, "a missing class", &missing, loss);
        if !["dan", "jan", "coral", "multilinear", "afn"].contains(&name) {
            assert_finite(name, "large logits", &changed(&|x| x.mul_scalar(1e4)), loss);
        }
    }
}

#[test]
fn lambda_rises_from_zero_to_nearly_one() {
    assert_eq!(rising_lambda(0.0, 10.0), 0.0);
    assert!((rising_lambda(0.1, 10.0) - (1f64.exp() - 1.0) / (1f64.exp() + 1.0)).abs() < 1e-12);
    assert!(rising_lambda(1.0, 10.0) > 0.9999);
}
