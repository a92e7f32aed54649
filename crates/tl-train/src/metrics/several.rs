//! How good answers are where an item may have several labels or none.

use serde::{Deserialize, Serialize};

use super::MetricsError;

/// How well one label is found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    pub label: String,
    /// Items that have it.
    pub n: u64,
    /// Nothing where no item has it.
    pub average_precision: Option<f64>,
    /// At a probability above 0.5; 0 where it is not defined.
    pub precision: f64,
    pub recall: f64,
    pub f1: f64,
}

/// Answers with several labels, measured on one part of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeveralLabels {
    /// Number of items.
    pub n: u64,
    /// The mean of the average precision over the labels that occur (mAP).
    pub mean_average_precision: Option<f64>,
    /// The mean of the labels' F1.
    pub macro_f1: f64,
    /// The F1 of all answers together.
    pub micro_f1: f64,
    /// Mean binary cross-entropy in nats.
    pub loss: f64,
    pub per_label: Vec<LabelScore>,
}

/// The area under precision over recall, in steps: `Σ (R(n) − R(n − 1)) · P(n)` over the scores from the largest down, those of
/// equal scores taken at once; scikit-learn's `average_precision_score`. Nothing where none is positive.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let count = scores.len().min(positive.len());
    let positives = positive[..count].iter().filter(|is| **is).count() as f64;
    if positives == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| scores[*other].total_cmp(&scores[*one]));
    let (mut seen, mut right, mut area) = (0.0, 0.0, 0.0);
    for equal in order.chunk_by(|one, other| scores[*one] == scores[*other]) {
        let own = equal.iter().filter(|item| positive[**item]).count() as f64;
        seen += equal.len() as f64;
        right += own;
        area += own / positives * (right / seen);
    }
    Some(area)
}

/// Right ones, wrong ones and those that were missed.
#[derive(Clone, Copy, Default)]
struct Counts {
    right: f64,
    wrong: f64,
    missed: f64,
}

impl Counts {
    fn add(&mut self, found: bool, is: bool) {
        match (found, is) {
            (true, true) => self.right += 1.0,
            (true, false) => self.wrong += 1.0,
            (false, true) => self.missed += 1.0,
            (false, false) => {}
        }
    }

    /// Precision, recall and F1, 0 where they are not defined.
    fn scores(self) -> [f64; 3] {
        let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
        let Self { right, wrong, missed } = self;
        [
            share(right, right + wrong),
            share(right, right + missed),
            share(2.0 * right, 2.0 * right + wrong + missed),
        ]
    }
}

impl SeveralLabels {
    /// Of logits and truths `[items, labels]`, row by row; a label is found where its probability is above 0.5.
    ///
    /// # Errors
    /// No item, not as many logits as truths, a logit that is not finite.
    pub fn from_logits(
        labels: &[String],
        logits: &[f32],
        truth: &[bool],
    ) -> Result<Self, MetricsError> {
        let classes = labels.len();
        if classes == 0 || truth.is_empty() {
            return Err(MetricsError::Empty);
        }
        let (images, scores) = (truth.len() / classes, logits.len());
        if scores != truth.len() || scores != images * classes {
            return Err(MetricsError::Shape { scores, images, classes });
        }
        if let Some(at) = logits.iter().position(|logit| !logit.is_finite()) {
            let (image, class, kind) = (at / classes, at % classes, "finite number");
            return Err(MetricsError::Score { image, class, score: logits[at], kind });
        }
        let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
        let losses = logits.iter().zip(truth).map(|(logit, is)| {
            let logit = f64::from(*logit);
            softplus(if *is { -logit } else { logit })
        });
        let loss = losses.sum::<f64>() / scores as f64;
        let mut all = Counts::default();
        let mut per_label = Vec::with_capacity(classes);
        for (class, label) in labels.iter().enumerate() {
            let own: Vec<f64> =
                logits.iter().skip(class).step_by(classes).map(|it| f64::from(*it)).collect();
            let is: Vec<bool> = truth.iter().skip(class).step_by(classes).copied().collect();
            let mut counts = Counts::default();
            for (logit, is) in own.iter().zip(&is) {
                counts.add(*logit > 0.0, *is);
                all.add(*logit > 0.0, *is);
            }
            let [precision, recall, f1] = counts.scores();
            per_label.push(LabelScore {
                label: label.clone(),
                n: is.iter().filter(|is| **is).count() as u64,
                average_precision: average_precision(&own, &is),
                precision,
                recall,
                f1,
            });
        }
        let known: Vec<f64> = per_label.iter().filter_map(|it| it.average_precision).collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        Ok(Self {
            n: images as u64,
            mean_average_precision: (!known.is_empty()).then_some(mean),
            macro_f1: per_label.iter().map(|it| it.f1).sum::<f64>() / classes as f64,
            micro_f1: all.scores()[2],
            loss,
            per_label,
        })
    }
}

impl std::fmt::Display for SeveralLabels {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { n, macro_f1, micro_f1, loss, .. } = self;
        let mean = self.mean_average_precision.map_or("–".to_string(), |it| format!("{it:.3}"));
        write!(
            out,
            "mAP {mean} (n = {n}), macro F1 {macro_f1:.3}, micro F1 {micro_f1:.3}, loss {loss:.4}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_is_averaged_at_each_step_of_recall_and_equal_scores_are_one_step() {
        let of = |scores: &[f64], positive: &[bool]| average_precision(scores, positive).unwrap();
        // 1/2 · 1 + 1/2 · 2/3
        let found = of(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((found - 5.0 / 6.0).abs() < 1e-15);
        assert_eq!(of(&[1.0; 4], &[true, false, false, false]), 0.25);
        assert_eq!(of(&[3.0, 2.0], &[true, true]), 1.0);
        assert_eq!(average_precision(&[1.0], &[false]), None);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_a_label_that_no_item_has_does_not_count() {
        let labels = ["a".to_string(), "b".to_string()];
        let of =
            |logits: &[f32], truth: &[bool]| SeveralLabels::from_logits(&labels, logits, truth);
        let found = of(&[1.0, -1.0, -1.0, 1.0], &[true, false, false, false]).unwrap();
        assert_eq!(
            (found.mean_average_precision, found.per_label[1].average_precision),
            (Some(1.0), None)
        );
        assert_eq!((found.macro_f1, found.micro_f1), (0.5, 2.0 / 3.0));
        assert_eq!(of(&[], &[]), Err(MetricsError::Empty));
        assert!(matches!(of(&[1.0], &[true, true]), Err(MetricsError::Shape { .. })));
        let broken = of(&[1.0, f32::NAN], &[true, true]);
        assert!(matches!(broken, Err(MetricsError::Score { class: 1, .. })));
    }
}
