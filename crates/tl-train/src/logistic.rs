//! Logistic regression: a linear softmax classifier on fixed features, trained to convergence.
//!
//! The objective is scikit-learn's, C · Σᵢ −log p(yᵢ | xᵢ) + ½‖W‖² with an unpenalised bias and the
//! softmax for every number of classes (also two). It is strictly convex in W, so that the result is
//! a matter of the data and of C alone: no rate, no schedule, no seed.
//!
//! ```
//! use tl_train::logistic::{Options, fit};
//!
//! let features = [0.0, 1.0, 10.0, 11.0]; // four examples of one number each
//! let head = fit(&features, &[0, 0, 1, 1], 2, &Options::default()).unwrap();
//! assert_eq!(head.predict(&[2.0, 9.0]), [0, 1]);
//! ```

mod check;
mod lbfgs;
mod objective;
mod products;
mod sparse;

use check::{
    check_classes, check_examples, check_labels, check_options, check_training, positive, shape,
    sound,
};
use lbfgs::{Minimum, minimize};
use objective::{Objective, Rows};
use serde::{Deserialize, Serialize};
pub use sparse::SparseRows;

use crate::metrics::argmax;

/// How a head is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The weight λ of the penalty in Σᵢ −log p(yᵢ | xᵢ) + ½λ‖W‖², that is 1 / C. Positive: without
    /// a penalty, classes that a plane separates have no finite optimum.
    pub l2: f64,
    /// Iterations of L-BFGS at most.
    pub max_iterations: usize,
    /// Converged means: no entry of the gradient of the objective, divided by the number of
    /// examples, is larger than this. Rounding of f32 features sets a floor near 10⁻⁷ times their size.
    pub tolerance: f64,
    /// Whether the head has a bias.
    pub bias: bool,
    /// Whether each example of a class weighs [`balanced`] in the sum, so that all classes weigh the same.
    pub balanced: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { l2: 1.0, max_iterations: 1000, tolerance: 1e-4, bias: true, balanced: false }
    }
}

/// What keeps a head from being fitted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LogisticError {
    /// No example, or no feature.
    #[error("the {part} part holds no example to fit a head on; name a part that holds some")]
    Empty { part: &'static str },
    /// The number of features is no multiple of the number of examples.
    #[error(
        "{values} feature values for {examples} examples of the {part} part; each needs {expected}"
    )]
    Shape { part: &'static str, values: usize, examples: usize, expected: String },
    /// There is nothing to tell apart.
    #[error("a classifier needs at least two classes with examples, here is {found}; add another")]
    OneClass { found: usize },
    /// A class without an example has no finite optimum.
    #[error("class {class} has no training example; add one or leave the class out")]
    EmptyClass { class: usize },
    /// A label is not among the classes.
    #[error(
        "example {example} of the {part} part has the label {label}, but there are {classes} classes"
    )]
    Label { part: &'static str, example: usize, label: usize, classes: usize },
    /// A feature is NaN or infinite (or so large that its square is).
    #[error(
        "example {example} of the {part} part, feature {feature} is {value}; the weights or the input are damaged"
    )]
    NonFinite { part: &'static str, example: usize, feature: usize, value: f32 },
    /// An option has no meaning.
    #[error("{name} is {value}, it must be a positive finite number")]
    Option { name: &'static str, value: f64 },
    /// There is no C to choose from.
    #[error("no candidate for C to choose from; name at least one")]
    NoCandidate,
}

/// A fitted linear classifier: logits = x · weightᵀ + bias.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearHead {
    /// `[classes, features]`, row major.
    pub weight: Vec<f32>,
    /// `[classes]`; sums to 0, as do the columns of the weight (the softmax leaves a common shift open).
    pub bias: Vec<f32>,
    /// Iterations of L-BFGS.
    pub iterations: usize,
    /// Whether the gradient fell below the tolerance.
    pub converged: bool,
    /// Mean cross-entropy of the training examples in nats, without the penalty.
    pub loss: f64,
}

impl LinearHead {
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Number of features an example has.
    pub fn width(&self) -> usize {
        self.weight.len() / self.bias.len().max(1)
    }

    /// Logits `[n, classes]` of features `[n, width]`; values beyond the last full row are left out.
    pub fn logits(&self, features: &[f32]) -> Vec<f32> {
        products::logits(features, &self.weight, &self.bias)
    }

    /// The likeliest class of each row of features `[n, width]`.
    pub fn predict(&self, features: &[f32]) -> Vec<usize> {
        let logits = self.logits(features);
        logits.chunks_exact(self.classes().max(1)).map(argmax).collect()
    }

    /// The same of features of which most are 0.
    pub fn predict_sparse(&self, features: &SparseRows) -> Vec<usize> {
        let bias: Vec<f64> = self.bias.iter().map(|&bias| f64::from(bias)).collect();
        let mut scores = vec![0.0; features.len() * bias.len()];
        features.scores_into(0..features.len(), &self.weight, &bias, &mut scores);
        let rows = scores.chunks_exact(bias.len().max(1));
        rows.map(|row| argmax(&row.iter().map(|&score| score as f32).collect::<Vec<_>>())).collect()
    }
}

/// Fits a head on features `[n, d]` (row major) and their labels, each below `classes`.
///
/// The result does not depend on the number of threads. Features are neither scaled nor shifted as
/// far as the objective goes. A fit that reaches `max_iterations` first says so in `converged`.
///
/// # Errors
/// No example, shapes that do not fit, fewer than two classes, a class without example, a label out
/// of range, a non-finite feature, an option out of range.
pub fn fit(
    features: &[f32],
    labels: &[usize],
    classes: usize,
    options: &Options,
) -> Result<LinearHead, LogisticError> {
    check_options(options)?;
    check_training(features, labels, classes)?;
    let rows = Rows::new(features, labels, classes, options);
    let start = vec![0.0; rows.unknowns()];
    Ok(fit_from(&rows, start, options).0)
}

/// One value of C and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub c: f64,
    /// The share of validation examples predicted right.
    pub validation_accuracy: f64,
    pub iterations: usize,
    pub converged: bool,
}

/// The head whose C did best on the validation part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    pub head: LinearHead,
    pub c: f64,
    /// Every candidate, from the smallest C (the strongest penalty) to the largest.
    pub candidates: Vec<Candidate>,
}

/// Features `[n, d]` (row major) and the label of each row.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    pub features: &'a [f32],
    pub labels: &'a [usize],
}

/// Fits a head for every C in `candidates` and keeps the one with the highest validation accuracy,
/// of equals the one with the smallest C.
///
/// C goes from small to large, each fit starting where the last one ended. `options.l2` is not read.
///
/// # Errors
/// As [`fit`], for both parts, and no candidate or one that is not positive.
pub fn fit_chosen(
    training: Examples<'_>,
    validation: Examples<'_>,
    classes: usize,
    candidates: &[f64],
    options: &Options,
) -> Result<Chosen, LogisticError> {
    fit_chosen_while(training, validation, classes, candidates, options, &|| true)
}

/// The same, but after the smallest C none is tried once `go_on` says no.
///
/// # Errors
/// As [`fit_chosen`].
pub fn fit_chosen_while(
    training: Examples<'_>,
    validation: Examples<'_>,
    classes: usize,
    candidates: &[f64],
    options: &Options,
    go_on: &dyn Fn() -> bool,
) -> Result<Chosen, LogisticError> {
    let ordered = in_order(candidates)?;
    check_options(&Options { l2: 1.0, ..*options })?;
    check_training(training.features, training.labels, classes)?;
    let width = training.features.len() / training.labels.len();
    check_examples("validation", validation.features, validation.labels, classes)?;
    if validation.features.len() != validation.labels.len() * width {
        return Err(shape("validation", validation, width.to_string()));
    }

    let rows = Rows::new(training.features, training.labels, classes, options);
    let predict = |head: &LinearHead| head.predict(validation.features);
    choose(&rows, validation.labels, ordered, options, predict, go_on)
}

/// The same on features of which most are 0, `[n, d]` with the label of each row.
///
/// # Errors
/// As [`fit_chosen`].
pub fn fit_chosen_sparse(
    training: (&SparseRows, &[usize]),
    validation: (&SparseRows, &[usize]),
    classes: usize,
    candidates: &[f64],
    options: &Options,
) -> Result<Chosen, LogisticError> {
    let ordered = in_order(candidates)?;
    check_options(&Options { l2: 1.0, ..*options })?;
    for (part, (features, labels)) in [("training", training), ("validation", validation)] {
        if features.is_empty() || features.width() == 0 {
            return Err(LogisticError::Empty { part });
        }
        let width = training.0.width();
        if (features.len(), features.width()) != (labels.len(), width) {
            let (values, examples) = (features.len() * features.width(), labels.len());
            return Err(LogisticError::Shape {
                part,
                values,
                examples,
                expected: width.to_string(),
            });
        }
        check_labels(part, labels, classes)?;
        if let Some((example, feature, value)) = features.entries().find(|it| !sound(it.2)) {
            return Err(LogisticError::NonFinite { part, example, feature, value });
        }
    }
    check_classes(training.1, classes)?;
    let rows = Rows::sparse(training.0, training.1, classes, options);
    let predict = |head: &LinearHead| head.predict_sparse(validation.0);
    choose(&rows, validation.1, ordered, options, predict, &|| true)
}

/// What an example of each class weighs, so that all classes that have some weigh the same together and all examples as
/// much as they are: `n / (classes · n of the class)`; 1 for a class without any.
pub fn balanced(labels: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0usize; classes];
    for &label in labels {
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    let present = counts.iter().filter(|count| **count > 0).count();
    let weight = |count: &usize| match *count {
        0 => 1.0,
        count => labels.len() as f64 / (present * count) as f64,
    };
    counts.iter().map(weight).collect()
}

/// The values of C from small to large, each once.
fn in_order(candidates: &[f64]) -> Result<Vec<f64>, LogisticError> {
    let mut ordered = candidates.to_vec();
    for &value in &ordered {
        positive("C", value)?;
    }
    ordered.sort_by(f64::total_cmp);
    ordered.dedup();
    Ok(ordered)
}

/// The best of the fits for `ordered` values of C by what `predict` says of the validation examples, as long as `go_on` says yes.
fn choose(
    rows: &Rows,
    labels: &[usize],
    ordered: Vec<f64>,
    options: &Options,
    predict: impl Fn(&LinearHead) -> Vec<usize>,
    go_on: &dyn Fn() -> bool,
) -> Result<Chosen, LogisticError> {
    let mut point = vec![0.0; rows.unknowns()];
    let mut tried = Vec::new();
    let mut best: Option<(LinearHead, f64, f64)> = None;
    for c in ordered {
        if best.is_some() && !go_on() {
            break;
        }
        let options = Options { l2: 1.0 / c, ..*options };
        let (head, reached) = fit_from(rows, point, &options);
        point = reached;
        let right = predict(&head).iter().zip(labels).filter(|(p, l)| p == l).count();
        let accuracy = right as f64 / labels.len() as f64;
        tried.push(Candidate {
            c,
            validation_accuracy: accuracy,
            iterations: head.iterations,
            converged: head.converged,
        });
        if best.as_ref().is_none_or(|(_, _, highest)| accuracy > *highest) {
            best = Some((head, c, accuracy));
        }
    }
    let (head, c, _) = best.ok_or(LogisticError::NoCandidate)?;
    Ok(Chosen { head, c, candidates: tried })
}

/// The head and the point in the objective's own unknowns, from which the next fit may start.
fn fit_from(rows: &Rows, start: Vec<f64>, options: &Options) -> (LinearHead, Vec<f64>) {
    let objective = Objective::new(rows, options.l2);
    let Minimum { point, iterations, converged } =
        minimize(&objective, start, options.max_iterations, options.tolerance);
    let (weight, bias) = rows.head(&point);
    let head =
        LinearHead { weight, bias, iterations, converged, loss: objective.mean_loss(&point) };
    (head, point)
}

#[cfg(test)]
mod tests;
