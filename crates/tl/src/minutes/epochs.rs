//! A plan over another number of epochs.

use tl_core::{Phase, Solver};

use crate::Prepared;

impl Prepared {
    /// Another number of epochs of training by gradient, no fewer than there are such phases, and the schedule over them: where several
    /// phases share them, each keeps its share and at least one.
    pub(super) fn set_epochs(&mut self, epochs: usize) {
        let by_gradient = |phase: &Phase| phase.solver == Solver::Gradient && phase.epochs > 0;
        let phases = self.plan.phases.iter().filter(|phase| by_gradient(phase));
        let before: Vec<usize> = phases.map(|phase| phase.epochs).collect();
        let mut shares = shares(&before, epochs).into_iter();
        for (phase, row) in self.plan.phases.iter_mut().zip(&mut self.report.phases) {
            if by_gradient(phase)
                && let Some(share) = shares.next()
            {
                row.time = row.time.map(|time| time.for_epochs(phase.epochs, share));
                row.seconds = row.time.map(|time| time.total());
                (phase.epochs, row.epochs) = (share, share);
            }
        }
        for options in [&mut self.request.options, &mut self.record.options] {
            options.tuning.epochs = Some(epochs);
        }
        self.record.plan = self.plan.clone();
        self.record.trainable_report = Some(self.report.clone());
    }
}

/// `epochs` divided as `before` was: one for each phase, and what is left by the largest remainder, in proportion to what each had
/// beyond its first.
fn shares(before: &[usize], epochs: usize) -> Vec<usize> {
    let all: usize = before.iter().map(|own| own.saturating_sub(1)).sum();
    let left = epochs.saturating_sub(before.len());
    let parts = before.iter().map(|own| own.saturating_sub(1) * left);
    let mut shares: Vec<usize> = parts.clone().map(|part| 1 + part / all.max(1)).collect();
    let mut order: Vec<(usize, usize)> = parts.map(|part| part % all.max(1)).enumerate().collect();
    // Of equal remainders the later phase, which trains more, comes first.
    order.sort_by_key(|(place, remainder)| std::cmp::Reverse((*remainder, *place)));
    let missing = epochs.saturating_sub(shares.iter().sum());
    for (place, _) in order.into_iter().take(missing) {
        shares[place] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_of_several_phases_have_the_sum_that_was_asked_for() {
        // As gradual unfreezing divides ten epochs.
        let before = [1, 2, 2, 5];
        for epochs in 4..=10 {
            let found = shares(&before, epochs);
            assert_eq!(found.iter().sum::<usize>(), epochs, "{found:?}");
            assert!(found.iter().zip(&before).all(|(own, most)| (1..=*most).contains(own)));
        }
        assert_eq!(shares(&before, 10), before);
        assert_eq!(shares(&before, 4), [1; 4]);
        // Three of the six beyond the first: ½, ½ and 2.
        assert_eq!(shares(&before, 7), [1, 1, 2, 3]);
    }

    #[test]
    fn one_phase_has_all_of_them() {
        assert_eq!((shares(&[30], 7), shares(&[1], 1)), (vec![7], vec![1]));
        assert!(shares(&[], 3).is_empty());
    }
}
