//! What is counted of each class, and the figures that need no more.

/// Of each class how many items are of it, are predicted as it, and both.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tally {
    pub hits: Vec<u64>,
    pub truths: Vec<u64>,
    pub guesses: Vec<u64>,
}

impl Tally {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { hits: vec![0; classes], truths: vec![0; classes], guesses: vec![0; classes] }
    }

    /// Counts an item `times` times; both classes are within the range.
    pub fn add(&mut self, truth: usize, predicted: usize, times: u64) {
        self.truths[truth] += times;
        self.guesses[predicted] += times;
        if truth == predicted {
            self.hits[truth] += times;
        }
    }

    /// The mean F1 over the classes that occur, be it as truth or as prediction.
    pub fn macro_f1(&self) -> f64 {
        let counted = self.hits.iter().zip(self.truths.iter().zip(&self.guesses));
        mean(counted.map(|(hits, (truths, guesses))| (2 * hits, truths + guesses)))
    }

    /// The mean recall over the classes that have an item (Brodersen et al. 2010).
    pub fn balanced_accuracy(&self) -> f64 {
        mean(self.hits.iter().copied().zip(self.truths.iter().copied()))
    }
}

/// The mean of the shares whose whole is not 0; 0 where there is none.
fn mean(shares: impl Iterator<Item = (u64, u64)>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    for (part, whole) in shares.filter(|(_, whole)| *whole > 0) {
        sum += part as f64 / whole as f64;
        count += 1.0;
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_that_do_not_occur_take_no_part() {
        let mut tally = Tally::new(4);
        // Class 0: 3 of 4 right. Class 1: 1 of 2. Class 2 is only predicted, class 3 is not there.
        for (truth, predicted, times) in [(0, 0, 3), (0, 2, 1), (1, 1, 1), (1, 0, 1)] {
            tally.add(truth, predicted, times);
        }
        assert_eq!(tally.balanced_accuracy(), (0.75 + 0.5) / 2.0);
        // F1 of class 0: 2·3 / (4 + 4), of class 1: 2·1 / (2 + 1), of class 2: 0.
        let expected = (0.75 + 2.0 / 3.0) / 3.0;
        assert!((tally.macro_f1() - expected).abs() < 1e-15);
        assert_eq!(Tally::new(2).balanced_accuracy(), 0.0);
        assert_eq!(Tally::default().macro_f1(), 0.0);
    }
}
