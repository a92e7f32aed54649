use super::*;

fn options(l2: f64, tolerance: f64) -> Options {
    Options { l2, tolerance, ..Options::default() }
}

/// The examples of `xtask/parity/record_logistic.py`.
fn recorded_examples() -> (Vec<f32>, Vec<usize>) {
    let number = |i: usize, j: usize| {
        ((i * 37 + j * 11 + i * j * 5) % 64) as f32 / 16.0 * (j + 1) as f32 + 4.0 * j as f32
    };
    let features = (0..60).flat_map(|i| (0..5).map(move |j| number(i, j)));
    let labels = (0..60).map(|i| (i * 37 % 64 / 22 + usize::from(i % 5 == 0)) % 3);
    (features.collect(), labels.collect())
}

#[derive(Deserialize)]
struct Recorded {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    c: f64,
    weight: Vec<f64>,
    bias: Vec<f64>,
    loss: f64,
}

fn recorded() -> Vec<Case> {
    let text = include_str!("../../tests/fixtures/logistic.json");
    serde_json::from_str::<Recorded>(text).unwrap().cases
}

fn largest_difference(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn coefficients_and_loss_are_those_of_scikit_learn() {
    let (features, labels) = recorded_examples();
    for case in recorded() {
        let head = fit(&features, &labels, 3, &options(1.0 / case.c, 1e-6)).unwrap();
        assert!(head.converged, "C = {}", case.c);
        let weight = largest_difference(&head.weight, &case.weight);
        let bias = largest_difference(&head.bias, &case.bias);
        assert!(weight < 1e-3 && bias < 1e-3, "C = {}: {weight}, {bias}", case.c);
        assert!((head.loss - case.loss).abs() < 1e-6, "C = {}", case.c);
    }
}

/// The optimum for two classes and one feature by Newton's method in f64. By symmetry the classes'
/// coefficients are (−w, w) and (−b, b), so that the penalty is λw² and the margin 2(wx + b).
fn newton(features: &[f32], labels: &[usize], l2: f64) -> (f64, f64) {
    let (mut w, mut b) = (0.0, 0.0);
    for _ in 0..100 {
        let (mut gw, mut gb, mut hww, mut hwb, mut hbb) = (2.0 * l2 * w, 0.0, 2.0 * l2, 0.0, 0.0);
        for (&x, &label) in features.iter().zip(labels) {
            let x = f64::from(x);
            let p = 1.0 / (1.0 + (-2.0 * (w * x + b)).exp());
            let slope = 2.0 * (p - label as f64);
            let bend = 4.0 * p * (1.0 - p);
            gw += slope * x;
            gb += slope;
            hww += bend * x * x;
            hwb += bend * x;
            hbb += bend;
        }
        let determinant = hww * hbb - hwb * hwb;
        w -= (hbb * gw - hwb * gb) / determinant;
        b -= (hww * gb - hwb * gw) / determinant;
    }
    (w, b)
}

#[test]
fn two_classes_reach_the_optimum_that_newtons_method_finds() {
    let features = [0.5, 1.25, 1.5, 2.0, 2.25, 3.0, 4.5, -1.0];
    let labels = [0, 0, 1, 0, 1, 1, 1, 0];
    for l2 in [0.05, 1.0, 20.0] {
        let (w, b) = newton(&features, &labels, l2);
        let head = fit(&features, &labels, 2, &options(l2, 1e-7)).unwrap();
        assert!(head.converged);
        let weight = largest_difference(&head.weight, &[-w, w]);
        let bias = largest_difference(&head.bias, &[-b, b]);
        assert!(weight < 1e-6 && bias < 1e-6, "λ = {l2}: {weight}, {bias}");
    }
}

/// `per_class` examples of `width` features for each of `classes`, noise around one corner each.
fn clouds(classes: usize, per_class: usize, width: usize, salt: u64) -> (Vec<f32>, Vec<usize>) {
    let mut features = Vec::new();
    let mut labels = Vec::new();
    for example in 0..classes * per_class {
        let label = example % classes;
        let mut noise = tl_random::rng(salt, "clouds", 0, example as u64);
        for j in 0..width {
            let corner = if j % classes == label { 0.3 } else { 0.0 };
            features.push((corner + noise.normal()).max(0.0) as f32);
        }
        labels.push(label);
    }
    (features, labels)
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let (features, labels) = clouds(4, 150, 37, 1);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&features, &labels, 4, &Options::default()).unwrap())
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn more_features_than_examples_converge() {
    let (features, labels) = clouds(5, 4, 300, 2);
    for l2 in [1e-3, 1.0, 1e3] {
        let head = fit(&features, &labels, 5, &options(l2, 1e-5)).unwrap();
        assert!(head.converged, "λ = {l2}, {} iterations", head.iterations);
    }
}

#[test]
fn a_far_away_or_constant_feature_does_no_harm() {
    let (mut features, labels) = clouds(2, 100, 3, 3);
    let plain = fit(&features, &labels, 2, &options(1.0, 1e-6)).unwrap();
    for row in features.chunks_mut(3) {
        row[0] += 1000.0;
        row[2] = 7.0;
    }
    let moved = fit(&features, &labels, 2, &options(1.0, 1e-6)).unwrap();
    assert!(moved.converged && moved.iterations < 2 * plain.iterations + 5);
    assert!(moved.weight[2].abs() < 1e-6, "{:?}", moved.weight);
}

#[test]
fn the_chosen_penalty_is_the_one_that_validates_best_and_ties_go_to_the_stronger() {
    let (features, labels) = clouds(3, 40, 24, 4);
    let (held_out, truth) = clouds(3, 200, 24, 5);
    let training = Examples { features: &features, labels: &labels };
    let validation = Examples { features: &held_out, labels: &truth };
    let strict = options(1.0, 1e-6);
    let grid = [100.0, 0.01, 1.0, 1.0];
    let chosen = fit_chosen(training, validation, 3, &grid, &strict).unwrap();
    let order: Vec<f64> = chosen.candidates.iter().map(|candidate| candidate.c).collect();
    assert_eq!(order, [0.01, 1.0, 100.0]);
    let accuracies = chosen.candidates.iter().map(|candidate| candidate.validation_accuracy);
    let highest = accuracies.fold(0.0, f64::max);
    let first = chosen.candidates.iter().find(|c| c.validation_accuracy == highest).unwrap();
    assert_eq!(chosen.c, first.c);
    // The warm start changes the way, not the optimum.
    let alone = fit(&features, &labels, 3, &options(1.0 / chosen.c, 1e-6)).unwrap();
    let expected: Vec<f64> = alone.weight.iter().map(|&w| f64::from(w)).collect();
    assert!(largest_difference(&chosen.head.weight, &expected) < 1e-3);

    // Four points that every C separates: the smallest C wins.
    let (x, y) = ([0.0, 1.0, 5.0, 6.0], [0, 0, 1, 1]);
    let part = Examples { features: &x, labels: &y };
    let tied = fit_chosen(part, part, 2, &[10.0, 0.1, 1.0], &Options::default()).unwrap();
    assert_eq!(tied.c, 0.1);
    assert!(tied.candidates.iter().all(|candidate| candidate.validation_accuracy == 1.0));
}

#[test]
fn no_further_penalty_is_tried_once_the_time_is_up_but_one_is() {
    let (x, y) = ([0.0, 1.0, 5.0, 6.0], [0, 0, 1, 1]);
    let part = Examples { features: &x, labels: &y };
    let tried = |go_on: &dyn Fn() -> bool| -> Vec<f64> {
        let grid = [10.0, 0.1, 1.0];
        let found = fit_chosen_while(part, part, 2, &grid, &Options::default(), go_on).unwrap();
        found.candidates.iter().map(|candidate| candidate.c).collect()
    };
    assert_eq!(tried(&|| false), [0.1]);
    let left = std::cell::Cell::new(1);
    assert_eq!(tried(&|| left.replace(0) > 0), [0.1, 1.0]);
    assert_eq!(tried(&|| true), [0.1, 1.0, 10.0]);
}

#[test]
fn what_cannot_be_fitted_is_an_error_that_says_why() {
    let error = |features: &[f32], labels: &[usize], classes: usize| {
        fit(features, labels, classes, &Options::default()).unwrap_err()
    };
    assert_eq!(error(&[], &[], 2), LogisticError::Empty { part: "training" });
    assert_eq!(error(&[], &[0, 1], 2), LogisticError::Empty { part: "training" });
    assert_eq!(error(&[1.0, 2.0], &[0, 0], 1), LogisticError::OneClass { found: 1 });
    assert_eq!(error(&[1.0, 2.0], &[1, 1], 2), LogisticError::OneClass { found: 1 });
    assert_eq!(error(&[1.0, 2.0], &[0, 2], 3), LogisticError::EmptyClass { class: 1 });
    assert!(error(&[1.0, 2.0, 3.0], &[0, 1], 2).to_string().contains("3 feature values for 2"));
    assert!(error(&[1.0, 2.0], &[0, 5], 2).to_string().contains("label 5"));
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let text = error(&[1.0, 2.0, 3.0, bad], &[0, 1], 2).to_string();
        assert!(text.contains("example 1 of the training part, feature 1"), "{text}");
    }
    for l2 in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE / 8.0] {
        let result = fit(&[1.0, 2.0], &[0, 1], 2, &options(l2, 1e-4));
        assert!(matches!(result, Err(LogisticError::Option { name: "l2", .. })));
    }
    let part = Examples { features: &[1.0, 2.0], labels: &[0, 1] };
    let narrow = Examples { features: &[1.0; 4], labels: &[0, 1] };
    let choose = |validation, grid: &[f64]| {
        fit_chosen(part, validation, 2, grid, &Options::default()).unwrap_err()
    };
    assert_eq!(choose(part, &[]), LogisticError::NoCandidate);
    assert!(choose(part, &[-1.0]).to_string().contains("C is -1"));
    assert!(choose(narrow, &[1.0]).to_string().contains("validation"));
}

#[test]
fn extreme_penalties_and_features_end_without_a_panic() {
    let (features, labels) = (vec![1e14, -1e14, 1e-30, 2.0, 0.0, 0.0], vec![0, 1, 1]);
    for l2 in [1e-300, 1e-9, 1e9, 1e300] {
        let head = fit(&features, &labels, 2, &options(l2, 1e-6)).unwrap();
        assert!(head.weight.iter().chain(&head.bias).all(|value| value.is_finite()));
    }
}

#[test]
fn a_head_without_bias_passes_through_the_origin_and_is_the_optimum_there() {
    // One feature, two classes: by symmetry the weights are w and −w, and the slope in w is 0.
    let (features, labels) = ([1.0f32, 2.0, 3.0, -1.0, 0.5, 1.5], [1usize, 1, 0, 0, 1, 1]);
    let options = Options { bias: false, ..options(1.0, 1e-9) };
    let head = fit(&features, &labels, 2, &options).unwrap();
    assert_eq!(head.bias, [0.0, 0.0]);
    let w = f64::from(head.weight[1]);
    assert!((f64::from(head.weight[0]) + w).abs() < 1e-6, "{:?}", head.weight);
    let slope = |w: f64| -> f64 {
        let of = |(x, label): (&f32, &usize)| {
            let x = f64::from(*x);
            x * (1.0 / (1.0 + (-2.0 * w * x).exp()) - *label as f64)
        };
        features.iter().zip(&labels).map(of).sum::<f64>() + w
    };
    assert!(slope(w).abs() < 1e-5, "{} at {w}", slope(w));
    assert!(slope(w + 0.1).abs() > 1e-2);
}

#[test]
fn features_of_which_most_are_zero_give_what_dense_ones_give() {
    let (examples, width, classes) = (60usize, 9, 3);
    let value = |row: usize, column: usize| match (row * 5 + column * 3) % 4 {
        0 => ((row * 7 + column * 11) % 13) as f32 / 6.0,
        _ => 0.0,
    };
    let labels: Vec<usize> = (0..examples).map(|row| (row * row + row / 5) % classes).collect();
    let parts = [0..40, 40..60];
    let dense = parts.clone().map(|rows| {
        rows.flat_map(|row| (0..width).map(move |column| value(row, column))).collect::<Vec<_>>()
    });
    let sparse = parts.clone().map(|rows| {
        let mut found = SparseRows::new(width);
        for row in rows {
            let entries = (0..width).map(|column| (column as u32, value(row, column)));
            found.push(entries.filter(|(_, value)| *value != 0.0));
        }
        found
    });
    let labels = parts.map(|rows| &labels[rows]);
    let options = Options { tolerance: 1e-7, ..Options::default() };
    let of = |part: usize| Examples { features: &dense[part], labels: labels[part] };
    let expected = fit_chosen(of(0), of(1), classes, &[0.1, 1.0, 10.0], &options).unwrap();
    let of = |part: usize| (&sparse[part], labels[part]);
    let found = fit_chosen_sparse(of(0), of(1), classes, &[0.1, 1.0, 10.0], &options).unwrap();
    assert_eq!(found.c, expected.c);
    for (found, expected) in found.head.weight.iter().zip(&expected.head.weight) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
    assert_eq!(found.head.predict_sparse(&sparse[1]), expected.head.predict(&dense[1]));
    let empty = LinearHead { weight: vec![], bias: vec![], ..found.head.clone() };
    assert!(empty.predict_sparse(&sparse[1]).is_empty());
    let one = fit_chosen_sparse((&sparse[0], &[0; 40]), of(1), classes, &[1.0], &options);
    assert_eq!(one.unwrap_err(), LogisticError::OneClass { found: 1 });
    let short = fit_chosen_sparse((&sparse[0], &[0, 1]), of(1), classes, &[1.0], &options);
    assert!(matches!(short.unwrap_err(), LogisticError::Shape { part: "training", .. }));
}

#[test]
fn balanced_classes_are_those_whose_examples_stand_there_as_often() {
    // Ten examples of one class and thirty of the other: three times each of the ten, and half as much penalty again.
    let labels: Vec<usize> = (0..40).map(|row| usize::from(row % 4 != 0)).collect();
    let row = |row: usize| (0..5).map(move |column| ((row * 7 + column * 5) % 11) as f32 / 4.0);
    let features: Vec<f32> = (0..40).flat_map(row).collect();
    assert_eq!(balanced(&labels, 3), [2.0, 40.0 / 60.0, 1.0]);
    let options = Options { l2: 0.8, tolerance: 1e-8, balanced: true, ..Options::default() };
    let found = fit(&features, &labels, 2, &options).unwrap();
    let times = |row: usize| if labels[row] == 0 { 3 } else { 1 };
    let repeated: Vec<usize> = (0..40).flat_map(|row| vec![row; times(row)]).collect();
    let rows: Vec<f32> = repeated.iter().flat_map(|at| row(*at)).collect();
    let of_rows: Vec<usize> = repeated.iter().map(|row| labels[*row]).collect();
    let options = Options { l2: 1.2, balanced: false, ..options };
    let expected = fit(&rows, &of_rows, 2, &options).unwrap();
    for (found, expected) in found.weight.iter().zip(&expected.weight) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
    let plain = fit(&features, &labels, 2, &options).unwrap();
    assert!((plain.bias[0] - found.bias[0]).abs() > 0.1, "the weights do nothing");
}
