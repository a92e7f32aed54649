//! The order in which two domains are gone through together, before anything is read.

use crate::batches::Visit;
use crate::stream::Stream;

/// Batch beside batch of two domains, as numbers of their items.
///
/// An epoch is as many steps as the longer domain needs to show every item once. Every batch is full: a
/// domain that ends begins again, in a fresh order. What stands in step `k` is a function of seed, epoch
/// and `k` alone.
#[derive(Clone, Debug)]
pub struct PairedOrder {
    source: Stream,
    target: Stream,
    batches: [usize; 2],
}

impl PairedOrder {
    /// Of the source's items by class, which take turns so that each batch has every class in equal
    /// numbers to within one item (one list, where classes play no part), and the target's items;
    /// `batches` are the sizes of a batch of each, from 1. Classes without items take no part.
    pub fn new(
        classes: Vec<Vec<usize>>,
        target: Vec<usize>,
        batches: [usize; 2],
        seed: u64,
    ) -> Self {
        Self {
            source: Stream::new(classes, seed, "order of the source"),
            target: Stream::new(vec![target], seed, "order of the target"),
            batches: batches.map(|batch| batch.max(1)),
        }
    }

    /// The steps of an epoch: what the longer domain needs.
    pub fn steps(&self) -> usize {
        let [source, target] = self.batches;
        self.source.len().div_ceil(source).max(self.target.len().div_ceil(target))
    }

    /// The items of source and target in each step of `epoch`.
    pub fn pairs(&self, epoch: u64) -> Vec<[Vec<usize>; 2]> {
        let [source, target] = self.visits(epoch, 0);
        let of = |visits: &[Visit]| visits.iter().map(|visit| visit.index).collect();
        let targets = target.chunks(self.batches[1]);
        source.chunks(self.batches[0]).zip(targets).map(|(s, t)| [of(s), of(t)]).collect()
    }

    /// What comes from `first_step` on; nothing beyond the last step.
    pub(crate) fn visits(&self, epoch: u64, first_step: usize) -> [Vec<Visit>; 2] {
        let (steps, [source, target]) = (self.steps(), self.batches);
        let first = first_step.min(steps);
        let of = |stream: &Stream, size: usize| {
            stream.visits(epoch, first.saturating_mul(size), steps.saturating_mul(size))
        };
        [of(&self.source, source), of(&self.target, target)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_batch_is_full_and_has_every_class_whatever_the_sizes() {
        let classes = vec![vec![0, 1], (2..9).collect(), vec![]];
        let order = PairedOrder::new(classes, (0..23).collect(), [4, 5], 3);
        let pairs = order.pairs(1);
        assert_eq!((pairs.len(), order.steps()), (5, 5));
        for [source, target] in &pairs {
            assert_eq!((source.len(), target.len()), (4, 5));
            assert_eq!(source.iter().filter(|&&item| item < 2).count(), 2);
        }
        assert_eq!(pairs, order.pairs(1));
        assert_ne!(pairs, order.pairs(2));
    }
}
