//! The metrics against scikit-learn's, as `xtask/parity/record_metrics.py` and its neighbours record them.

use serde::Deserialize;
use tl_data::text::Scheme;
use tl_train::metrics::{Entities, Evaluation, Regression, Score, SeveralLabels, fit_temperature};

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
    balanced_accuracy: f64,
    top_5: Option<f64>,
    ece: f64,
    brier: f64,
    temperature: Option<f64>,
}

#[test]
fn every_figure_is_scikit_learn_s() {
    let text = include_str!("fixtures/metrics.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let labels: Vec<String> = (0..case.classes).map(|class| class.to_string()).collect();
        let found = Evaluation::with_figures(&labels, &case.logits, &case.truth, 1.0).unwrap();
        let more = found.figures.as_ref().unwrap();
        assert_eq!(more.top_k.is_some(), case.top_5.is_some(), "{}", case.name);
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
            (more.auroc.map_or(0.0, |area| area.value), case.auroc.unwrap_or(0.0)),
            (more.macro_f1.value, case.macro_f1),
            (more.nll.value, case.loss),
            (more.balanced_accuracy.value, case.balanced_accuracy),
            (more.top_k.map_or(0.0, |top| top.share.value), case.top_5.unwrap_or(0.0)),
            (more.ece.value, case.ece),
            (more.brier.value, case.brier),
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

#[test]
fn the_temperature_is_where_scipy_finds_the_least_loss() {
    let text = include_str!("fixtures/metrics.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    let mut found_some = 0;
    for case in cases {
        let labels: Vec<String> = (0..case.classes).map(|class| class.to_string()).collect();
        let found = fit_temperature(&labels, &case.logits, &case.truth).unwrap();
        match (found, case.temperature) {
            // A search by values ends where they no longer differ: the root of the rounding error.
            (Some(ours), Some(theirs)) => {
                assert!((ours / theirs - 1.0).abs() < 1e-6, "{}: {ours} {theirs}", case.name);
                found_some += 1;
            }
            (ours, theirs) => assert_eq!(ours.is_some(), theirs.is_some(), "{}", case.name),
        }
    }
    assert!(found_some > 3);
}

#[derive(Deserialize)]
struct NumberCase {
    name: String,
    truth: Vec<f64>,
    answers: Vec<f64>,
    r2: f64,
    root_mean_squared_error: f64,
    mean_absolute_error: f64,
    pearson: f64,
    pearson_interval: [f64; 2],
    spearman: f64,
}

#[test]
fn every_figure_of_numbers_is_scikit_learn_s_or_scipy_s() {
    let text = include_str!("fixtures/regression.json");
    let cases: Vec<NumberCase> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 7);
    for case in cases {
        let found = Regression::of(&case.truth, &case.answers).unwrap();
        let ([low, high], [lower, higher]) =
            (found.pearson_interval.unwrap(), case.pearson_interval);
        for (number, (ours, theirs)) in [
            (found.r2.unwrap(), case.r2),
            (found.root_mean_squared_error, case.root_mean_squared_error),
            (found.mean_absolute_error, case.mean_absolute_error),
            (found.pearson.unwrap(), case.pearson),
            (low, lower),
            (high, higher),
            (found.spearman.unwrap(), case.spearman),
        ]
        .into_iter()
        .enumerate()
        {
            let off = (ours - theirs).abs() / theirs.abs().max(1.0);
            assert!(off < 1e-9, "{}, {number}: {ours} and {theirs}", case.name);
        }
    }
}

#[derive(Deserialize)]
struct EntityCase {
    name: String,
    scheme: Scheme,
    truth: Vec<String>,
    predicted: Vec<String>,
    usual: Recorded,
    strict: Recorded,
}

/// What `xtask/parity/record_entities.py` records of one mode.
#[derive(Deserialize)]
struct Recorded {
    micro: Score,
    #[serde(rename = "macro")]
    mean: Score,
    weighted: Score,
    /// Precision, recall, F1 and support of each type, in the order of the alphabet.
    per_type: Vec<(f64, f64, f64, u64)>,
}

#[test]
fn every_figure_of_entities_is_seqeval_s_in_both_modes() {
    let text = include_str!("fixtures/entities.json");
    let cases: Vec<EntityCase> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let pairs = case.truth.iter().zip(&case.predicted);
        let sentences: Vec<_> = pairs
            .map(|(truth, predicted)| (truth.split(' ').collect(), predicted.split(' ').collect()))
            .collect();
        let found = Entities::of(&sentences, case.scheme);
        for (mode, ours, theirs) in
            [("usual", &found.usual, &case.usual), ("strict", &found.strict, &case.strict)]
        {
            let per_type: Vec<_> =
                ours.per_type.iter().map(|it| (it.precision, it.recall, it.f1, it.n)).collect();
            assert_eq!(per_type.len(), theirs.per_type.len(), "{} {mode}", case.name);
            for (mine, other) in [
                (ours.micro, theirs.micro),
                (ours.mean, theirs.mean),
                (ours.weighted, theirs.weighted),
            ] {
                close(
                    &case.name,
                    mode,
                    [mine.precision, mine.recall, mine.f1],
                    [other.precision, other.recall, other.f1],
                );
            }
            for (mine, other) in per_type.into_iter().zip(&theirs.per_type) {
                assert_eq!(mine.3, other.3, "{} {mode}", case.name);
                close(&case.name, mode, [mine.0, mine.1, mine.2], [other.0, other.1, other.2]);
            }
        }
    }
}

fn close(name: &str, mode: &str, ours: [f64; 3], theirs: [f64; 3]) {
    for (mine, other) in ours.into_iter().zip(theirs) {
        assert!((mine - other).abs() < 1e-9, "{name}, {mode}: {ours:?} and {theirs:?}");
    }
}

#[derive(Deserialize)]
struct SeveralCase {
    name: String,
    labels: usize,
    logits: Vec<f32>,
    truth: Vec<bool>,
    average_precision: Vec<f64>,
    mean_average_precision: f64,
    macro_f1: f64,
    micro_f1: f64,
    loss: f64,
}

#[test]
fn every_figure_of_several_labels_is_scikit_learn_s() {
    let text = include_str!("fixtures/several.json");
    let cases: Vec<SeveralCase> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let labels: Vec<String> = (0..case.labels).map(|label| label.to_string()).collect();
        let found = SeveralLabels::from_logits(&labels, &case.logits, &case.truth).unwrap();
        let pairs = [
            (found.mean_average_precision.unwrap(), case.mean_average_precision),
            (found.macro_f1, case.macro_f1),
            (found.micro_f1, case.micro_f1),
            (found.loss, case.loss),
        ];
        let each = found.per_label.iter().map(|label| label.average_precision.unwrap());
        let pairs = pairs.into_iter().chain(each.zip(case.average_precision));
        for (number, (ours, theirs)) in pairs.enumerate() {
            assert!((ours - theirs).abs() < 1e-9, "{}, {number}: {ours} and {theirs}", case.name);
        }
    }
}
