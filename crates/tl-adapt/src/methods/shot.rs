//! Source hypothesis transfer (Liang, Hu and Feng 2020, arXiv 2002.08546): without the source, the
//! backbone learns to give the source's classifier sure and diverse answers on the target.

use burn::prelude::*;
use tl_train::loss::cross_entropy;
use tl_train::metrics::argmax;

use super::pieces::{Found, marginal_entropy, mean, row_entropy};
use crate::contract::{EpochStart, Method, Round, Step, Terms};
use crate::outputs::Outputs;
use crate::{AdaptError, Validator};

/// The mean entropy of the predictions less the entropy of their mean, equations 3 and 4.
///
/// Shapes: `logits` is `[batch, classes]`; the result is `[1]`, at least −ln K.
pub fn information_loss(logits: Tensor<2>) -> Tensor<1> {
    mean(row_entropy(logits.clone())) - marginal_entropy(logits)
}

/// Begins from a network that was trained on the source: give the plan a phase for that. The head
/// stands still, the source is not looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// The weight of the entropy of single predictions.
    pub entropy: f64,
    /// The weight of the entropy of the mean prediction.
    pub diversity: f64,
    /// The weight β of the cross-entropy with the pseudo-labels.
    pub pseudo: f64,
    labels: Found<Vec<usize>>,
}

impl Default for Shot {
    /// The paper's β for digits, .1; for objects it is .3.
    fn default() -> Self {
        Self { entropy: 1.0, diversity: 1.0, pseudo: 0.1, labels: Found::default() }
    }
}

impl Method for Shot {
    fn name(&self) -> &'static str {
        "shot"
    }

    fn trains_on(&self) -> &'static [Validator] {
        // By the pseudo-labels an example is called what the nearest cluster is called.
        &[
            Validator::Entropy,
            Validator::InformationMaximisation,
            Validator::Bnm,
            Validator::Silhouette,
            Validator::CalinskiHarabasz,
        ]
    }

    fn rounds(&self) -> Vec<Round> {
        vec![Round::TARGET_ALONE]
    }

    fn looks_at_outputs(&self) -> bool {
        true
    }

    fn begin_epoch(&mut self, start: &EpochStart<'_>) -> Result<(), AdaptError> {
        self.labels.0 = cluster_labels(start.target);
        Ok(())
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let target = step.target()?;
        let labels: Option<Vec<usize>> =
            target.items.iter().map(|&item| self.labels.0.get(item).copied()).collect();
        let labels = labels.ok_or_else(|| step.absent("pseudo-labels"))?;
        let logits = &target.logits;
        Ok(Terms::default()
            .with("entropy", self.entropy, mean(row_entropy(logits.clone())))
            .with("diversity", -self.diversity, marginal_entropy(logits.clone()))
            .with("pseudo", self.pseudo, cross_entropy(logits.clone(), &labels, 0.0)))
    }
}

/// Pseudo-labels by the nearest class centroid in cosine distance, equations 5 and 6: centroids
/// first by the predicted probabilities, then once more by the labels they gave. A class that no
/// example is predicted as gets no centroid.
pub fn cluster_labels(outputs: &Outputs) -> Vec<usize> {
    let classes = outputs.classes;
    let mut predicted = vec![false; classes];
    outputs.logit_rows().for_each(|row| predicted[argmax(row)] = true);
    let soft = outputs.probabilities();
    let labels = nearest(outputs, &centroids(outputs, &soft), &predicted);
    let hard: Vec<Vec<f64>> = labels
        .iter()
        .map(|&label| (0..classes).map(|class| f64::from(u8::from(class == label))).collect())
        .collect();
    let mut used = vec![false; classes];
    labels.iter().for_each(|&label| used[label] = true);
    nearest(outputs, &centroids(outputs, &hard), &used)
}

/// The mean of the unit-length features of each class, weighted by `weights` `[rows][classes]`.
fn centroids(outputs: &Outputs, weights: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![0.0; outputs.width]; outputs.classes];
    for (row, weights) in outputs.feature_rows().zip(weights) {
        let row = unit(row.iter().map(|&value| f64::from(value)));
        for (sum, weight) in sums.iter_mut().zip(weights) {
            sum.iter_mut().zip(&row).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    // Only directions count: the division by the sum of weights falls away with the length.
    sums.into_iter().map(|sum| unit(sum.into_iter())).collect()
}

fn unit(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt().max(1e-12);
    values.into_iter().map(|value| value / length).collect()
}

fn nearest(outputs: &Outputs, centroids: &[Vec<f64>], allowed: &[bool]) -> Vec<usize> {
    outputs
        .feature_rows()
        .map(|row| {
            let mut best = (0, f64::NEG_INFINITY);
            for (class, centroid) in centroids.iter().enumerate().filter(|(c, _)| allowed[*c]) {
                let cosine: f64 = row.iter().zip(centroid).map(|(&x, c)| f64::from(x) * c).sum();
                if cosine > best.1 {
                    best = (class, cosine);
                }
            }
            best.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_labels_follow_the_clusters_where_the_classifier_errs() {
        // Two directions; the classifier takes the last row for class 0 though it lies with class
        // 1.
        let outputs = Outputs {
            features: vec![1.0, 0.0, 0.9, 0.1, 0.0, 1.0, 0.1, 0.9, 0.2, 0.8],
            logits: vec![2.0, -2.0, 2.0, -2.0, -2.0, 2.0, -2.0, 2.0, 0.1, 0.0],
            width: 2,
            classes: 2,
        };
        assert_eq!(outputs.predictions(), [0, 0, 1, 1, 0]);
        assert_eq!(cluster_labels(&outputs), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_class_that_nothing_is_predicted_as_gets_no_pseudo_label() {
        let outputs = Outputs {
            features: vec![1.0, 0.0, 0.0, 1.0],
            logits: vec![1.0, 0.0, 0.9, 0.0, 1.0, 0.9],
            width: 2,
            classes: 3,
        };
        assert!(cluster_labels(&outputs).iter().all(|&label| label < 2));
    }

    #[test]
    fn its_pseudo_labels_raise_the_scores_of_clusters() {
        use crate::validators::{calinski_harabasz, silhouette};
        let value = |what: u64, at: usize| {
            (tl_random::mix(tl_random::mix(what) ^ at as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let (rows, width, classes) = (60, 4, 3);
        let before = Outputs {
            features: (0..rows * width).map(|at| value(1, at)).collect(),
            logits: (0..rows * classes).map(|at| value(2, at)).collect(),
            width,
            classes,
        };
        let labels = cluster_labels(&before);
        let said = |row: usize, class: usize| if labels[row] == class { 9.0 } else { 0.0 };
        let logits = (0..rows * classes).map(|at| said(at / classes, at % classes)).collect();
        let after = Outputs { logits, ..before.clone() };
        assert!(silhouette(&after) > silhouette(&before));
        assert!(calinski_harabasz(&after) > calinski_harabasz(&before));
    }
}
