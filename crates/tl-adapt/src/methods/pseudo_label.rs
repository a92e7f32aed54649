//! Pseudo-labels (Lee 2013) with a calibrated threshold: what the network is sure of on the target
//! becomes a label, where sure is measured after its probabilities were calibrated on the source's
//! validation part (Guo et al. 2017, arXiv 1706.04599).

use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use tl_train::metrics::argmax;

use super::pieces::{Found, one_hot};
use crate::contract::{EpochStart, Method, Step, Terms};
use crate::outputs::{LabelledOutputs, softmax};
use crate::{AdaptError, Validator};

/// Cross-entropy with the labels that passed the threshold at the beginning of the epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct PseudoLabel {
    pub weight: f64,
    /// The least calibrated probability of a label.
    pub threshold: f64,
    labels: Found<Vec<Option<usize>>>,
}

impl Default for PseudoLabel {
    fn default() -> Self {
        Self { weight: 1.0, threshold: 0.9, labels: Found::default() }
    }
}

impl Method for PseudoLabel {
    fn name(&self) -> &'static str {
        "pseudo_label"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &Validator::CERTAINTY
    }

    fn looks_at_outputs(&self) -> bool {
        true
    }

    fn begin_epoch(&mut self, start: &EpochStart<'_>) -> Result<(), AdaptError> {
        let temperature = calibrate(start.validation);
        let label = |row: &[f32]| {
            let class = argmax(row);
            (softmax(row, temperature)[class] >= self.threshold).then_some(class)
        };
        self.labels.0 = start.target.logit_rows().map(label).collect();
        Ok(())
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let target = step.target()?;
        let labels: Vec<Option<usize>> =
            target.items.iter().map(|&item| self.labels.0.get(item).copied().flatten()).collect();
        let share = labels.iter().flatten().count() as f64 / labels.len().max(1) as f64;
        Ok(Terms::default()
            .with("pseudo", self.weight, masked_cross_entropy(target.logits.clone(), &labels))
            .note("labelled_share", share))
    }
}

/// The sum of −log p(label) over the rows that have one, divided by the number of all rows.
///
/// Shapes: `logits` is `[batch, classes]`; the result is `[1]`.
pub fn masked_cross_entropy(logits: Tensor<2>, labels: &[Option<usize>]) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let labels: Vec<usize> = labels.iter().map(|label| label.unwrap_or(usize::MAX)).collect();
    let chosen = one_hot(&labels, classes, &logits);
    (log_softmax(logits, 1) * chosen).sum().div_scalar(-(batch.max(1) as f64))
}

/// The temperature between 1/20 and 20 that makes the validation part's labels likeliest, by golden
/// section over its logarithm; the loss is convex in 1 / T and so has one valley.
pub fn calibrate(validation: &LabelledOutputs) -> f64 {
    let loss = |log_temperature: f64| -> f64 {
        let temperature = log_temperature.exp();
        let rows = validation.outputs.logit_rows().zip(&validation.labels);
        rows.map(|(row, &label)| -softmax(row, temperature)[label].max(1e-300).ln()).sum()
    };
    let ratio = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-(20f64.ln()), 20f64.ln());
    // Each step leaves .618 of the valley: 40 of them 3·10⁻⁸.
    for _ in 0..40 {
        let (left, right) = (high - ratio * (high - low), low + ratio * (high - low));
        if loss(left) <= loss(right) {
            high = right;
        } else {
            low = left;
        }
    }
    ((low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs::Outputs;

    #[test]
    fn the_temperature_makes_probabilities_as_sure_as_they_are_right() {
        // Three of four are right at a logit of 2: the best p is 3/4, and 2 / T = ln 3.
        let outputs =
            Outputs { features: vec![0.0; 4], logits: [2.0, 0.0].repeat(4), width: 1, classes: 2 };
        let validation = LabelledOutputs { outputs, labels: vec![0, 0, 0, 1] };
        assert!((calibrate(&validation) - 2.0 / 3f64.ln()).abs() < 1e-4);
    }
}
