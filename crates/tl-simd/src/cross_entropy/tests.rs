use super::{Gradient, Loss, cross_entropy, log_softmax, softmax};
use crate::Level;

/// A target that is no class.
const NONE: u32 = u32::MAX;

fn logits(rows: usize, classes: usize) -> Vec<f32> {
    (0..rows * classes).map(|k| (k as f32 * 1.713).sin() * 4.0 + 90.0).collect()
}

fn targets(rows: usize, classes: usize) -> Vec<u32> {
    (0..rows).map(|row| if row % 5 == 3 { NONE } else { (row * 7 % classes) as u32 }).collect()
}

fn weights(classes: usize) -> Vec<f32> {
    (0..classes).map(|k| 0.5 + (k as f32 * 0.77).cos().abs()).collect()
}

/// ln pₖ of one row in f64.
fn logarithms(logits: &[f32]) -> Vec<f64> {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |most, &z| most.max(z.into()));
    let total: f64 = logits.iter().map(|&z| (f64::from(z) - largest).exp()).sum();
    logits.iter().map(|&z| f64::from(z) - largest - total.ln()).collect()
}

fn assert_near(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    // Of one class everything is 0, but for the rounding of sums.
    let least = if expected.iter().all(|&value| value == 0.0) { 0.1 } else { 0.0 };
    let largest = expected.iter().fold(least, |most: f64, value| most.max(value.abs()));
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= 1e-5 * largest, "{what} {k}: {found} for {expected}");
    }
}

const SHAPES: [(usize, usize); 8] =
    [(0, 3), (1, 1), (7, 2), (4, 10), (5, 16), (6, 37), (2, 1000), (90, 1003)];

#[test]
fn softmax_and_its_logarithm_agree_with_f64_for_any_number_of_classes() {
    for (rows, classes) in SHAPES {
        let x = logits(rows, classes);
        let expected: Vec<f64> = x.chunks(classes).flat_map(logarithms).collect();
        let probabilities: Vec<f64> = expected.iter().map(|value| value.exp()).collect();
        for level in Level::all() {
            let at = format!("{} {rows}×{classes}", level.name());
            let mut output = vec![f32::NAN; x.len()];
            softmax(level, &x, classes, &mut output);
            assert_near(&at, &output, &probabilities);
            log_softmax(level, &x, classes, &mut output);
            assert_near(&at, &output, &expected);
        }
    }
}

#[test]
fn a_row_of_masked_values_alone_has_no_probabilities() {
    for level in Level::all() {
        let mut output = [f32::NAN; 6];
        let none = f32::NEG_INFINITY;
        softmax(level, &[none, none, none, 1.0, none, 1.0], 3, &mut output);
        assert_eq!(output, [0.0, 0.0, 0.0, 0.5, 0.0, 0.5], "{}", level.name());
    }
}

#[test]
fn losses_and_gradients_agree_with_f64_with_smoothing_and_with_weights() {
    for (rows, classes) in SHAPES {
        let (x, targets) = (logits(rows, classes), targets(rows, classes));
        let own_weights = weights(classes);
        for smoothing in [0.0, 0.1] {
            for weights in [None, Some(&own_weights[..])] {
                let loss = Loss { classes, smoothing, weights };
                let total = loss.total_weight(&targets);
                let scale = if total > 0.0 { (1.0 / total) as f32 } else { 1.0 };
                let (losses, gradient) = reference(loss, &x, &targets, f64::from(scale));
                for level in Level::all() {
                    let name = level.name();
                    let at = format!("{name} {rows}×{classes} {smoothing} {}", weights.is_some());
                    let mut found = vec![f32::NAN; rows];
                    let mut values = vec![f32::NAN; x.len()];
                    let target = Gradient { scale, values: &mut values };
                    cross_entropy(level, loss, &x, &targets, &mut found, Some(target));
                    assert_near(&format!("{at}, gradient"), &values, &gradient);
                    assert_near(&format!("{at}, loss"), &found, &losses);
                    cross_entropy(level, loss, &x, &targets, &mut found, None);
                    assert_near(&format!("{at}, loss alone"), &found, &losses);
                }
            }
        }
    }
}

/// The losses in f64, and their gradient by differentiating ln p.
fn reference(loss: Loss, x: &[f32], targets: &[u32], scale: f64) -> (Vec<f64>, Vec<f64>) {
    let classes = loss.classes;
    let weight = |class: usize| loss.weights.map_or(1.0, |weights| f64::from(weights[class]));
    let smoothing = f64::from(loss.smoothing);
    let (mut losses, mut gradient) = (Vec::new(), Vec::new());
    for (row, &target) in x.chunks(classes).zip(targets) {
        let logarithms = logarithms(row);
        // How much of −ln pₖ the loss holds.
        let share = |class: usize| {
            let own = if class == target as usize { 1.0 - smoothing } else { 0.0 };
            if target == NONE { 0.0 } else { weight(class) * (own + smoothing / classes as f64) }
        };
        losses.push((0..classes).map(|k| -share(k) * logarithms[k]).sum());
        let all: f64 = (0..classes).map(share).sum();
        gradient.extend((0..classes).map(|k| scale * (all * logarithms[k].exp() - share(k))));
    }
    (losses, gradient)
}

#[test]
fn a_loss_known_by_hand_is_found() {
    // p = (1/4, 3/4): ln 4 for the first class, and with smoothing 0.2 a tenth of each.
    let x = [0.0, 3.0_f32.ln()];
    let [ln_first, ln_second] = [0.25_f32.ln(), 0.75_f32.ln()];
    for level in Level::all() {
        for (smoothing, expected) in [(0.0, -ln_first), (0.2, -0.9 * ln_first - 0.1 * ln_second)] {
            let mut losses = [f32::NAN];
            let loss = Loss { classes: 2, smoothing, weights: None };
            cross_entropy(level, loss, &x, &[0], &mut losses, None);
            assert!((losses[0] - expected).abs() < 1e-6, "{} {losses:?}", level.name());
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (rows, classes) = (500, 203);
    let (x, targets) = (logits(rows, classes), targets(rows, classes));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (mut losses, mut values) = (vec![0.0; rows], vec![0.0; x.len()]);
        let loss = Loss { classes, smoothing: 0.1, weights: None };
        let gradient = Gradient { scale: 0.01, values: &mut values };
        pool.install(|| {
            cross_entropy(Level::best(), loss, &x, &targets, &mut losses, Some(gradient));
        });
        (losses, values)
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}
