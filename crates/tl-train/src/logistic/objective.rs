//! The objective of logistic regression and its gradient.

use rayon::prelude::*;

use super::lbfgs::Smooth;
use super::products::{EXAMPLES, add_outer, scores_into};
use super::{Options, SparseRows, balanced};

use std::ops::Range;

/// The examples are summed in this many shares, whatever the number of threads.
const SHARES: usize = 16;

/// Examples with their labels; dense features are centred.
///
/// With x − μ in place of x, W·x + b is W·(x − μ) + (b + W·μ). The bias is not penalised, so the
/// optimum is the same, but bias and weight no longer pull on each other, and L-BFGS needs far fewer steps.
pub(super) struct Rows<'a> {
    features: Features<'a>,
    mean: Vec<f64>,
    /// Variance of each feature.
    variance: Vec<f64>,
    labels: &'a [usize],
    classes: usize,
    /// Whether there is a bias; without one nothing is centred and it stays 0.
    bias: bool,
    /// What an example of each class weighs.
    weights: Vec<f64>,
}

enum Features<'a> {
    Centred(Vec<f32>),
    /// To centre them would fill them.
    Sparse(&'a SparseRows),
}

impl<'a> Rows<'a> {
    /// `features` `[labels.len(), d]`, checked: finite, at least one row and column.
    pub(super) fn new(
        features: &[f32],
        labels: &'a [usize],
        classes: usize,
        options: &Options,
    ) -> Self {
        let bias = options.bias;
        let examples = labels.len();
        let width = features.len() / examples;
        let mut mean = vec![0.0; width];
        for row in features.chunks_exact(width).filter(|_| bias) {
            mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        mean.iter_mut().for_each(|sum| *sum /= examples as f64);
        let mut centred = Vec::with_capacity(features.len());
        let mut variance = vec![0.0; width];
        for row in features.chunks_exact(width) {
            for ((&x, mean), variance) in row.iter().zip(&mean).zip(&mut variance) {
                let difference = f64::from(x) - mean;
                *variance += difference * difference / examples as f64;
                centred.push(difference as f32);
            }
        }
        let features = Features::Centred(centred);
        let weights = weights(labels, classes, options);
        Self { features, mean, variance, labels, classes, bias, weights }
    }

    /// The same of features of which most are 0, checked likewise.
    pub(super) fn sparse(
        features: &'a SparseRows,
        labels: &'a [usize],
        classes: usize,
        options: &Options,
    ) -> Self {
        let width = features.width();
        let mut variance = vec![0.0; width];
        for (_, column, value) in features.entries() {
            variance[column] += f64::from(value).powi(2) / labels.len() as f64;
        }
        let (features, mean) = (Features::Sparse(features), vec![0.0; width]);
        let weights = weights(labels, classes, options);
        Self { features, mean, variance, labels, classes, bias: options.bias, weights }
    }

    /// x · weightᵀ + bias of some examples.
    fn scores(&self, rows: Range<usize>, weight: &[f32], bias: &[f64], scores: &mut [f64]) {
        match &self.features {
            Features::Centred(values) => {
                let width = self.width();
                scores_into(&values[rows.start * width..rows.end * width], weight, bias, scores);
            }
            Features::Sparse(values) => values.scores_into(rows, weight, bias, scores),
        }
    }

    /// Adds gᵀ·x of some examples to `sums`; `block` is room for one row of them.
    fn add_outer(&self, rows: Range<usize>, slopes: &[f32], block: &mut [f32], sums: &mut [f64]) {
        match &self.features {
            Features::Centred(values) => {
                let width = self.width();
                let values = &values[rows.start * width..rows.end * width];
                add_outer(values, slopes, width, block, sums);
            }
            Features::Sparse(values) => values.add_outer(rows, slopes, sums),
        }
    }

    fn width(&self) -> usize {
        self.mean.len()
    }

    /// The number of unknowns: weight `[classes, width]`, then bias `[classes]`.
    pub(super) fn unknowns(&self) -> usize {
        self.classes * (self.width() + 1)
    }

    /// Weight and bias for the features as they came.
    pub(super) fn head(&self, point: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let (weight, bias) = point.split_at(self.classes * self.width());
        let bias = bias.iter().zip(weight.chunks_exact(self.width())).map(|(bias, weight)| {
            let shift: f64 = weight.iter().zip(&self.mean).map(|(w, m)| w * m).sum();
            (bias - shift) as f32
        });
        (weight.iter().map(|&w| w as f32).collect(), bias.collect())
    }
}

fn weights(labels: &[usize], classes: usize, options: &Options) -> Vec<f64> {
    if options.balanced { balanced(labels, classes) } else { vec![1.0; classes] }
}

/// (Σᵢ −log p(yᵢ | xᵢ) + ½λ‖W‖²) / n over weight `[classes, width]` and bias `[classes]`.
pub(super) struct Objective<'a> {
    rows: &'a Rows<'a>,
    l2: f64,
    curvature: Vec<f64>,
}

/// What one share of the examples adds.
struct Share {
    loss: f64,
    /// Weight `[classes, width]`, then bias `[classes]`.
    gradient: Vec<f64>,
}

impl<'a> Objective<'a> {
    pub(super) fn new(rows: &'a Rows<'a>, l2: f64) -> Self {
        let examples = rows.labels.len() as f64;
        // The diagonal of the Hessian where all classes are equally likely.
        let even = 1.0 / rows.classes as f64 * (1.0 - 1.0 / rows.classes as f64);
        let of_weight = rows.variance.iter().map(|variance| even * variance + l2 / examples);
        let of_weight: Vec<f64> = of_weight.collect();
        let mut curvature = of_weight.repeat(rows.classes);
        curvature.resize(rows.unknowns(), even);
        Self { rows, l2, curvature }
    }

    /// Mean cross-entropy in nats, without the penalty.
    pub(super) fn mean_loss(&self, point: &[f64]) -> f64 {
        let mut gradient = vec![0.0; point.len()];
        self.value_and_gradient(point, &mut gradient) - self.penalty(point)
    }

    fn penalty(&self, point: &[f64]) -> f64 {
        let weight = &point[..self.rows.classes * self.rows.width()];
        let squares: f64 = weight.iter().map(|w| w * w).sum();
        0.5 * self.l2 * squares / self.rows.labels.len() as f64
    }

    fn share(&self, first: usize, labels: &[usize], weight: &[f32], bias: &[f64]) -> Share {
        let (width, classes) = (self.rows.width(), self.rows.classes);
        let mut share = Share { loss: 0.0, gradient: vec![0.0; self.rows.unknowns()] };
        let (of_weight, of_bias) = share.gradient.split_at_mut(classes * width);
        let mut scores = vec![0.0; EXAMPLES * classes];
        let mut slopes = vec![0.0f32; EXAMPLES * classes];
        let mut block = vec![0.0; width];
        for (number, labels) in labels.chunks(EXAMPLES).enumerate() {
            let start = first + number * EXAMPLES;
            let rows = start..start + labels.len();
            self.rows.scores(rows.clone(), weight, bias, &mut scores[..labels.len() * classes]);
            let of_row = scores.chunks_exact(classes).zip(slopes.chunks_exact_mut(classes));
            for ((scores, slopes), &label) in of_row.zip(labels) {
                // d loss / d score = probability − 1 for the label, probability elsewhere.
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
                let weight = self.rows.weights[label];
                share.loss += weight * (largest + sum.ln() - scores[label]);
                for (class, score) in scores.iter().enumerate() {
                    let probability = (score - largest).exp() / sum;
                    let slope = weight * (probability - if class == label { 1.0 } else { 0.0 });
                    slopes[class] = slope as f32;
                    of_bias[class] += slope;
                }
            }
            self.rows.add_outer(rows, &slopes, &mut block, of_weight);
        }
        if !self.rows.bias {
            of_bias.fill(0.0);
        }
        share
    }
}

impl Smooth for Objective<'_> {
    fn value_and_gradient(&self, point: &[f64], gradient: &mut [f64]) -> f64 {
        let (width, classes) = (self.rows.width(), self.rows.classes);
        let (weight, bias) = point.split_at(classes * width);
        let rounded: Vec<f32> = weight.iter().map(|&w| w as f32).collect();
        let examples = self.rows.labels.len();
        // Whole blocks to every share but the last.
        let length = examples.div_ceil(SHARES).next_multiple_of(EXAMPLES);
        let shares: Vec<Share> = self
            .rows
            .labels
            .par_chunks(length)
            .enumerate()
            .map(|(number, labels)| self.share(number * length, labels, &rounded, bias))
            .collect();
        gradient.fill(0.0);
        let mut loss = 0.0;
        for share in shares {
            loss += share.loss;
            gradient.iter_mut().zip(share.gradient).for_each(|(sum, part)| *sum += part);
        }
        let penalty = weight.iter().map(|w| self.l2 * w).chain(std::iter::repeat(0.0));
        for (slope, penalty) in gradient.iter_mut().zip(penalty) {
            *slope = (*slope + penalty) / examples as f64;
        }
        loss / examples as f64 + self.penalty(point)
    }

    fn curvature(&self) -> &[f64] {
        &self.curvature
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_the_slope_of_the_value() {
        let (examples, width, classes) = (40, 6, 3);
        let features: Vec<f32> =
            (0..examples * width).map(|i| ((i * i + 3) % 17) as f32 / 8.0).collect();
        let labels: Vec<usize> = (0..examples).map(|i| (i * 5 + i / 7) % classes).collect();
        let rows = Rows::new(&features, &labels, classes, &Options::default());
        let objective = Objective::new(&rows, 0.7);
        // Points and steps are sums of few powers of two, so that they are the same in f32 and f64.
        let point: Vec<f64> =
            (0..rows.unknowns()).map(|i| ((i * 7) % 5) as f64 / 4.0 - 0.5).collect();
        let mut gradient = vec![0.0; point.len()];
        objective.value_and_gradient(&point, &mut gradient);
        let step = 1.0 / 128.0;
        for index in 0..point.len() {
            let at = |offset: f64| {
                let mut moved = point.clone();
                moved[index] += offset * step;
                objective.value_and_gradient(&moved, &mut vec![0.0; point.len()])
            };
            // Central differences of fourth order.
            let slope = (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step);
            assert!((slope - gradient[index]).abs() < 2e-6, "{index}: {slope} {}", gradient[index]);
        }
    }

    #[test]
    fn at_zero_the_loss_is_that_of_guessing() {
        let rows = Rows::new(&[1.0, 2.0, 3.0], &[0, 1, 2], 3, &Options::default());
        let objective = Objective::new(&rows, 1.0);
        let point = vec![0.0; rows.unknowns()];
        assert!((objective.mean_loss(&point) - 3f64.ln()).abs() < 1e-12);
    }
}
