//! Further figures of a classifier, each with how sure it is.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bootstrap::{draws, middle};
use super::ranking::Order;
use super::reliability::{Reliability, bin};
use super::tally::Tally;
use super::{Evaluation, argmax};

/// A figure and the middle 95 % of it over 1,000 draws of as many examples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub value: f64,
    /// `[low, high]`; nothing where draws would take too long.
    pub interval: Option<[f64; 2]>,
}

/// The share of examples whose class is among the `k` of the largest scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopK {
    pub k: usize,
    #[serde(flatten)]
    pub share: Estimate,
}

/// What is measured beside the accuracy, which has an interval of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The mean recall over the classes that occur.
    pub balanced_accuracy: Estimate,
    /// As [`Evaluation::macro_f1`].
    pub macro_f1: Estimate,
    /// As [`Evaluation::auroc`].
    pub auroc: Option<Estimate>,
    /// Of five, where there are more classes than that.
    pub top_k: Option<TopK>,
    /// The expected calibration error, over 15 bins of equal width (Guo et al. 2017).
    pub ece: Estimate,
    /// The mean negative log-likelihood of the true class in nats: [`Evaluation::loss`].
    pub nll: Estimate,
    /// The mean squared distance of the probabilities from 1 for the true class and 0 for all others (Brier 1950); of two
    /// classes that of the second alone, which is half of it.
    pub brier: Estimate,
}

/// How many scores are asked for.
const K: usize = 5;

/// Draws go through all scores for the area under the curve; beyond this many it has no interval.
const SCORES: usize = 4_000_000;

/// What a draw needs to know of an example.
struct Example {
    truth: usize,
    predicted: usize,
    within: bool,
    bin: usize,
    confidence: f64,
    nll: f64,
    brier: f64,
}

impl Figures {
    /// Of logits `[examples, classes]` that were measured as `found`, each divided by `temperature` in its probability.
    pub(super) fn of(
        found: &Evaluation,
        logits: &[f32],
        truth: &[usize],
        temperature: f64,
    ) -> Self {
        let classes = found.per_class.len();
        let examples: Vec<Example> = logits
            .par_chunks(classes.max(1))
            .zip(truth)
            .map(|(row, truth)| Example::of(row, *truth, temperature))
            .collect();
        let count = examples.len();
        let once = vec![1; count];
        let value = simple(&examples, classes, &once);
        let drawn = draws(count, DRAWN, |times| simple(&examples, classes, times));
        let intervals = drawn.map(middle);
        let of = |at: usize| Estimate { value: value[at], interval: Some(intervals[at]) };
        let interval = || {
            let scores: Vec<f64> = logits
                .chunks(classes)
                .flat_map(|row| super::softmax_at(row, temperature))
                .collect();
            let orders = Order::of_classes(&scores, classes, truth);
            let [areas] = draws(count, DRAWN, |times| [Order::mean_area(&orders, times)]);
            middle(areas)
        };
        let auroc = found
            .auroc
            .map(|value| Estimate { value, interval: (logits.len() <= SCORES).then(interval) });
        Self {
            balanced_accuracy: of(0),
            macro_f1: of(1),
            auroc,
            top_k: (classes > K).then(|| TopK { k: K, share: of(2) }),
            ece: of(3),
            nll: of(4),
            brier: of(5),
        }
    }

    /// Each with its name, in the order in which they are shown.
    pub fn named(&self) -> Vec<(String, Estimate)> {
        let mut all = vec![
            ("balanced accuracy".to_string(), self.balanced_accuracy),
            ("macro F1".to_string(), self.macro_f1),
        ];
        all.extend(self.auroc.map(|found| ("AUROC".to_string(), found)));
        all.extend(self.top_k.map(|found| (format!("top-{} accuracy", found.k), found.share)));
        all.push(("calibration error (ECE)".to_string(), self.ece));
        all.push(("negative log-likelihood".to_string(), self.nll));
        all.push(("Brier score".to_string(), self.brier));
        all
    }
}

/// What the draws are drawn for: all figures of a part see the same ones.
const DRAWN: &str = "bootstrap of examples";

impl Example {
    fn of(row: &[f32], truth: usize, temperature: f64) -> Self {
        let probabilities = super::softmax_at(row, temperature);
        let predicted = argmax(row);
        let confidence = probabilities.get(predicted).copied().unwrap_or_default();
        let off = |(class, probability): (usize, &f64)| {
            (probability - if class == truth { 1.0 } else { 0.0 }).powi(2)
        };
        let brier = match probabilities.as_slice() {
            [_, second] => off((1, second)),
            all => all.iter().enumerate().map(off).sum(),
        };
        Self {
            truth,
            predicted,
            within: is_within(row, truth, K),
            bin: bin(confidence),
            confidence,
            nll: super::cross_entropy_at(row, truth, temperature),
            brier,
        }
    }
}

/// Whether fewer than `k` classes stand before the true one; of equal scores the later class stands before, as scikit-learn
/// has it.
fn is_within(row: &[f32], truth: usize, k: usize) -> bool {
    let Some(own) = row.get(truth) else { return false };
    let before = |(class, score): &(usize, &f32)| *score > own || *score == own && *class > truth;
    row.iter().enumerate().filter(before).count() < k
}

/// Balanced accuracy, macro F1, top-k, calibration error, likelihood and Brier score where each example counts so many times.
fn simple(examples: &[Example], classes: usize, times: &[u32]) -> [f64; 6] {
    let mut tally = Tally::new(classes);
    let mut reliability = Reliability::default();
    let (mut all, mut within, mut nll, mut brier) = (0.0, 0.0, 0.0, 0.0);
    for (example, &times) in examples.iter().zip(times) {
        if times == 0 {
            continue;
        }
        let weight = f64::from(times);
        let right = example.truth == example.predicted;
        tally.add(example.truth, example.predicted, u64::from(times));
        reliability.add(example.bin, example.confidence, right, weight);
        all += weight;
        within += if example.within { weight } else { 0.0 };
        nll += weight * example.nll;
        brier += weight * example.brier;
    }
    let all = f64::max(all, 1.0);
    let (balanced, f1) = (tally.balanced_accuracy(), tally.macro_f1());
    [balanced, f1, within / all, reliability.error(), nll / all, brier / all]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(classes: usize, count: usize) -> (Evaluation, Vec<f32>, Vec<usize>) {
        let labels: Vec<String> = (0..classes).map(|class| class.to_string()).collect();
        let truth: Vec<usize> = (0..count).map(|at| at % classes).collect();
        let logit = |at: usize, class: usize| {
            let pull = if class == at % classes { 1.0 } else { 0.0 };
            pull + ((at * 7919 + class * 104_729) % 97) as f32 / 48.0
        };
        let logits: Vec<f32> =
            (0..count * classes).map(|at| logit(at / classes, at % classes)).collect();
        (Evaluation::from_logits(&labels, &logits, &truth).unwrap(), logits, truth)
    }

    #[test]
    fn values_that_are_known_already_are_the_same_and_lie_in_their_intervals() {
        for classes in [2, 7] {
            let (found, logits, truth) = measured(classes, 210);
            let figures = Figures::of(&found, &logits, &truth, 1.0);
            for (ours, known) in [
                (figures.macro_f1.value, found.macro_f1),
                (figures.nll.value, found.loss),
                (figures.auroc.unwrap().value, found.auroc.unwrap()),
            ] {
                assert!((ours - known).abs() < 1e-12, "{ours} {known}");
            }
            assert_eq!(figures.top_k.is_some(), classes > 5);
            for (name, Estimate { value, interval }) in figures.named() {
                let [low, high] = interval.unwrap();
                assert!(low <= high, "{name}: {low} {high}");
                // The calibration error of a draw is biased upwards: the value may lie below.
                let holds = (low..=high).contains(&value) || name.contains("ECE");
                assert!(holds, "{name}: {value} in {low} to {high}");
            }
            assert_eq!(figures, Figures::of(&found, &logits, &truth, 1.0));
        }
    }

    #[test]
    fn of_equal_scores_the_later_class_stands_before() {
        let row = [1.0, 1.0, 0.0, 1.0];
        assert!(is_within(&row, 3, 1) && !is_within(&row, 1, 1) && is_within(&row, 1, 2));
        assert!(!is_within(&row, 0, 2) && is_within(&row, 0, 3) && is_within(&row, 2, 4));
        assert!(!is_within(&row, 4, 4));
    }

    #[test]
    fn two_classes_have_the_brier_score_of_the_second() {
        // Probability ¾ for the second class.
        let row = [0.0, 3f32.ln()];
        assert!((Example::of(&row, 0, 1.0).brier - 0.5625).abs() < 1e-7);
        assert!((Example::of(&row, 1, 1.0).brier - 0.0625).abs() < 1e-7);
        // A third each: (⅔)² + 2·(⅓)².
        assert!((Example::of(&[0.5; 3], 1, 1.0).brier - 6.0 / 9.0).abs() < 1e-12);
    }
}
