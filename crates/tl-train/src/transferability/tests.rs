use serde::Deserialize;

use super::*;
use crate::knn;
use crate::logistic::Examples;

/// A case of `xtask/parity/record_transferability.py`.
#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    labels: Vec<usize>,
    features: Vec<f64>,
    probabilities: Vec<f64>,
    source: Vec<usize>,
    log_me: f64,
    h_score: f64,
    shrunk_h_score: f64,
    trans_rate: f64,
    leep: f64,
    nce: f64,
}

fn near(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-6, "{what}: {found} is not {expected}");
}

type Score = fn(&LabelledFeatures) -> Result<f64, ScoreError>;

const OF_FEATURES: [(&str, Score); 4] = [
    ("LogME", log_me),
    ("H-score", h_score),
    ("shrunk H-score", shrunk_h_score),
    ("TransRate", trans_rate),
];

#[test]
fn every_score_is_that_of_its_paper_s_formula() {
    let text = include_str!("../../tests/fixtures/transferability.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let examples = LabelledFeatures::new(&case.features, &case.labels, case.classes).unwrap();
        let expected = [case.log_me, case.h_score, case.shrunk_h_score, case.trans_rate];
        for ((name, score), expected) in OF_FEATURES.iter().zip(expected) {
            near(score(&examples).unwrap(), expected, &format!("{name}, {}", case.name));
        }
        // Multiples of 1/8 are the same numbers in f32.
        let single: Vec<f32> = case.features.iter().map(|value| *value as f32).collect();
        let single = LabelledFeatures::new(&single, &case.labels, case.classes).unwrap();
        assert_eq!(log_me(&single), log_me(&examples));
        let found = leep(&case.probabilities, &case.labels, case.classes).unwrap();
        near(found, case.leep, &format!("LEEP, {}", case.name));
        let found = nce(&case.source, &case.labels, case.classes).unwrap();
        near(found, case.nce, &format!("NCE, {}", case.name));
        let single: Vec<f32> = case.probabilities.iter().map(|value| *value as f32).collect();
        assert_eq!(source_labels(&single, 4), case.source);
        let found = leep(&single, &case.labels, case.classes).unwrap();
        near(found, case.leep, &format!("LEEP of f32, {}", case.name));
    }
}

#[test]
fn scores_of_few_numbers_are_what_paper_and_pencil_give() {
    // Squares about the mean 5.5 sum to 101, those of the classes' means to 100.
    let line = LabelledFeatures::new(&[0.0f32, 1.0, 10.0, 11.0], &[0, 0, 1, 1], 2).unwrap();
    near(h_score(&line).unwrap(), 100.0 / 101.0, "H-score");
    // Two classes on axes of their own: ½ in each direction together, 1 in one alone.
    let cross = [1.0f64, 0.0, -1.0, 0.0, 0.0, 1.0, 0.0, -1.0];
    let cross = LabelledFeatures::new(&cross, &[0, 0, 1, 1], 2).unwrap();
    let rate = 0.5 * (2.0 * 5001f64.ln() - 10001f64.ln());
    near(trans_rate(&cross).unwrap(), rate, "TransRate");
    // The means of both classes are the same.
    near(h_score(&cross).unwrap(), 0.0, "H-score of the cross");
    let sure = [1.0f32, 0.0, 0.0, 1.0, 0.0, 1.0];
    near(leep(&sure, &[1, 0, 0], 2).unwrap(), 0.0, "LEEP of a source that knows");
    let entropy = -(2.0 / 3.0 * (2.0f64 / 3.0).ln() + 1.0 / 3.0 * (1.0f64 / 3.0).ln());
    near(leep(&[0.5f64; 6], &[1, 0, 0], 2).unwrap(), -entropy, "LEEP of one that knows nothing");
    assert_eq!(nce(&[7, 3, 3], &[1, 0, 0], 2), Ok(0.0));
    near(nce(&[4, 4, 4], &[1, 0, 0], 2).unwrap(), -entropy, "NCE of one that knows nothing");
}

/// Neither the order of the features nor turning them tells anything; the size tells LogME next to nothing.
#[test]
fn what_says_the_same_scores_the_same() {
    let mut random = tl_random::rng(3, "transferability", 0, 0);
    let labels: Vec<usize> = (0..40).map(|at| at % 4).collect();
    let features: Vec<f64> =
        labels.iter().flat_map(|label| [0, 1, 2].map(|at| (label * at) as f64)).collect();
    let features: Vec<f64> = features.into_iter().map(|value| value + random.normal()).collect();
    let turned = |row: &[f64]| [row[2], 0.6 * row[0] - 0.8 * row[1], 0.8 * row[0] + 0.6 * row[1]];
    let other: Vec<f64> = features.chunks_exact(3).flat_map(turned).collect();
    let [one, other] =
        [&features, &other].map(|values| LabelledFeatures::new(values, &labels, 4).unwrap());
    for (name, score) in OF_FEATURES {
        near(score(&other).unwrap(), score(&one).unwrap(), name);
    }
    let small: Vec<f64> = features.iter().map(|value| 0.001 * value).collect();
    let small = LabelledFeatures::new(&small, &labels, 4).unwrap();
    for (name, score) in &OF_FEATURES[1..3] {
        near(score(&small).unwrap(), score(&one).unwrap(), name);
    }
    assert!((log_me(&small).unwrap() - log_me(&one).unwrap()).abs() < 1e-2);
}

/// Features that hold the classes score higher than the same ones under labels dealt anew.
#[test]
fn features_that_hold_the_classes_score_higher() {
    let mut random = tl_random::rng(4, "transferability", 0, 0);
    let labels: Vec<usize> = (0..90).map(|at| at % 3).collect();
    let features: Vec<f64> = labels
        .iter()
        .flat_map(|label| [0, 1, 2, 3].map(|at| if at == *label { 3.0 } else { 0.0 }))
        .map(|centre| centre + random.normal())
        .collect();
    let mut dealt = labels.clone();
    random.shuffle(&mut dealt);
    let good = LabelledFeatures::new(&features, &labels, 3).unwrap();
    let bad = LabelledFeatures::new(&features, &dealt, 3).unwrap();
    for (name, score) in OF_FEATURES {
        let (good, bad) = (score(&good).unwrap(), score(&bad).unwrap());
        assert!(good > bad, "{name}: {good} and {bad}");
    }
}

#[test]
fn a_thousand_classes_are_scored() {
    let labels: Vec<usize> = (0..2000).map(|at| at % 1000).collect();
    let features: Vec<f32> = labels
        .iter()
        .flat_map(|label| [label % 31, label % 97, label * label % 53].map(|value| value as f32))
        .collect();
    let examples = LabelledFeatures::new(&features, &labels, 1000).unwrap();
    // Both examples of a class are the same: all spread lies between classes, in each of three directions.
    near(h_score(&examples).unwrap(), 3.0, "H-score");
    for (name, score) in OF_FEATURES {
        assert!(score(&examples).unwrap().is_finite(), "{name}");
    }
    let source: Vec<usize> = labels.iter().map(|label| label % 10).collect();
    // Each source class holds a hundred classes of two examples.
    near(nce(&source, &labels, 1000).unwrap(), -(100f64.ln()), "NCE");
    let sure: Vec<f32> = source
        .iter()
        .flat_map(|own| (0..10).map(move |at| f32::from(u8::from(at == *own))))
        .collect();
    near(leep(&sure, &labels, 1000).unwrap(), -(100f64.ln()), "LEEP");
}

/// Generic values `[examples, width]`.
fn drawn(examples: usize, width: usize) -> Vec<f64> {
    let mut random = tl_random::rng(5, "transferability", 0, 0);
    (0..examples * width).map(|_| random.normal()).collect()
}

/// With one example of each class all spread lies between the classes: 1 in each direction that the features have.
#[test]
fn one_example_of_each_class_is_scored() {
    for (examples, width, directions) in [(6, 2, 2.0), (6, 40, 5.0), (1000, 3, 3.0)] {
        let labels: Vec<usize> = (0..examples).collect();
        let features = drawn(examples, width);
        let found = LabelledFeatures::new(&features, &labels, examples).unwrap();
        near(h_score(&found).unwrap(), directions, "H-score");
        for (name, score) in OF_FEATURES {
            assert!(score(&found).unwrap().is_finite(), "{name} of {examples} by {width}");
        }
        // A source that gives each its own class knows all, one that gives all the same knows nothing.
        assert_eq!(nce(&labels, &labels, examples), Ok(0.0));
        let nothing = -(examples as f64).ln();
        near(nce(&vec![0; examples], &labels, examples).unwrap(), nothing, "NCE");
        near(leep(&vec![1.0f32; examples], &labels, examples).unwrap(), nothing, "LEEP");
    }
}

/// Features with more dimensions than examples span whatever labels there are: the plain score is the number of classes less 1,
/// whatever they say, and the shrunk one, made for this, is not.
#[test]
fn more_dimensions_than_examples_are_scored() {
    for classes in [2, 3, 5] {
        let labels: Vec<usize> = (0..20).map(|at| at % classes).collect();
        let features = drawn(20, 64);
        let examples = LabelledFeatures::new(&features, &labels, classes).unwrap();
        let most = classes as f64 - 1.0;
        near(h_score(&examples).unwrap(), most, "H-score");
        let shrunk = shrunk_h_score(&examples).unwrap();
        assert!((0.0..0.9 * most).contains(&shrunk), "{shrunk} of {most}");
        for (name, score) in OF_FEATURES {
            assert!(score(&examples).unwrap().is_finite(), "{name}");
        }
    }
}

#[test]
fn a_feature_that_never_changes_beside_others_tells_nothing() {
    let labels: Vec<usize> = (0..30).map(|at| at % 3).collect();
    let features = drawn(30, 4);
    let wider: Vec<f64> = features.chunks_exact(4).flat_map(|row| [row, &[7.5]].concat()).collect();
    let [one, other] =
        [&features, &wider].map(|values| LabelledFeatures::new(values, &labels, 3).unwrap());
    for (name, score) in [("H-score", h_score as Score), ("TransRate", trans_rate as Score)] {
        near(score(&other).unwrap(), score(&one).unwrap(), name);
    }
}

#[test]
fn features_that_never_change_tell_nothing() {
    let examples = LabelledFeatures::new(&[2.5f32; 12], &[0, 1, 0, 1], 2).unwrap();
    for (name, score) in &OF_FEATURES[1..] {
        assert_eq!(score(&examples), Ok(0.0), "{name}");
    }
    assert!(log_me(&examples).unwrap().is_finite());
    let nothing = LabelledFeatures::new(&[0.0f32; 12], &[0, 1, 0, 1], 2).unwrap();
    for (name, score) in OF_FEATURES {
        assert!(score(&nothing).unwrap().is_finite(), "{name}");
    }
}

#[test]
fn the_largest_values_are_scored_too() {
    let values = [f32::MAX, 0.0, -f32::MAX, f32::MAX, 1.0, -f32::MAX];
    let examples = LabelledFeatures::new(&values, &[0, 1, 0], 2).unwrap();
    for (name, score) in OF_FEATURES {
        assert!(score(&examples).unwrap().is_finite(), "{name}");
    }
}

#[test]
fn what_cannot_be_scored_is_an_error() {
    let of = |features: &[f32], labels: &[usize], classes: usize| {
        LabelledFeatures::new(features, labels, classes).err()
    };
    assert_eq!(of(&[], &[], 2), Some(ScoreError::Empty));
    assert_eq!(of(&[1.0], &[], 2), Some(ScoreError::Empty));
    let shape = ScoreError::Shape { what: "feature values", values: 3, examples: 2 };
    assert_eq!(of(&[1.0, 2.0, 3.0], &[0, 1], 2), Some(shape));
    assert_eq!(of(&[1.0, 2.0], &[1, 1], 2), Some(ScoreError::OneClass));
    let label = ScoreError::Label { example: 1, label: 2, classes: 2 };
    assert_eq!(of(&[1.0, 2.0], &[0, 2], 2), Some(label));
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let found = of(&[1.0, 2.0, 3.0, value], &[0, 1], 2).unwrap().to_string();
        assert!(found.starts_with("example 1, feature 1 is "), "{found}");
    }
    assert!(LabelledFeatures::new(&[1e300, 2.0], &[0, 1], 2).is_err());

    let probabilities = ScoreError::Probabilities { example: 1 };
    for row in [[0.6, 0.6], [-0.5, 1.5], [f64::NAN, 0.5]] {
        let found = leep(&[0.5, 0.5, row[0], row[1]], &[0, 1], 2);
        assert_eq!(found, Err(probabilities.clone()));
    }
    assert!(leep::<f32>(&[], &[0, 1], 2).is_err() && leep(&[1.0f32; 3], &[0, 1], 2).is_err());
    assert!(leep::<f32>(&[], &[], 2).is_err());
    assert_eq!(leep(&[1.0f32; 2], &[1, 1], 2), Err(ScoreError::OneClass));
    assert!(nce(&[0], &[0, 1], 2).is_err() && nce(&[], &[], 2).is_err());
}

#[cfg(feature = "flex")]
#[test]
fn neighbours_and_probe_are_measured_on_others_or_on_each_example_by_the_rest() {
    let device = burn::tensor::Device::flex();
    let features = vec![1.0, 0.0, 1.0, 0.1, 0.0, 1.0, 0.1, 1.0];
    let bank = knn::Labelled { features: features.clone(), labels: vec![0, 0, 1, 1] };
    let count = |count| knn::Neighbours { count, ..knn::Neighbours::default() };
    let others = knn::Labelled { features: vec![2.0, 0.1, 0.0, 3.0], labels: vec![0, 0] };
    assert_eq!(neighbours_accuracy(&bank, None, count(1), &device).unwrap(), 1.0);
    assert_eq!(neighbours_accuracy(&bank, Some(&others), count(1), &device).unwrap(), 0.5);
    // With one example of each class every neighbour is of another class.
    let single = knn::Labelled { features: vec![1.0, 0.0, 0.0, 1.0], labels: vec![0, 1] };
    assert_eq!(neighbours_accuracy(&single, None, count(20), &device).unwrap(), 0.0);

    let training = Examples { features: &features, labels: &bank.labels };
    let validation = Examples { features: &others.features, labels: &others.labels };
    assert_eq!(probe_accuracy(training, validation, 2).unwrap(), 0.5);
    assert!(probe_accuracy(training, validation, 3).is_err());
}
