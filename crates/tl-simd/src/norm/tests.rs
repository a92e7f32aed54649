use super::*;
use crate::testing::{assert_close, assert_same_bits, scattered};
use crate::{Act, Level};

const EPSILON: f64 = 1e-5;

/// Pixels and channels: no pixel, one, rows and groups that are cut short, several chunks, wide and odd.
const SHAPES: [[usize; 2]; 14] = [
    [0, 5],
    [1, 1],
    [1, 7],
    [49, 3],
    [7, 16],
    [65, 24],
    [31, 144],
    [5001, 17],
    [9001, 24],
    [70_001, 3],
    [300, 131],
    [37, 1001],
    [100, 2100],
    [130_003, 1],
];

const ACTS: [Act; 3] = [Act::None, Act::Relu, Act::Relu6];

fn act(act: Act, value: f64) -> f64 {
    match act {
        Act::None => value,
        Act::Relu => value.max(0.0),
        Act::Relu6 => value.clamp(0.0, 6.0),
    }
}

fn passes(act: Act, output: f32) -> f64 {
    match act {
        Act::None => 1.0,
        Act::Relu => f64::from(u8::from(output > 0.0)),
        Act::Relu6 => f64::from(u8::from(output > 0.0 && output < 6.0)),
    }
}

/// The sum of each channel of what `term` makes of index and channel.
fn by_channel(count: usize, channels: usize, term: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    (0..count).for_each(|index| sums[index % channels] += term(index, index % channels));
    sums
}

/// A mean and a variance of their own for each channel.
fn batch(pixels: usize, channels: usize) -> Vec<f32> {
    let mut x = scattered(pixels * channels, 1);
    for (index, value) in x.iter_mut().enumerate() {
        let channel = index % channels;
        *value = *value * (1.0 + (channel % 5) as f32) + (channel % 7) as f32 - 3.0;
    }
    x
}

fn reference_statistics(x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let pixels = (x.len() / channels).max(1) as f64;
    let mut mean = by_channel(x.len(), channels, |index, _| f64::from(x[index]));
    mean.iter_mut().for_each(|mean| *mean /= pixels);
    let apart = |index: usize, channel: usize| (f64::from(x[index]) - mean[channel]).powi(2);
    let variance = by_channel(x.len(), channels, apart).into_iter().map(|sum| sum / pixels);
    (mean.clone(), variance.collect())
}

#[test]
fn statistics_are_those_of_the_batch() {
    for level in Level::all() {
        for [pixels, channels] in SHAPES {
            let x = batch(pixels, channels);
            let (mean, variance) = statistics(level, &x, channels);
            let (expected_mean, expected_variance) = reference_statistics(&x, channels);
            let what = format!("{pixels} × {channels} on {}", level.name());
            assert_close(&what, &mean, &expected_mean);
            assert_close(&what, &variance, &expected_variance);
        }
    }
}

#[test]
fn a_variance_survives_a_mean_that_is_ten_thousand_times_as_large() {
    for level in Level::all() {
        for drift in [0.0, 1e-3] {
            let mut x = scattered(30_000 * 3, 2);
            x.iter_mut().enumerate().for_each(|(index, x)| *x += 1e4 + drift * index as f32);
            let (mean, variance) = statistics(level, &x, 3);
            let (expected_mean, expected_variance) = reference_statistics(&x, 3);
            assert_close(level.name(), &mean, &expected_mean);
            assert_close(level.name(), &variance, &expected_variance);
        }
    }
}

#[test]
fn a_batch_is_scaled_shifted_added_to_and_passed_through_the_nonlinearity() {
    for level in Level::all() {
        for ([pixels, channels], kind) in SHAPES.into_iter().zip(ACTS.into_iter().cycle()) {
            let x = batch(pixels, channels);
            let [scale, shift] = [scattered(channels, 3), scattered(channels, 4)];
            let residual = scattered(x.len(), 5);
            for residual in [None, Some(&residual[..])] {
                let mut output = vec![f32::NAN; x.len()];
                normalise(level, &x, &scale, &shift, residual, kind, &mut output);
                let value = |index: usize| {
                    let channel = index % channels;
                    let more = residual.map_or(0.0, |residual| f64::from(residual[index]));
                    let scaled = f64::from(x[index]) * f64::from(scale[channel]);
                    act(kind, scaled + f64::from(shift[channel]) + more)
                };
                let expected: Vec<f64> = (0..x.len()).map(value).collect();
                let what = format!("{pixels} × {channels} {kind:?} on {}", level.name());
                assert_close(&what, &output, &expected);
            }
        }
    }
}

#[test]
fn scale_and_shift_bring_a_batch_to_the_wanted_mean_and_deviation() {
    let x = batch(3000, 6);
    let (mean, variance) = statistics(Level::best(), &x, 6);
    let (gamma, beta) = ([0.5, 1.0, 2.0, -1.0, 1.5, 0.25], [0.0, 1.0, -1.0, 2.0, 0.5, -0.5]);
    let (scale, shift) = scale_and_shift(&mean, &variance, 0.0, &gamma, &beta);
    let mut output = vec![0.0; x.len()];
    normalise(Level::best(), &x, &scale, &shift, None, Act::None, &mut output);
    let (mean, variance) = reference_statistics(&output, 6);
    let narrow =
        |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<_>>();
    assert_close("means", &narrow(mean), &beta.map(f64::from));
    assert_close("variances", &narrow(variance), &gamma.map(|gamma| f64::from(gamma * gamma)));
}

/// All that a norm's backward pass reads.
struct Pass {
    x: Vec<f32>,
    gradient: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    gamma: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
    output: Vec<f32>,
}

impl Pass {
    fn new(level: Level, [pixels, channels]: [usize; 2], act: Act, residual: bool) -> Self {
        let x = batch(pixels, channels);
        let (mean, variance) = statistics(level, &x, channels);
        let gamma: Vec<f32> = scattered(channels, 6).into_iter().map(|g| 3.0 + 2.0 * g).collect();
        let beta = scattered(channels, 7);
        let (scale, shift) = scale_and_shift(&mean, &variance, EPSILON, &gamma, &beta);
        let mut output = vec![0.0; x.len()];
        let more = scattered(x.len(), 8);
        let more = residual.then_some(&more[..]);
        normalise(level, &x, &scale, &shift, more, act, &mut output);
        let gradient = scattered(x.len(), 9);
        Self { x, gradient, mean, variance, gamma, scale, shift, output }
    }

    fn inputs(&self) -> Inputs<'_> {
        let Self { x, mean, variance, gamma, .. } = self;
        Inputs { x, mean, variance, epsilon: EPSILON, gamma }
    }

    fn affine(&self, act: Act) -> Slope<'_> {
        Slope::Affine { scale: &self.scale, shift: &self.shift, act }
    }

    /// The gradients of input, gamma and beta, and that before the nonlinearity.
    fn reference(&self, act: Act) -> [Vec<f64>; 4] {
        let (channels, count) = (self.mean.len(), self.x.len());
        let pixels = (count / channels).max(1) as f64;
        let (mean, variance) = reference_statistics(&self.x, channels);
        let before: Vec<f64> = (0..count)
            .map(|index| f64::from(self.gradient[index]) * passes(act, self.output[index]))
            .collect();
        let normed = |index: usize, channel: usize| {
            (f64::from(self.x[index]) - mean[channel]) / (variance[channel] + EPSILON).sqrt()
        };
        let gamma = by_channel(count, channels, |index, c| before[index] * normed(index, c));
        let beta = by_channel(count, channels, |index, _| before[index]);
        let value = |index: usize| {
            let channel = index % channels;
            let common = (beta[channel] + normed(index, channel) * gamma[channel]) / pixels;
            let inverse = 1.0 / (variance[channel] + EPSILON).sqrt();
            (before[index] - common) * f64::from(self.gamma[channel]) * inverse
        };
        [(0..count).map(value).collect(), gamma, beta, before]
    }

    fn check(&self, level: Level, slope: Slope<'_>, act: Act) {
        let [input, gamma, beta, before] = self.reference(act);
        let what = format!("{} × {} {slope:.0?}", self.x.len(), self.mean.len());
        let what = format!("{} on {}", &what[..what.len().min(60)], level.name());
        let sums = sums(level, &self.x, &self.gradient, slope, &self.mean);
        let (gammas, betas) = sums.parameter_gradients(&self.variance, EPSILON);
        assert_close(&what, &gammas, &gamma);
        assert_close(&what, &betas, &beta);
        for wants_residual in [false, true] {
            let mut residual = vec![f32::NAN; self.x.len()];
            let mut target = residual.clone();
            let wanted = wants_residual.then_some(&mut residual[..]);
            let inputs = self.inputs();
            input_gradient(level, inputs, slope, &sums, &self.gradient, &mut target, wanted);
            assert_close(&what, &target, &input);
            if wants_residual {
                assert_close(&what, &residual, &before);
                residual.fill(f32::NAN);
            }
            let mut over = self.gradient.clone();
            let wanted = wants_residual.then_some(&mut residual[..]);
            input_gradient_in_place(level, inputs, slope, &sums, &mut over, wanted);
            assert!(over == target, "{what}: other values in place");
            if wants_residual {
                assert_close(&what, &residual, &before);
            }
        }
    }
}

#[test]
fn gradients_are_those_of_plain_loops() {
    for level in Level::all() {
        for (shape, act) in SHAPES.into_iter().zip(ACTS.into_iter().cycle()) {
            if shape[0] == 1 {
                // A lone pixel is normalised to beta, whatever it is: its gradient is 0, up to rounding.
                continue;
            }
            let pass = Pass::new(level, shape, act, true);
            pass.check(level, Slope::Output(&pass.output, act), act);
            let pass = Pass::new(level, shape, act, false);
            pass.check(level, Slope::Output(&pass.output, act), act);
            pass.check(level, pass.affine(act), act);
            pass.check(level, Slope::One, Act::None);
        }
    }
}

#[test]
fn channel_sums_are_those_of_plain_loops() {
    for level in Level::all() {
        for [pixels, channels] in SHAPES {
            let x = batch(pixels, channels);
            let expected = by_channel(x.len(), channels, |index, _| f64::from(x[index]));
            assert_close(level.name(), &channel_sums(level, &x, channels), &expected);
        }
    }
}

#[test]
fn a_gradient_passes_where_the_output_is_inside_its_bounds() {
    for level in Level::all() {
        for act in ACTS {
            for length in [0, 5, 1031, 200_001] {
                let clamp = |value: f32| (value * 12.0).clamp(0.0, 6.0);
                let output: Vec<f32> = scattered(length, 1).into_iter().map(clamp).collect();
                let before = scattered(length, 2);
                let mut gradient = before.clone();
                through_act(level, &mut gradient, &output, act);
                let passed = before.iter().zip(&output).map(|(g, y)| g * passes(act, *y) as f32);
                assert!(gradient.into_iter().eq(passed), "{act:?} on {}", level.name());
            }
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let level = Level::best();
    for shape in [[9001, 24], [37, 1001], [2000, 512]] {
        assert_same_bits("norm", || {
            let pass = Pass::new(level, shape, Act::Relu, false);
            let slope = pass.affine(Act::Relu);
            let sums = sums(level, &pass.x, &pass.gradient, slope, &pass.mean);
            let (mut all, beta) = sums.parameter_gradients(&pass.variance, EPSILON);
            let mut target = vec![0.0; pass.x.len()];
            let inputs = pass.inputs();
            input_gradient(level, inputs, slope, &sums, &pass.gradient, &mut target, None);
            let parts = [beta, channel_sums(level, &pass.x, shape[1]), target, pass.output];
            all.extend(parts.concat());
            all
        });
    }
}
