//! The validators on cases small enough for a pencil.

use super::*;

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
}

/// Logits whose softmax is `probabilities`; features are single numbers.
fn outputs(features: &[f32], probabilities: &[&[f32]]) -> Outputs {
    Outputs {
        features: features.to_vec(),
        logits: probabilities.iter().flat_map(|row| row.iter().map(|p| p.ln())).collect(),
        width: 1,
        classes: probabilities[0].len(),
    }
}

#[test]
fn entropy_and_information_are_those_of_the_formulas() {
    let target = outputs(&[0.0, 0.0], &[&[0.5, 0.5], &[0.25, 0.75]]);
    let (first, second) = (2f64.ln(), -(0.25 * 0.25f64.ln() + 0.75 * 0.75f64.ln()));
    close(entropy_score(&target), -(first + second) / 2.0, 1e-7);
    let marginal = -(0.375 * 0.375f64.ln() + 0.625 * 0.625f64.ln());
    close(information_score(&target), marginal - (first + second) / 2.0, 1e-7);
}

#[test]
fn sure_and_diverse_predictions_reach_the_largest_nuclear_norm() {
    let sure = outputs(&[0.0, 0.0], &[&[1.0, 1e-12], &[1e-12, 1.0]]);
    close(nuclear_score(&sure), 1.0, 1e-9);
    // Two equal rows (1, 0): one singular value √2, of at most √(2·2).
    let same = outputs(&[0.0, 0.0], &[&[1.0, 1e-12], &[1.0, 1e-12]]);
    close(nuclear_score(&same), 2f64.sqrt() / 2.0, 1e-6);
}

#[test]
fn source_accuracy_counts_what_is_right() {
    let validation = LabelledOutputs {
        outputs: outputs(&[0.0; 3], &[&[0.9, 0.1], &[0.2, 0.8], &[0.6, 0.4]]),
        labels: vec![0, 1, 1],
    };
    close(accuracy(&validation), 2.0 / 3.0, 1e-15);
}

#[test]
fn neighbours_that_are_alike_are_dense() {
    // Three equal rows: each has two neighbours with the same weight, an entropy of ln 2.
    let dense = outputs(&[0.0; 3], &[&[0.9f32, 0.1] as &[f32]; 3]);
    close(soft_neighbourhood_density(&dense, 0.05), 2f64.ln(), 1e-9);
    // One row far from two equal ones: those see each other (weight nearly 1), it sees both alike.
    let apart = outputs(&[0.0; 3], &[&[1.0, 1e-9], &[1.0, 1e-9], &[1e-9, 1.0]]);
    close(soft_neighbourhood_density(&apart, 0.05), 2f64.ln() / 3.0, 1e-6);
    close(soft_neighbourhood_density(&outputs(&[0.0], &[&[0.5, 0.5]]), 0.05), 0.0, 0.0);
}

#[test]
fn clusters_are_scored_as_by_hand() {
    let (a, b) = ([0.9f32, 0.1], [0.1f32, 0.9]);
    let target = outputs(&[0.0, 2.0, 10.0, 12.0], &[&a, &a, &b, &b]);
    // Centroids 1 and 11 around 6: between 4·25 = 100 with 1 degree; within 4·1 with 2.
    close(calinski_harabasz(&target).unwrap(), 100.0 / 2.0, 1e-9);
    // Row 0: a = 2, b = (10 + 12) / 2 = 11; row 1: a = 2, b = 9; the others mirror them.
    close(silhouette(&target).unwrap(), (9.0 / 11.0 + 7.0 / 9.0) / 2.0, 1e-9);
    let one = outputs(&[0.0, 2.0], &[&a, &a]);
    assert!(silhouette(&one).is_none() && calinski_harabasz(&one).is_none());
}

#[test]
fn the_controlled_risk_is_the_risk_where_the_weights_are_one() {
    close(dev::controlled_risk(&[1.0; 3], &[0.5, 1.0, 3.0]), 1.5, 1e-12);
    // w = (.5, 2.5), l = (2, 1): wl = (1, 2.5), means 1.5 and 1.75; cov .75, var 1, eta -.75.
    close(dev::controlled_risk(&[0.5, 2.5], &[2.0, 1.0]), 1.75 - 0.75 * 0.5, 1e-12);
}

#[test]
fn importance_weights_grow_towards_the_target() {
    let features = |shift: f32| {
        let rows: Vec<f32> = (0..40).map(|i| (i % 10) as f32 / 5.0 + shift).collect();
        outputs(&rows, &[&[0.5f32, 0.5] as &[f32]; 40])
    };
    let (source, target) = (features(0.0), features(1.0));
    let weights = importance_weights(&source, &source, &target).unwrap();
    assert!(weights[9] > weights[0] && weights.iter().all(|weight| *weight > 0.0));
    let same = importance_weights(&source, &source, &source).unwrap();
    assert!(same.iter().all(|weight| (weight - 1.0).abs() < 1e-3));
}

#[test]
fn reverse_validation_is_perfect_where_the_domains_are_alike() {
    let (a, b) = ([0.9f32, 0.1], [0.1f32, 0.9]);
    let target = outputs(&[-2.0, -1.5, 1.5, 2.0], &[&a, &a, &b, &b]);
    let validation = LabelledOutputs { outputs: target.clone(), labels: vec![0, 0, 1, 1] };
    close(reverse_validation(&target, &validation).unwrap(), 1.0, 0.0);
    let turned = LabelledOutputs { outputs: target.clone(), labels: vec![1, 1, 0, 0] };
    close(reverse_validation(&target, &turned).unwrap(), 0.0, 0.0);
    let one = outputs(&[-2.0, 2.0], &[&a, &a]);
    assert!(reverse_validation(&one, &validation).is_err());
}

fn scores(entries: &[(Validator, f64)]) -> Scores {
    Scores(entries.iter().copied().collect())
}

#[test]
fn the_ensemble_takes_the_lowest_mean_rank() {
    use Validator::{Bnm, Dev, Entropy, Reverse};
    let candidates = [
        scores(&[(Entropy, 3.0), (Bnm, 1.0), (Reverse, 2.0), (Dev, 9.0)]),
        scores(&[(Entropy, 2.0), (Bnm, 3.0), (Reverse, 3.0), (Dev, 1.0)]),
        scores(&[(Entropy, 1.0), (Bnm, 2.0), (Reverse, 2.0), (Dev, 9.0)]),
    ];
    let expected = [1.0 + 3.0 + 2.5, 2.0 + 1.0 + 1.0, 3.0 + 2.0 + 2.5].map(|sum| sum / 3.0);
    for (found, expected) in mean_ranks(&candidates).into_iter().zip(expected) {
        close(found.unwrap(), expected, 1e-12);
    }
    assert_eq!(choose(Validator::Ensemble, &candidates).unwrap(), 1);
    assert_eq!(choose(Entropy, &candidates).unwrap(), 0);
    assert!(choose(Validator::Snd, &candidates).is_err());
    assert!(choose(Entropy, &[]).is_err());
}

#[test]
fn every_validator_scores_an_ordinary_model_and_survives_json() {
    let (a, b) = ([0.9f32, 0.1], [0.1f32, 0.9]);
    let target = outputs(&[-2.0, -1.5, 1.5, 2.0], &[&a, &a, &b, &b]);
    let labelled = LabelledOutputs { outputs: target.clone(), labels: vec![0, 0, 1, 1] };
    let evidence = Evidence { training: &labelled, validation: &labelled, target: &target };
    let scores = Scores::of(&evidence).unwrap();
    assert_eq!(scores.0.len(), Validator::SINGLE.len());
    let text = serde_json::to_string(&scores).unwrap();
    assert!(text.contains("\"source_accuracy\":1.0"), "{text}");
    assert_eq!(serde_json::from_str::<Scores>(&text).unwrap(), scores);
    for validator in Validator::SINGLE {
        assert_eq!(Validator::named(validator.name()).unwrap(), validator);
    }
    assert!(Validator::named("oracle").is_err());
    let nothing = Outputs { width: 1, classes: 2, ..Outputs::default() };
    assert!(Scores::of(&Evidence { target: &nothing, ..evidence }).is_err());
}

#[test]
fn a_score_does_not_judge_a_method_that_trains_on_it() {
    use Validator::{CalinskiHarabasz, Entropy, Silhouette};
    let all = |entropy, silhouette, spread| {
        scores(&[(Entropy, entropy), (Silhouette, silhouette), (CalinskiHarabasz, spread)])
    };
    let honest = [all(1.0, 0.1, 5.0), all(2.0, 0.2, 5.0)];
    let pick = |other: Scores| prefer(Entropy, &[&honest[..], &[other]].concat()).unwrap();
    let (own, by_itself, by_clusters) =
        ([Entropy], vec![Entropy], vec![Silhouette, CalinskiHarabasz]);
    // The highest entropy score counts where it is no aim, and does not where it is.
    assert_eq!(pick(all(3.0, 0.1, 4.0)), (2, by_itself.clone()));
    assert_eq!(pick(all(3.0, 0.1, 4.0).without(&own)), (1, by_itself.clone()));
    // One score of clusters is not enough; both are.
    assert_eq!(pick(all(3.0, 0.3, 4.0).without(&own)), (1, by_itself.clone()));
    assert_eq!(pick(all(0.5, 0.3, 6.0).without(&own)), (2, by_clusters));
    // A method that trains on these as well has nothing to show.
    let nothing = [Entropy, Silhouette, CalinskiHarabasz];
    assert_eq!(pick(all(3.0, 0.3, 6.0).without(&nothing)), (1, by_itself));
    // Alone it is chosen, by what is left.
    let alone = prefer(Entropy, &[all(3.0, 0.3, 6.0).without(&own)]).unwrap();
    assert_eq!(alone, (0, vec![Validator::Ensemble]));
    assert!(prefer(Entropy, &[]).is_err());
}
