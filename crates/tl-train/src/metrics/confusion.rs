//! The confusion matrix and the scores that follow from it.

use serde::{Deserialize, Serialize};

use super::tally::Tally;

/// Counts of (true class, predicted class).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    counts: Vec<Vec<u64>>,
}

/// Scores of one class; a ratio without a denominator counts as 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    pub label: String,
    /// Of the images predicted as this class, the share that is of it.
    pub precision: f64,
    /// Of the images of this class, the share that was predicted as it.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// Images of this class (support).
    pub n: u64,
}

impl Confusion {
    /// An empty matrix `[classes, classes]`.
    pub fn new(classes: usize) -> Self {
        Self { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts one image; false, and nothing counted, when a class is out of range.
    pub fn add(&mut self, truth: usize, predicted: usize) -> bool {
        let cell = self.counts.get_mut(truth).and_then(|row| row.get_mut(predicted));
        match cell {
            Some(count) => {
                *count += 1;
                true
            }
            None => false,
        }
    }

    /// Rows are true classes, columns predicted ones.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// The matrix itself.
    pub fn into_counts(self) -> Vec<Vec<u64>> {
        self.counts
    }

    /// Number of images counted.
    pub fn n(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Number of images on the diagonal.
    pub fn correct(&self) -> u64 {
        (0..self.counts.len()).map(|c| self.counts[c][c]).sum()
    }

    /// The share of images predicted right, 0 when there are none.
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.n())
    }

    /// Images of class `class`.
    pub fn support(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// Images predicted as class `class`.
    pub fn predicted(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Of the images predicted as `class`, the share that is of it.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.counts[class][class], self.predicted(class))
    }

    /// Of the images of `class`, the share that was predicted as it.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.counts[class][class], self.support(class))
    }

    /// The harmonic mean of precision and recall, 2·hits / (support + predicted).
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.counts[class][class], self.support(class) + self.predicted(class))
    }

    /// The mean F1 over the classes that occur, be it as truth or as prediction.
    pub fn macro_f1(&self) -> f64 {
        self.tally().macro_f1()
    }

    fn tally(&self) -> Tally {
        let all = 0..self.counts.len();
        Tally {
            hits: all.clone().map(|class| self.counts[class][class]).collect(),
            truths: all.clone().map(|class| self.support(class)).collect(),
            guesses: all.map(|class| self.predicted(class)).collect(),
        }
    }
}

impl Confusion {
    /// The mean F1 over the classes, each with its support as its weight.
    pub fn weighted_f1(&self) -> f64 {
        let all = 0..self.counts.len();
        let sum: f64 = all.map(|class| self.support(class) as f64 * self.f1(class)).sum();
        sum / (self.n() as f64).max(1.0)
    }

    /// Matthews' correlation coefficient in its form for many classes (Gorodkin 2004), from −1 to 1; 0 where all
    /// truths or all predictions are of one class.
    pub fn correlation(&self) -> f64 {
        let (n, correct) = (self.n() as f64, self.correct() as f64);
        let (mut both, mut truths, mut guesses) = (0.0, 0.0, 0.0);
        for class in 0..self.counts.len() {
            let (truth, guess) = (self.support(class) as f64, self.predicted(class) as f64);
            both += truth * guess;
            truths += truth * truth;
            guesses += guess * guess;
        }
        let scale = ((n * n - truths) * (n * n - guesses)).sqrt();
        if scale > 0.0 { (correct * n - both) / scale } else { 0.0 }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    #[test]
    fn scores_follow_from_the_confusion_counts() {
        let mut confusion = Confusion::new(4);
        for (truth, predicted, times) in [(0, 0, 5), (0, 1, 1), (1, 0, 2), (1, 1, 2), (1, 2, 2)] {
            for _ in 0..times {
                assert!(confusion.add(truth, predicted));
            }
        }
        assert!(!confusion.add(4, 0) && !confusion.add(0, 4));
        assert_eq!((confusion.n(), confusion.correct()), (12, 7));
        close(confusion.accuracy(), 7.0 / 12.0, 1e-15);
        close(confusion.precision(0), 5.0 / 7.0, 1e-15);
        close(confusion.recall(0), 5.0 / 6.0, 1e-15);
        close(confusion.f1(0), 10.0 / 13.0, 1e-15);
        close(confusion.f1(1), 4.0 / 9.0, 1e-15);
        // Class 2 has no image and is predicted twice; class 3 does not occur and is left out.
        assert_eq!((confusion.recall(2), confusion.precision(2)), (0.0, 0.0));
        close(confusion.macro_f1(), (10.0 / 13.0 + 4.0 / 9.0) / 3.0, 1e-15);
        assert_eq!(Confusion::new(2).accuracy(), 0.0);
        assert_eq!(Confusion::new(2).weighted_f1(), 0.0);
        assert_eq!(Confusion::new(2).correlation(), 0.0);
    }
}
