//! How good a classifier is: accuracy with its interval, cross-entropy, and scores per class; and how near numbers are.
//!
//! ```
//! use tl_train::metrics::Evaluation;
//!
//! let labels = ["cat".to_string(), "dog".to_string()];
//! let logits = [2.0, -1.0, 0.5, 0.25, -3.0, 3.0]; // three images, two classes
//! let evaluation = Evaluation::from_logits(&labels, &logits, &[0, 1, 1]).unwrap();
//! assert_eq!(evaluation.confusion, vec![vec![1, 0], vec![1, 1]]);
//! assert_eq!(evaluation.n, 3);
//! ```

mod bootstrap;
mod confusion;
mod entities;
mod figures;
mod measure;
mod ranking;
mod regression;
mod reliability;
mod retrieval;
mod several;
mod statistics;
mod tally;
mod temperature;

pub use confusion::{ClassScore, Confusion};
pub use entities::{Entities, EntityScores, Pair, Score, Span, spans, strict_spans};
pub use figures::{Estimate, Figures, TopK};
pub use measure::{Measure, Rows};
pub use ranking::auroc;
pub use regression::Regression;
pub use reliability::{BINS, Bin};
pub use retrieval::{Retrieval, ranks};
pub use several::{LabelScore, SeveralLabels, average_precision};
pub use statistics::{Interval, mean_and_deviation};
pub use temperature::{fit_temperature, reliability};

use serde::{Deserialize, Serialize};

/// What makes an evaluation impossible.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MetricsError {
    /// There is no image to evaluate.
    #[error("nothing to evaluate: the part holds no image; name a part or folder that holds some")]
    Empty,
    /// The scores do not fit the number of images and classes.
    #[error("{scores} scores for {images} images and {classes} classes, {} were expected; evaluate with the network's own labels", images * classes)]
    Shape { scores: usize, images: usize, classes: usize },
    /// A true class is not among the labels.
    #[error(
        "image {image} is of class {class}, but there are {classes} classes (0 to {}); evaluate with the labels the network was trained on",
        classes.saturating_sub(1)
    )]
    Class { image: usize, class: usize, classes: usize },
    /// A score is NaN or infinite, or a probability outside of 0 to 1.
    #[error(
        "image {image}, class {class}: the score {score} is no {kind}; the weights or the input are damaged"
    )]
    Score { image: usize, class: usize, score: f32, kind: &'static str },
    /// A number or the answer to it is NaN or infinite.
    #[error("number {item}: {value} is not finite; the weights or the input are damaged")]
    Number { item: usize, value: f64 },
}

/// A classifier measured on one part of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The share of images predicted right.
    pub accuracy: f64,
    /// Number of images.
    pub n: u64,
    /// The 95 % Wilson score interval of the accuracy, `[low, high]`.
    pub interval: [f64; 2],
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// The mean F1 over the classes that occur.
    pub macro_f1: f64,
    /// The mean F1 over the classes, by their number of images.
    #[serde(default)]
    pub weighted_f1: f64,
    /// Matthews' correlation coefficient, from −1 to 1: 0 is what guessing gives.
    #[serde(default)]
    pub mcc: f64,
    /// The area under the receiver operating characteristic, of the second of two classes or the mean over more; nothing
    /// where a class does not occur.
    #[serde(default)]
    pub auroc: Option<f64>,
    /// Scores in the order of the labels.
    pub per_class: Vec<ClassScore>,
    /// Rows are true classes, columns predicted ones.
    pub confusion: Vec<Vec<u64>>,
    /// Of words with tags: how good they are as entities. The figures above then count words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entities: Option<Entities>,
    /// Further figures and how sure they are; where they were [asked for](Evaluation::with_figures).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Box<Figures>>,
}

impl Evaluation {
    /// What chooses among epochs: the F1 of entities where there are any, else the accuracy.
    pub fn score(&self) -> f64 {
        self.entities.as_ref().map_or(self.accuracy, |found| found.usual.micro.f1)
    }

    /// Evaluates logits `[images, classes]`, row by row.
    ///
    /// Of equal scores the first class wins.
    ///
    /// # Errors
    /// No image, scores that do not fit `truth` and `labels`, a class out of range, a non-finite score.
    pub fn from_logits(
        labels: &[String],
        logits: &[f32],
        truth: &[usize],
    ) -> Result<Self, MetricsError> {
        Self::from_logits_at(labels, logits, truth, 1.0)
    }

    /// The same where each logit counts divided by `temperature` in probabilities and in the loss; above 0 it changes no answer.
    ///
    /// # Errors
    /// As [`Evaluation::from_logits`].
    pub fn from_logits_at(
        labels: &[String],
        logits: &[f32],
        truth: &[usize],
        temperature: f64,
    ) -> Result<Self, MetricsError> {
        let valid = |score: f32| score.is_finite();
        let loss = |row: &[f32], class: usize| cross_entropy_at(row, class, temperature);
        let probabilities = |row: &[f32]| softmax_at(row, temperature);
        Self::build(labels, logits, truth, loss, probabilities, valid, "finite number")
    }

    /// As [`Evaluation::from_logits_at`], and [further figures](Figures) with their intervals, of which each takes 1,000 draws.
    ///
    /// # Errors
    /// As there.
    pub fn with_figures(
        labels: &[String],
        logits: &[f32],
        truth: &[usize],
        temperature: f64,
    ) -> Result<Self, MetricsError> {
        let found = Self::from_logits_at(labels, logits, truth, temperature)?;
        let figures = Figures::of(&found, logits, truth, temperature);
        Ok(Self { figures: Some(Box::new(figures)), ..found })
    }

    /// Evaluates probabilities `[images, classes]`, row by row; a probability of 0 for the true class
    /// counts as the smallest normal f32, about 10⁻³⁸, in the loss.
    ///
    /// # Errors
    /// As [`Evaluation::from_logits`], and a probability outside of 0 to 1 (by more than 10⁻³).
    pub fn from_probabilities(
        labels: &[String],
        probabilities: &[f32],
        truth: &[usize],
    ) -> Result<Self, MetricsError> {
        let loss = |row: &[f32], class: usize| -f64::from(row[class].max(f32::MIN_POSITIVE)).ln();
        let valid = |score: f32| (-1e-3..=1.001).contains(&score);
        let same = |row: &[f32]| row.iter().map(|it| f64::from(*it)).collect();
        Self::build(labels, probabilities, truth, loss, same, valid, "probability")
    }

    fn build(
        labels: &[String],
        scores: &[f32],
        truth: &[usize],
        loss: impl Fn(&[f32], usize) -> f64,
        probabilities: impl Fn(&[f32]) -> Vec<f64>,
        valid: impl Fn(f32) -> bool,
        kind: &'static str,
    ) -> Result<Self, MetricsError> {
        let (images, classes) = (truth.len(), labels.len());
        if images == 0 {
            return Err(MetricsError::Empty);
        }
        if classes == 0 || scores.len() != images * classes {
            return Err(MetricsError::Shape { scores: scores.len(), images, classes });
        }
        let mut confusion = Confusion::new(classes);
        let mut total = 0.0;
        for (image, (row, &class)) in scores.chunks_exact(classes).zip(truth).enumerate() {
            if class >= classes {
                return Err(MetricsError::Class { image, class, classes });
            }
            if let Some(class) = row.iter().position(|&score| !valid(score)) {
                return Err(MetricsError::Score { image, class, score: row[class], kind });
            }
            confusion.add(class, argmax(row));
            total += loss(row, class);
        }
        let interval = Interval::wilson(confusion.correct(), confusion.n());
        Ok(Self {
            accuracy: confusion.accuracy(),
            n: confusion.n(),
            interval: [interval.low, interval.high],
            loss: total / images as f64,
            macro_f1: confusion.macro_f1(),
            weighted_f1: confusion.weighted_f1(),
            mcc: confusion.correlation(),
            auroc: ranking::auroc_of_classes(
                &scores.chunks_exact(classes).flat_map(&probabilities).collect::<Vec<_>>(),
                classes,
                truth,
            ),
            per_class: labels
                .iter()
                .enumerate()
                .map(|(class, label)| ClassScore {
                    label: label.clone(),
                    precision: confusion.precision(class),
                    recall: confusion.recall(class),
                    f1: confusion.f1(class),
                    n: confusion.support(class),
                })
                .collect(),
            confusion: confusion.into_counts(),
            entities: None,
            figures: None,
        })
    }
}

/// The index of the largest score, the first of equals; 0 for an empty row.
pub fn argmax(row: &[f32]) -> usize {
    let better = |best: usize, index: usize| if row[index] > row[best] { index } else { best };
    (0..row.len()).reduce(better).unwrap_or(0)
}

/// The probabilities of a row of logits, in f64.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    softmax_at(logits, 1.0)
}

/// The probabilities of a row of logits that are divided by `temperature`, in f64.
pub fn softmax_at(logits: &[f32], temperature: f64) -> Vec<f64> {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let power = |logit: &f32| ((f64::from(*logit) - largest) / temperature).exp();
    let mut row: Vec<f64> = logits.iter().map(power).collect();
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
    row
}

/// log Σ exp(logit) − logit of the true class, in f64 and without overflow: the negative
/// log-probability, in nats, of `class` (which must be within the row).
pub fn cross_entropy(logits: &[f32], class: usize) -> f64 {
    cross_entropy_at(logits, class, 1.0)
}

/// The same of logits that are divided by `temperature`.
fn cross_entropy_at(logits: &[f32], class: usize, temperature: f64) -> f64 {
    let largest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let power = |logit: &f32| ((f64::from(*logit) - largest) / temperature).exp();
    let sum: f64 = logits.iter().map(power).sum();
    (largest - f64::from(logits[class])) / temperature + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    #[test]
    fn the_loss_of_logits_is_the_mean_negative_log_probability() {
        let logits = [0.0, 0.0, 0.0, 3f32.ln()];
        let evaluation = Evaluation::from_logits(&labels(&["a", "b"]), &logits, &[1, 1]).unwrap();
        close(evaluation.loss, (2f64.ln() - 0.75f64.ln()) / 2.0, 1e-7);
        assert_eq!(evaluation.confusion, [[0, 0], [1, 1]]);
        assert_eq!((evaluation.accuracy, evaluation.n), (0.5, 2));
        assert_eq!(evaluation.per_class[1].label, "b");
        assert_eq!(evaluation.per_class[1].n, 2);
    }

    #[test]
    fn huge_logits_neither_overflow_nor_lose_the_loss() {
        close(cross_entropy(&[1e30, -1e30], 0), 0.0, 0.0);
        close(cross_entropy(&[-1000.0, -1001.0], 0), (1.0 + (-1f64).exp()).ln(), 1e-12);
        close(cross_entropy(&[900.0, 1000.0], 0), 100.0, 1e-9);
    }

    #[test]
    fn probabilities_and_logits_agree() {
        let logits = [1.0f32, -0.5, 0.25, -2.0, 0.0, 4.0];
        let probabilities: Vec<f32> = logits
            .chunks(3)
            .flat_map(|row| {
                let sum: f32 = row.iter().map(|z| z.exp()).sum();
                row.iter().map(move |z| z.exp() / sum).collect::<Vec<_>>()
            })
            .collect();
        let names = labels(&["a", "b", "c"]);
        let left = Evaluation::from_logits(&names, &logits, &[2, 2]).unwrap();
        let right = Evaluation::from_probabilities(&names, &probabilities, &[2, 2]).unwrap();
        close(left.loss, right.loss, 1e-6);
        assert_eq!(left.per_class, right.per_class);
    }

    #[test]
    fn what_cannot_be_evaluated_is_an_error_that_says_why() {
        let names = labels(&["a", "b"]);
        let error = |logits: &[f32], truth: &[usize]| {
            Evaluation::from_logits(&names, logits, truth).unwrap_err().to_string()
        };
        assert!(error(&[], &[]).contains("no image"));
        assert!(error(&[0.0; 3], &[0, 1]).contains("3 scores for 2 images and 2 classes, 4"));
        assert!(error(&[0.0; 2], &[2]).contains("image 0 is of class 2"));
        assert!(error(&[0.0, 0.0, 0.0, f32::NAN], &[0, 1]).contains("image 1, class 1"));
        assert!(Evaluation::from_probabilities(&names, &[1.5, -0.5], &[0]).is_err());
        assert!(Evaluation::from_logits(&[], &[], &[0]).is_err());
    }

    #[test]
    fn an_evaluation_survives_json() {
        let names = labels(&["a", "b"]);
        let evaluation = Evaluation::from_logits(&names, &[0.1, 0.3], &[1]).unwrap();
        let text = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&text).unwrap(), evaluation);
    }
}
