use super::{Gradients, LayerNorm, Residual, Saved, Statistics, backward, forward};
use crate::Level;

const EPSILON: f32 = 1e-5;

struct Case {
    rows: usize,
    width: usize,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    x: Vec<f32>,
    residual: Vec<f32>,
    gradient: Vec<f32>,
    bypass: Vec<f32>,
}

/// Everything that the two passes write.
#[derive(Debug, PartialEq)]
struct Results {
    sum: Vec<f32>,
    output: Vec<f32>,
    means: Vec<f32>,
    inverse_deviations: Vec<f32>,
    dx: Vec<f32>,
    dgamma: Vec<f32>,
    dbeta: Vec<f32>,
}

fn case(rows: usize, width: usize) -> Case {
    let wave = |count: usize, step: f32, offset: f32| -> Vec<f32> {
        (0..count).map(|k| (k as f32 * step + offset).sin() + 0.3 * offset).collect()
    };
    let values = rows * width;
    Case {
        rows,
        width,
        gamma: wave(width, 0.91, 1.0),
        beta: wave(width, 0.37, 2.0),
        x: wave(values, 1.73, 3.0),
        residual: wave(values, 0.57, 0.5),
        gradient: wave(values, 1.19, 0.2),
        bypass: wave(values, 2.31, 0.1),
    }
}

fn results(level: Level, case: &Case, with_residual: bool) -> Results {
    let Case { rows, width, .. } = *case;
    let values = || vec![f32::NAN; rows * width];
    let mut sum = if with_residual { values() } else { case.x.clone() };
    let (mut output, mut dx) = (values(), values());
    let (mut means, mut inverse_deviations) = (vec![f32::NAN; rows], vec![f32::NAN; rows]);
    let (mut dgamma, mut dbeta) = (vec![f32::NAN; width], vec![f32::NAN; width]);
    let layer = LayerNorm { gamma: &case.gamma, beta: &case.beta, epsilon: EPSILON };
    let residual = with_residual.then_some(Residual { values: &case.residual, sum: &mut sum });
    let statistics = Statistics { means: &mut means, inverse_deviations: &mut inverse_deviations };
    forward(level, layer, &case.x, residual, &mut output, statistics);
    let saved = Saved { x: &sum, means: &means, inverse_deviations: &inverse_deviations };
    let parameters = Some([&mut dgamma[..], &mut dbeta[..]]);
    let bypass = with_residual.then_some(&case.bypass[..]);
    let gradients = Gradients { dx: &mut dx, parameters };
    backward(level, &case.gamma, saved, &case.gradient, bypass, gradients);
    Results { sum, output, means, inverse_deviations, dx, dgamma, dbeta }
}

/// Σ over the outputs of value × gradient, of one row in f64, and the outputs.
fn row_f64(gamma: &[f64], beta: &[f64], x: &[f64], gradient: &[f32]) -> (f64, Vec<f64>) {
    let width = x.len() as f64;
    let mean = x.iter().sum::<f64>() / width;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / width;
    let deviation = (variance + f64::from(EPSILON)).sqrt();
    let output: Vec<f64> =
        (0..x.len()).map(|k| gamma[k] * (x[k] - mean) / deviation + beta[k]).collect();
    (output.iter().zip(gradient).map(|(y, g)| y * f64::from(*g)).sum(), output)
}

fn assert_near(what: &str, found: &[f32], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.1_f64, |most, value| most.max(value.abs()));
    for (k, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / largest;
        assert!(error < bound, "{what} {k}: {found} for {expected}");
    }
}

#[test]
fn values_and_gradients_agree_with_f64_for_any_width() {
    let double = |values: &[f32]| -> Vec<f64> { values.iter().map(|&v| v.into()).collect() };
    for (rows, width) in [(0, 5), (3, 3), (4, 7), (2, 16), (5, 33), (3, 80), (1, 131), (70, 17)] {
        let case = case(rows, width);
        for with_residual in [false, true] {
            let (gamma, beta) = (double(&case.gamma), double(&case.beta));
            let mut x = double(&case.x);
            if with_residual {
                x.iter_mut().zip(&case.residual).for_each(|(x, r)| *x = f64::from(*x as f32 + r));
            }
            let step = 1e-5;
            let (mut output, mut dx) = (Vec::new(), Vec::new());
            let (mut dgamma, mut dbeta) = (vec![0.0; width], vec![0.0; width]);
            for row in 0..rows {
                let place = row * width..(row + 1) * width;
                let gradient = &case.gradient[place.clone()];
                let row_x = x[place].to_vec();
                output.extend(row_f64(&gamma, &beta, &row_x, gradient).1);
                for column in 0..width {
                    let difference = |of: usize| {
                        let at = |sign: f64| {
                            let mut operands = [gamma.clone(), beta.clone(), row_x.clone()];
                            operands[of][column] += sign * step;
                            row_f64(&operands[0], &operands[1], &operands[2], gradient).0
                        };
                        (at(1.0) - at(-1.0)) / (2.0 * step)
                    };
                    dgamma[column] += difference(0);
                    dbeta[column] += difference(1);
                    let bypass = case.bypass[row * width + column];
                    let bypass = if with_residual { f64::from(bypass) } else { 0.0 };
                    dx.push(difference(2) + bypass);
                }
            }
            for level in Level::all() {
                let found = results(level, &case, with_residual);
                let at = format!("{} {rows}×{width} {with_residual}", level.name());
                assert_near(&format!("{at} sum"), &found.sum, &x, 1e-9);
                assert_near(&format!("{at} output"), &found.output, &output, 1e-5);
                assert_near(&format!("{at} dx"), &found.dx, &dx, 1e-5);
                assert_near(&format!("{at} dgamma"), &found.dgamma, &dgamma, 1e-5);
                assert_near(&format!("{at} dbeta"), &found.dbeta, &dbeta, 1e-5);
            }
        }
    }
}

#[test]
fn frozen_parameters_leave_the_gradient_of_the_input_as_it_is() {
    let case = case(5, 33);
    let found = results(Level::best(), &case, false);
    let mut dx = vec![f32::NAN; case.x.len()];
    let saved =
        Saved { x: &case.x, means: &found.means, inverse_deviations: &found.inverse_deviations };
    let gradients = Gradients { dx: &mut dx, parameters: None };
    backward(Level::best(), &case.gamma, saved, &case.gradient, None, gradients);
    assert_eq!(dx, found.dx);
}

#[test]
fn a_large_mean_does_not_drown_the_variance() {
    let mut case = case(3, 50);
    case.x.iter_mut().for_each(|x| *x += 1000.0);
    let x: Vec<f64> = case.x.iter().map(|&x| x.into()).collect();
    let [gamma, beta] = [&case.gamma, &case.beta].map(|v| v.iter().map(|&v| v.into()).collect());
    let (gamma, beta): (Vec<f64>, Vec<f64>) = (gamma, beta);
    let rows = x.chunks(50).zip(case.gradient.chunks(50));
    let expected: Vec<f64> =
        rows.flat_map(|(x, gradient)| row_f64(&gamma, &beta, x, gradient).1).collect();
    for level in Level::all() {
        // An input of 1000 is known to 3e-5 of its deviation.
        assert_near(level.name(), &results(level, &case, false).output, &expected, 1e-4);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let case = case(700, 97);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| results(Level::best(), &case, true))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}
