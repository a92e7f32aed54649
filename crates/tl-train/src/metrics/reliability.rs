//! Whether answers are as sure as they are right: reliability and the calibration error.

use serde::{Deserialize, Serialize};

/// Bins of equal width from 0 to 1.
pub const BINS: usize = 15;

/// The answers of one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// How many there are.
    pub n: u64,
    /// Their mean probability of the class they name.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// The bin of a probability: a bin holds its upper edge, as Guo et al. have it; 0 is in the first.
pub(super) fn bin(confidence: f64) -> usize {
    (1..BINS).filter(|edge| *edge as f64 * (1.0 / BINS as f64) < confidence).count()
}

/// Sums of each bin, to which answers are added.
#[derive(Clone, Debug, Default)]
pub(super) struct Reliability {
    bins: [(f64, f64, f64); BINS],
}

impl Reliability {
    /// An answer that stands for `times`, in the bin of its confidence.
    pub fn add(&mut self, bin: usize, confidence: f64, right: bool, times: f64) {
        let (n, sure, hits) = &mut self.bins[bin];
        *n += times;
        *sure += times * confidence;
        *hits += if right { times } else { 0.0 };
    }

    /// The mean over all answers of how far the accuracy of a bin is from its mean confidence (Guo et al. 2017, arXiv
    /// 1706.04599, equation 3).
    pub fn error(&self) -> f64 {
        let all: f64 = self.bins.iter().map(|(n, _, _)| n).sum();
        let apart: f64 = self.bins.iter().map(|(_, sure, hits)| (hits - sure).abs()).sum();
        if all > 0.0 { apart / all } else { 0.0 }
    }

    /// The bins, from the least sure to the surest.
    pub fn bins(&self) -> Vec<Bin> {
        let of = |(n, sure, hits): &(f64, f64, f64)| match *n > 0.0 {
            true => Bin { n: *n as u64, confidence: sure / n, accuracy: hits / n },
            false => Bin::default(),
        };
        self.bins.iter().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_holds_its_upper_edge() {
        let third = 5.0 * (1.0 / 15.0);
        assert_eq!([0.0, 1e-9, third, third + 1e-12, 0.5, 1.0].map(bin), [0, 0, 4, 5, 7, 14]);
    }

    #[test]
    fn the_error_is_the_mean_distance_of_confidence_and_accuracy() {
        let mut found = Reliability::default();
        // Two answers at .9, one of them right; two at .3, both wrong.
        for (confidence, right) in [(0.9, true), (0.9, false), (0.3, false), (0.3, false)] {
            found.add(bin(confidence), confidence, right, 1.0);
        }
        assert!((found.error() - (2.0 * 0.4 + 2.0 * 0.3) / 4.0).abs() < 1e-15);
        let bins = found.bins();
        assert_eq!(bins.len(), BINS);
        assert_eq!(bins[13], Bin { n: 2, confidence: 0.9, accuracy: 0.5 });
        assert_eq!(bins[0], Bin::default());
        assert_eq!(Reliability::default().error(), 0.0);
    }
}
