//! How good answers are of which an example has many, such as the pieces of a text.

use serde::{Deserialize, Serialize};

use super::Evaluation;

/// A measured model, in few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Mean cross-entropy in nats.
    pub loss: f64,
    /// The 95 % interval of the loss, `[low, high]`; examples, not their answers, are taken as independent. Of one
    /// example there is none.
    pub loss_interval: Option<[f64; 2]>,
    /// The share of answers that are right.
    pub accuracy: f64,
    /// Of words with tags the F1 of entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity_f1: Option<f64>,
    /// Number of answers.
    pub n: u64,
}

impl Measure {
    /// What chooses among epochs, unless it is the loss: the F1 of entities where there are any, else the accuracy.
    pub fn score(&self) -> f64 {
        self.entity_f1.unwrap_or(self.accuracy)
    }
}

impl From<&Evaluation> for Measure {
    fn from(found: &Evaluation) -> Self {
        Self {
            loss: found.loss,
            loss_interval: None,
            accuracy: found.accuracy,
            entity_f1: found.entities.as_ref().map(|found| found.usual.micro.f1),
            n: found.n,
        }
    }
}

/// The sums of every example.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// The sum of an example's losses, and how many they are.
    sums: Vec<(f64, f64)>,
    right: f64,
}

impl Rows {
    /// Adds an example: the loss of each answer, and 1 for each that is right.
    pub fn add(&mut self, losses: &[f32], right: &[f32]) {
        self.sums.push((losses.iter().map(|it| f64::from(*it)).sum(), losses.len() as f64));
        self.right += right.iter().map(|it| f64::from(*it)).sum::<f64>();
    }

    /// All of them together; nothing where there is no answer.
    ///
    /// The interval is that of a ratio: the losses of examples over their answers, linearised (Cochran, *Sampling
    /// Techniques*, section 2.11).
    pub fn measure(&self) -> Option<Measure> {
        let examples = self.sums.len() as f64;
        let n: f64 = self.sums.iter().map(|(_, count)| count).sum();
        if n == 0.0 {
            return None;
        }
        let loss = self.sums.iter().map(|(sum, _)| sum).sum::<f64>() / n;
        let squares: f64 = self.sums.iter().map(|(sum, count)| (sum - loss * count).powi(2)).sum();
        let loss_interval = (examples > 1.0).then(|| {
            let half = 1.96 * (squares * examples / (examples - 1.0)).sqrt() / n;
            [loss - half, loss + half]
        });
        let accuracy = self.right / n;
        Some(Measure { loss, loss_interval, accuracy, entity_f1: None, n: n as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_examples_of_equal_length_the_interval_is_that_of_their_means() {
        let mut rows = Rows::default();
        for mean in [1.0, 2.0, 3.0, 6.0] {
            rows.add(&[mean - 0.5, mean + 0.5], &[1.0, 0.0]);
        }
        let found = rows.measure().unwrap();
        assert_eq!((found.loss, found.accuracy, found.n), (3.0, 0.5, 8));
        // Deviation √(14/3) of four means.
        let half = 1.96 * (14.0_f64 / 3.0).sqrt() / 2.0;
        let [low, high] = found.loss_interval.unwrap();
        assert!((low - (3.0 - half)).abs() < 1e-12 && (high - (3.0 + half)).abs() < 1e-12);
        assert!(Rows::default().measure().is_none());
    }
}
