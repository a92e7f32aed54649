use super::{Gradients, Inputs, KeyMask, Saved, Shape, backward, forward};
use crate::Level;

const fn shape([batch, heads, queries, keys, width]: [usize; 5]) -> Shape {
    Shape { batch, heads, queries, keys, width }
}

const SHAPES: [Shape; 10] = [
    shape([0, 2, 3, 4, 5]),
    shape([1, 1, 1, 1, 1]),
    shape([2, 1, 3, 0, 2]),
    shape([2, 3, 5, 7, 3]),
    shape([1, 2, 50, 131, 32]),
    shape([2, 2, 130, 129, 64]),
    shape([1, 1, 97, 260, 80]),
    shape([1, 2, 17, 33, 128]),
    shape([1, 1, 49, 15, 5]),
    shape([2, 2, 16, 16, 17]),
];

fn wave(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|k| (k as f32 * step + step).sin() * 1.5).collect()
}

/// Queries, keys, values and the output's gradient, `[batch, tokens, heads, width]`.
fn operands(shape: Shape) -> [Vec<f32>; 4] {
    let keys = shape.batch * shape.keys * shape.heads * shape.width;
    let queries = shape.output_values();
    [wave(queries, 0.731), wave(keys, 1.137), wave(keys, 0.577), wave(queries, 1.913)]
}

/// Ways to hide keys, and whether later ones are hidden too. In one a batch's first sees nothing at all.
fn masks(shape: Shape) -> [(Vec<f32>, bool); 4] {
    let count = shape.batch * shape.keys;
    let hidden = |k: usize| if k.is_multiple_of(3) { f32::NEG_INFINITY } else { 0.0 };
    let padded = |k: usize| if k < shape.keys { f32::NEG_INFINITY } else { hidden(k) };
    let mut both: Vec<f32> = (0..count).map(hidden).collect();
    both.iter_mut().step_by(2).for_each(|added| *added += 0.7);
    [
        (vec![0.0; count], false),
        (vec![0.0; count], true),
        ((0..count).map(padded).collect(), false),
        (both, true),
    ]
}

fn inputs<'a>(
    shape: Shape,
    [query, key, value, _]: &'a [Vec<f32>; 4],
    mask: &'a (Vec<f32>, bool),
) -> Inputs<'a> {
    let (key_mask, causal) = (KeyMask::Added(&mask.0), mask.1);
    Inputs { key_mask, causal, ..Inputs::separate(shape, [query, key, value]) }
}

/// Output, logarithms of sums, and the gradients of queries, keys and values.
fn results(level: Level, inputs: &Inputs, gradient: &[f32]) -> [Vec<f32>; 5] {
    let shape = inputs.shape;
    let mut output = vec![f32::NAN; shape.output_values()];
    let mut log_sums = vec![f32::NAN; shape.rows()];
    forward(level, inputs, &mut output, &mut log_sums);
    let keys = shape.batch * shape.keys * shape.heads * shape.width;
    let (mut dquery, mut dkey, mut dvalue) =
        (vec![f32::NAN; output.len()], vec![f32::NAN; keys], vec![f32::NAN; keys]);
    let saved = Saved { output: &output, log_sums: &log_sums };
    let gradients = Gradients::Separate([&mut dquery, &mut dkey, &mut dvalue]);
    backward(level, inputs, saved, gradient, gradients);
    [output, log_sums, dquery, dkey, dvalue]
}

/// The same in f64, with the whole matrix of probabilities.
fn reference(shape: Shape, operands: &[Vec<f64>; 4], mask: &(Vec<f32>, bool)) -> [Vec<f64>; 5] {
    let Shape { batch, heads, queries, keys, width } = shape;
    let [query, key, value, gradient] = operands;
    let scale = 1.0 / (width as f64).sqrt();
    let mut found = [query, &vec![0.0; shape.rows()], query, key, key].map(|v| vec![0.0; v.len()]);
    for (b, h, i) in (0..batch * heads * queries)
        .map(|row| (row / (heads * queries), row / queries % heads, row % queries))
    {
        let at = |tokens: usize, token: usize| ((b * tokens + token) * heads + h) * width;
        let (own, of_key) = (at(queries, i), |j: usize| at(keys, j));
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let scores: Vec<f64> = (0..keys)
            .map(|j| {
                if mask.1 && j > i {
                    return f64::NEG_INFINITY;
                }
                let product = dot(&query[own..][..width], &key[of_key(j)..][..width]);
                product * scale + f64::from(mask.0[b * keys + j])
            })
            .collect();
        let total: f64 = scores.iter().map(|score| score.exp()).sum();
        found[1][(b * heads + h) * queries + i] = total.ln();
        if total == 0.0 {
            continue;
        }
        let weights: Vec<f64> = scores.iter().map(|score| score.exp() / total).collect();
        let slopes: Vec<f64> = (0..keys)
            .map(|j| dot(&gradient[own..][..width], &value[of_key(j)..][..width]))
            .collect();
        let mean = dot(&weights, &slopes);
        for j in 0..keys {
            let slope = weights[j] * (slopes[j] - mean) * scale;
            for k in 0..width {
                let (query_place, key_place) = (own + k, of_key(j) + k);
                found[0][query_place] += weights[j] * value[key_place];
                found[2][query_place] += slope * key[key_place];
                found[3][key_place] += slope * query[query_place];
                found[4][key_place] += weights[j] * gradient[query_place];
            }
        }
    }
    found
}

fn double(operands: &[Vec<f32>; 4]) -> [Vec<f64>; 4] {
    operands.each_ref().map(|values| values.iter().map(|&value| value.into()).collect())
}

#[test]
fn values_and_gradients_agree_with_f64_for_any_shape_and_mask() {
    for shape in SHAPES {
        let operands = operands(shape);
        for (which, mask) in masks(shape).iter().enumerate() {
            let expected = reference(shape, &double(&operands), mask);
            for level in Level::all() {
                let found = results(level, &inputs(shape, &operands, mask), &operands[3]);
                for (of, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let finite = expected.iter().filter(|value| value.is_finite());
                    // With one key, slopes are differences of equal numbers.
                    let largest = finite.fold(0.1_f64, |most, value| most.max(value.abs()));
                    assert_eq!(found.len(), expected.len());
                    for (k, (&found, &expected)) in found.iter().zip(expected).enumerate() {
                        let same = f64::from(found) == expected
                            || (f64::from(found) - expected).abs() < 1e-5 * largest;
                        let name = level.name();
                        assert!(same, "{name} {shape:?} {which} {of}.{k}: {found} {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_gradients_are_those_of_the_values() {
    let shape = shape([1, 2, 4, 5, 3]);
    let operands = double(&operands(shape));
    for mask in masks(shape) {
        let expected = reference(shape, &operands, &mask);
        let loss = |operands: &[Vec<f64>; 4]| -> f64 {
            let output = &reference(shape, operands, &mask)[0];
            output.iter().zip(&operands[3]).map(|(output, gradient)| output * gradient).sum()
        };
        for of in 0..3 {
            for k in 0..operands[of].len() {
                let step = |sign: f64| {
                    let mut moved = operands.clone();
                    moved[of][k] += sign * 1e-5;
                    loss(&moved)
                };
                let difference = (step(1.0) - step(-1.0)) / 2e-5;
                assert!((difference - expected[2 + of][k]).abs() < 1e-8, "{of} {k}");
            }
        }
    }
}

#[test]
fn a_fused_slice_gives_the_bits_of_separate_ones() {
    for width in [5, 64] {
        let shape = shape([2, 3, 70, 70, width]);
        let operands = operands(shape);
        let part = shape.heads * width;
        let fuse = |parts: [&[f32]; 3]| -> Vec<f32> {
            let tokens = 0..shape.batch * shape.keys;
            tokens.flat_map(|t| parts.map(|of| of[t * part..][..part].to_vec())).flatten().collect()
        };
        let [query, key, value, gradient] = &operands;
        let seen: Vec<bool> = (0..shape.batch * shape.keys).map(|k| k % 7 != 2).collect();
        let key_mask = KeyMask::Seen(&seen);
        for level in Level::all() {
            let separate = Inputs::separate(shape, [query, key, value]);
            let expected = results(level, &Inputs { key_mask, ..separate }, gradient);
            let values = fuse([query, key, value]);
            let fused = Inputs { key_mask, ..Inputs::fused(shape, &values) };
            let mut output = vec![f32::NAN; shape.output_values()];
            let mut log_sums = vec![f32::NAN; shape.rows()];
            let mut dvalues = vec![f32::NAN; values.len()];
            forward(level, &fused, &mut output, &mut log_sums);
            let saved = Saved { output: &output, log_sums: &log_sums };
            backward(level, &fused, saved, gradient, Gradients::Fused(&mut dvalues));
            let [expected_output, expected_sums, dquery, dkey, dvalue] = &expected;
            assert!(output == *expected_output && log_sums == *expected_sums, "{}", level.name());
            assert!(dvalues == fuse([dquery, dkey, dvalue]), "{}", level.name());
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let shape = shape([1, 1, 2, 300, 2]);
    // Each later key has the larger score, so that every block rescales the one before.
    let key: Vec<f32> = (0..600).map(|k| (k / 2) as f32).collect();
    let inputs = Inputs::separate(shape, [&[1.0, 1.0, -1.0, -1.0], &key, &key]);
    for level in Level::all() {
        let found = results(level, &inputs, &[1.0; 4]);
        // The weights fall by exp(−√2) from key to key, away from the last for one query, from the first for the other.
        let ratio = (-2.0_f32.sqrt()).exp();
        let mean = ratio / (1.0 - ratio);
        for (found, expected) in found[0].iter().zip([299.0 - mean, 299.0 - mean, mean, mean]) {
            assert!((found - expected).abs() < 1e-5 * 299.0, "{} {found}", level.name());
        }
        assert!(found.iter().flatten().all(|value| value.is_finite()), "{}", level.name());
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let shape = shape([3, 4, 60, 140, 20]);
    let operands = operands(shape);
    let masks = masks(shape);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let inputs = inputs(shape, &operands, &masks[3]);
        pool.install(|| results(Level::best(), &inputs, &operands[3]))
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}
