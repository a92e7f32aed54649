//! An endless order of items, any part of which can be computed at once.

use crate::batches::Visit;

/// Goes through items round by round, each round in a fresh order; with several classes, class by
/// class in equal numbers.
///
/// The classes take turns: of each `classes` successive positions every class has one, in an order
/// drawn anew each time. What stands at a position depends on seed, purpose and epoch alone.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// The items of each class, none of them empty; one list where classes play no part.
    classes: Vec<Vec<usize>>,
    seed: u64,
    purpose: &'static str,
}

impl Stream {
    /// Classes without items take no turn.
    pub fn new(mut classes: Vec<Vec<usize>>, seed: u64, purpose: &'static str) -> Self {
        classes.retain(|items| !items.is_empty());
        Self { classes, seed, purpose }
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.classes.iter().map(Vec::len).sum()
    }

    /// What stands at the positions `start..end` in `epoch`; nothing without items.
    pub fn visits(&self, epoch: u64, start: usize, end: usize) -> Vec<Visit> {
        let count = self.classes.len();
        if count == 0 {
            return Vec::new();
        }
        let mut turns = Permutations::new(self.seed, "turns of classes", epoch);
        let mut rounds: Vec<Permutations> =
            (0..count).map(|_| Permutations::new(self.seed, self.purpose, epoch)).collect();
        (start..end)
            .map(|position| {
                let (turn, place) = (position / count, position % count);
                let class = turns.of(turn as u64, count)[place];
                let items = &self.classes[class];
                let (round, place) = ((turn / items.len()) as u64, turn % items.len());
                // Classes are fewer than 2²⁴ and rounds fewer than 2⁴⁰.
                let number = (class as u64) << 40 | round;
                Visit { index: items[rounds[class].of(number, items.len())[place]], round }
            })
            .collect()
    }
}

/// Permutations by number, of which the last is kept.
struct Permutations {
    seed: u64,
    purpose: &'static str,
    epoch: u64,
    last: Option<(u64, Vec<usize>)>,
}

impl Permutations {
    fn new(seed: u64, purpose: &'static str, epoch: u64) -> Self {
        Self { seed, purpose, epoch, last: None }
    }

    fn of(&mut self, number: u64, length: usize) -> &[usize] {
        let fresh = || {
            let mut random = tl_random::rng(self.seed, self.purpose, self.epoch, number);
            (number, random.permutation(length))
        };
        let last = self.last.take().filter(|(kept, _)| *kept == number);
        &self.last.insert(last.unwrap_or_else(fresh)).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indices(visits: &[Visit]) -> Vec<usize> {
        visits.iter().map(|visit| visit.index).collect()
    }

    #[test]
    fn each_round_holds_every_item_once_in_a_fresh_order() {
        let stream = Stream::new(vec![(10..17).collect()], 3, "test");
        let visits = stream.visits(0, 0, 21);
        let rounds: Vec<Vec<usize>> = visits.chunks(7).map(indices).collect();
        for round in &rounds {
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (10..17).collect::<Vec<_>>());
        }
        assert!(rounds[0] != rounds[1] && rounds[1] != rounds[2]);
        let numbers: Vec<u64> = visits.iter().map(|visit| visit.round).collect();
        assert_eq!(numbers, [[0; 7], [1; 7], [2; 7]].concat());
        assert_ne!(stream.visits(1, 0, 7), visits[..7]);
    }

    #[test]
    fn any_part_is_what_the_whole_has_there() {
        let stream = Stream::new(vec![vec![1, 2, 3], vec![], vec![4, 5, 6, 7, 8]], 3, "test");
        let whole = stream.visits(2, 0, 50);
        for (start, end) in [(0, 1), (7, 9), (13, 50), (20, 20)] {
            assert_eq!(stream.visits(2, start, end), whole[start..end]);
        }
    }

    #[test]
    fn classes_take_turns_in_equal_numbers_whatever_their_sizes() {
        let stream = Stream::new(vec![vec![0], (1..4).collect(), (4..40).collect()], 3, "test");
        let drawn = indices(&stream.visits(0, 0, 108));
        let class = |index: usize| usize::from(index > 0) + usize::from(index > 3);
        for turn in drawn.chunks(3) {
            let mut classes: Vec<usize> = turn.iter().map(|&index| class(index)).collect();
            classes.sort_unstable();
            assert_eq!(classes, [0, 1, 2]);
        }
        let mut large: Vec<usize> = drawn.into_iter().filter(|&index| index > 3).collect();
        large.sort_unstable();
        assert_eq!(large, (4..40).collect::<Vec<_>>());
        assert_eq!(stream.len(), 40);
    }

    #[test]
    fn without_items_nothing_comes() {
        assert!(Stream::new(vec![vec![]], 0, "test").visits(0, 0, 5).is_empty());
    }
}
