//! The loss with smoothed labels against PyTorch's, recorded by `xtask/parity/record_label_smoothing.py`.

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::Deserialize;
use tl_kernels::{cross_entropy, weighted_cross_entropy};

#[derive(Deserialize)]
struct Recorded {
    logits: Vec<f32>,
    labels: Vec<usize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    smoothing: f64,
    weights: Option<Vec<f32>>,
    loss: f64,
    gradient: Vec<f64>,
}

#[test]
fn smoothed_labels_have_the_loss_and_the_gradient_of_pytorch() {
    let recorded: Recorded =
        serde_json::from_str(include_str!("fixtures/label_smoothing.json")).unwrap();
    assert_eq!(recorded.cases.len(), 6);
    let labels = &recorded.labels;
    for case in recorded.cases {
        let classes = recorded.logits.len() / labels.len();
        let data = TensorData::new(recorded.logits.clone(), [labels.len(), classes]);
        let logits = Tensor::<2>::from_data(data, &Device::flex()).autodiff().require_grad();
        let loss = match &case.weights {
            Some(weights) => {
                weighted_cross_entropy(logits.clone(), labels, case.smoothing, weights)
            }
            None => cross_entropy(logits.clone(), labels, case.smoothing),
        };
        let off = f64::from(loss.clone().into_scalar::<f32>()) - case.loss;
        assert!(off.abs() < 1e-6, "{} {:?}: off by {off:.1e}", case.smoothing, case.weights);
        let gradient = logits.grad(&loss.backward()).unwrap().into_data();
        let gradient = gradient.try_to_vec::<f32>().unwrap();
        assert_eq!(gradient.len(), case.gradient.len());
        for (found, expected) in gradient.iter().zip(&case.gradient) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} should be {expected}");
        }
    }
}
