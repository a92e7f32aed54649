//! The kernels against plain f64 loops, and their gradients against differences.

use super::{Saved, Sequences, backward, forward};
use crate::Level;

fn scattered(count: usize, salt: f64) -> Vec<f32> {
    (0..count).map(|at| ((at as f64 * 0.7311 + salt).sin() * 0.8) as f32).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The outputs, in f64.
fn reference(sequences: &Sequences, inputs: &[f64], weight: &[f64]) -> Vec<f64> {
    let (batch, hidden) = (sequences.lengths.len(), sequences.hidden);
    let mut outputs = vec![0.0; sequences.steps * batch * hidden];
    for (row, &length) in sequences.lengths.iter().enumerate() {
        let [mut cell, mut state] = [(); 2].map(|()| vec![0.0; hidden]);
        for at in 0..length {
            let step = if sequences.reverse { length - 1 - at } else { at };
            let gate = |gate: usize, unit: usize| {
                let own = &weight[(gate * hidden + unit) * hidden..][..hidden];
                let product: f64 = own.iter().zip(&state).map(|(w, h)| w * h).sum();
                inputs[((step * batch + row) * 4 + gate) * hidden + unit] + product
            };
            let gates: Vec<[f64; 4]> =
                (0..hidden).map(|unit| [0, 1, 2, 3].map(|it| gate(it, unit))).collect();
            for (unit, [i, f, g, o]) in gates.into_iter().enumerate() {
                cell[unit] = sigmoid(f) * cell[unit] + sigmoid(i) * g.tanh();
                state[unit] = sigmoid(o) * cell[unit].tanh();
                outputs[(step * batch + row) * hidden + unit] = state[unit];
            }
        }
    }
    outputs
}

const SIZES: [(usize, usize, &[usize]); 5] =
    [(1, 3, &[1]), (4, 5, &[4, 2, 3]), (6, 16, &[6, 6]), (3, 33, &[1, 3, 0, 2]), (5, 40, &[5; 70])];

#[test]
fn outputs_equal_plain_loops_in_both_directions_at_any_length() {
    for level in Level::all() {
        for (steps, hidden, lengths) in SIZES {
            for reverse in [false, true] {
                let sequences = Sequences { steps, hidden, lengths, reverse };
                let states = steps * lengths.len() * hidden;
                let (inputs, weight) =
                    (scattered(4 * states, 0.3), scattered(4 * hidden * hidden, 1.7));
                let [mut gates, mut cells, mut outputs] =
                    [4 * states, states, states].map(|count| vec![f32::NAN; count]);
                forward(level, &sequences, &inputs, &weight, &mut gates, &mut cells, &mut outputs);
                let exact =
                    |values: &[f32]| values.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
                let expected = reference(&sequences, &exact(&inputs), &exact(&weight));
                for (at, (found, expected)) in outputs.iter().zip(expected).enumerate() {
                    let off = (f64::from(*found) - expected).abs();
                    assert!(
                        off < 3e-6,
                        "{level:?} {steps} {hidden} {reverse}, {at}: {found} {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn gradients_equal_differences_of_the_plain_loops() {
    for level in Level::all() {
        for (steps, hidden, lengths) in &SIZES[..4] {
            for reverse in [false, true] {
                let sequences = Sequences { steps: *steps, hidden: *hidden, lengths, reverse };
                let states = steps * lengths.len() * hidden;
                let inputs = scattered(4 * states, 0.3);
                let weight = scattered(4 * hidden * hidden, 1.7);
                let gradient = scattered(states, 2.9);
                let [mut gates, mut cells, mut outputs] =
                    [4 * states, states, states].map(|count| vec![0.0; count]);
                forward(level, &sequences, &inputs, &weight, &mut gates, &mut cells, &mut outputs);
                let saved = Saved { gates: &gates, cells: &cells, outputs: &outputs };
                let mut of_inputs = vec![f32::NAN; inputs.len()];
                let mut of_weight = vec![f32::NAN; weight.len()];
                let target = Some(&mut of_weight[..]);
                backward(level, &sequences, &weight, saved, &gradient, &mut of_inputs, target);
                let exact =
                    |values: &[f32]| values.iter().map(|it| f64::from(*it)).collect::<Vec<_>>();
                let (inputs, weight) = (exact(&inputs), exact(&weight));
                let loss = |inputs: &[f64], weight: &[f64]| -> f64 {
                    let outputs = reference(&sequences, inputs, weight);
                    outputs.iter().zip(&gradient).map(|(it, by)| it * f64::from(*by)).sum()
                };
                let h = 1e-5;
                for at in (0..inputs.len()).step_by(inputs.len() / 40 + 1) {
                    let moved = |by: f64| {
                        let mut inputs = inputs.clone();
                        inputs[at] += by;
                        loss(&inputs, &weight)
                    };
                    let slope = (moved(h) - moved(-h)) / (2.0 * h);
                    let off = (slope - f64::from(of_inputs[at])).abs();
                    assert!(off < 1e-5, "{level:?} input {at}: {} {slope}", of_inputs[at]);
                }
                for at in (0..weight.len()).step_by(weight.len() / 40 + 1) {
                    let moved = |by: f64| {
                        let mut weight = weight.clone();
                        weight[at] += by;
                        loss(&inputs, &weight)
                    };
                    let slope = (moved(h) - moved(-h)) / (2.0 * h);
                    let off = (slope - f64::from(of_weight[at])).abs();
                    assert!(off < 2e-5, "{level:?} weight {at}: {} {slope}", of_weight[at]);
                }
            }
        }
    }
}
