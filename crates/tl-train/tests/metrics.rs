//! The metrics against scikit-learn's, as `xtask/parity/record_metrics.py` records them.

use serde::Deserialize;
use tl_train::metrics::Evaluation;

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    logits: Vec<f32>,
    truth: Vec<usize>,
    accuracy: f64,
    loss: f64,
    macro_f1: f64,
    weighted_f1: f64,
    mcc: f64,
    auroc: Option<f64>,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    confusion: Vec<Vec<u64>>,
}

#[test]
fn every_figure_is_scikit_learn_s() {
    let text = include_str!("fixtures/metrics.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let labels: Vec<String> = (0..case.classes).map(|class| class.to_string()).collect();
        let found = Evaluation::from_logits(&labels, &case.logits, &case.truth).unwrap();
        assert_eq!(found.confusion, case.confusion, "{}", case.name);
        assert_eq!(found.auroc.is_some(), case.auroc.is_some(), "{}", case.name);
        let scores = |of: fn(&tl_train::metrics::ClassScore) -> f64| found.per_class.iter().map(of);
        let pairs = [
            (found.accuracy, case.accuracy),
            (found.loss, case.loss),
            (found.macro_f1, case.macro_f1),
            (found.weighted_f1, case.weighted_f1),
            (found.mcc, case.mcc),
            (found.auroc.unwrap_or(0.0), case.auroc.unwrap_or(0.0)),
        ];
        let pairs = pairs
            .into_iter()
            .chain(scores(|class| class.precision).zip(case.precision))
            .chain(scores(|class| class.recall).zip(case.recall))
            .chain(scores(|class| class.f1).zip(case.f1));
        for (number, (ours, theirs)) in pairs.enumerate() {
            assert!((ours - theirs).abs() < 1e-9, "{}, {number}: {ours} and {theirs}", case.name);
        }
    }
}
