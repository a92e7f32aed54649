use super::*;
use crate::testing::{assert_close, assert_same_bits, scattered};

const LENGTHS: [usize; 7] = [0, 1, 15, 16, 513, 4096, 150_001];

fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

fn all_sgd() -> Vec<Sgd> {
    let plain = Sgd {
        rate: 0.1,
        momentum: 0.9,
        dampening: 0.0,
        weight_decay: 0.0,
        nesterov: false,
        first: false,
        scale: 1.0,
    };
    vec![
        plain,
        Sgd { weight_decay: 0.05, scale: 0.3, ..plain },
        Sgd { nesterov: true, weight_decay: 0.01, ..plain },
        Sgd { dampening: 0.25, ..plain },
    ]
}

#[test]
fn sgd_without_momentum_is_the_formula() {
    for length in LENGTHS {
        for settings in all_sgd() {
            let (start, gradient) = (scattered(length, 1), scattered(length, 2));
            let expected = start.iter().zip(&gradient).map(|(value, gradient)| {
                let (p, g) = (f64::from(*value), f64::from(*gradient) * settings.scale);
                p - settings.rate * (g + settings.weight_decay * p)
            });
            let expected: Vec<f64> = expected.collect();
            for level in Level::all() {
                let mut parameter = start.clone();
                sgd(level, &mut parameter, &gradient, None, settings);
                assert_close("the parameter", &parameter, &expected);
            }
        }
    }
}

#[test]
fn sgd_with_momentum_is_the_formula_over_three_steps() {
    for length in LENGTHS {
        for settings in all_sgd() {
            for level in Level::all() {
                let mut parameter = scattered(length, 1);
                // What is there before the first step must not count.
                let mut buffer = vec![f32::NAN; length];
                let mut p = f64s(&parameter);
                let mut v = vec![0.0f64; length];
                for step in 0..3 {
                    let gradient = scattered(length, 2 + step);
                    let settings = Sgd { first: step == 0, ..settings };
                    let into = Some(&mut buffer[..]);
                    sgd(level, &mut parameter, &gradient, into, settings);
                    for ((p, v), g) in p.iter_mut().zip(&mut v).zip(&gradient) {
                        let g = f64::from(*g) * settings.scale + settings.weight_decay * *p;
                        let share = 1.0 - settings.dampening;
                        *v = if step == 0 { g } else { settings.momentum * *v + share * g };
                        let ahead = if settings.nesterov { g + settings.momentum * *v } else { *v };
                        *p -= settings.rate * ahead;
                    }
                }
                assert_close("the parameter", &parameter, &p);
                assert_close("the momentum", &buffer, &v);
            }
        }
    }
}

fn adam(step: u64) -> AdamW {
    AdamW {
        rate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.1,
        step,
        scale: 0.5,
    }
}

#[test]
fn adamw_is_the_formula_over_three_steps() {
    for length in LENGTHS {
        for level in Level::all() {
            let mut parameter = scattered(length, 1);
            let (mut first, mut second) = (vec![f32::NAN; length], vec![f32::NAN; length]);
            let mut p = f64s(&parameter);
            let mut m = vec![0.0f64; length];
            let mut v = vec![0.0f64; length];
            for step in 1..4 {
                let gradient = scattered(length, 1 + step);
                let settings = adam(step);
                let AdamW { rate, beta1, beta2, epsilon, weight_decay, .. } = settings;
                adamw(level, &mut parameter, &gradient, &mut first, &mut second, settings);
                for i in 0..length {
                    let g = f64::from(gradient[i]) * settings.scale;
                    m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                    v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                    let root = (v[i] / (1.0 - beta2.powi(step as i32))).sqrt();
                    let mean = m[i] / (1.0 - beta1.powi(step as i32));
                    p[i] = p[i] * (1.0 - rate * weight_decay) - rate * mean / (root + epsilon);
                }
            }
            assert_close("the parameter", &parameter, &p);
            assert_close("the first moment", &first, &m);
            assert_close("the second moment", &second, &v);
        }
    }
}

#[test]
fn the_sum_of_squares_keeps_its_precision_over_many_values() {
    for length in [0, 1, 17, 70_000, 3_000_001] {
        let x = scattered(length, 9);
        let expected: f64 = x.iter().map(|value| f64::from(*value).powi(2)).sum();
        for level in Level::all() {
            let error = (sum_of_squares(level, &x) - expected).abs();
            assert!(error <= 1e-6 * expected, "{length} values with {}", level.name());
        }
    }
}

#[test]
fn the_bits_do_not_depend_on_the_number_of_threads() {
    let (start, gradient) = (scattered(300_007, 1), scattered(300_007, 2));
    for level in Level::all() {
        assert_same_bits(level.name(), || {
            let (mut parameter, mut first, mut second) =
                (start.clone(), gradient.clone(), start.clone());
            second.iter_mut().for_each(|value| *value = value.abs());
            adamw(level, &mut parameter, &gradient, &mut first, &mut second, adam(2));
            sgd(level, &mut parameter, &gradient, Some(&mut first), all_sgd()[2]);
            // The two halves of the sum's bits.
            let bits = sum_of_squares(level, &parameter).to_bits();
            parameter.extend([(bits >> 32) as u32, bits as u32].map(f32::from_bits));
            [parameter, first, second].concat()
        });
    }
}
