//! A plan over another number of epochs.

use tl_core::{Phase, Solver};

use crate::Prepared;

impl Prepared {
    /// Another number of epochs of training by gradient, and the schedule over them: where several phases share them, each keeps
    /// its share and at least one.
    pub(super) fn set_epochs(&mut self, epochs: usize) {
        let by_gradient = |phase: &Phase| phase.solver == Solver::Gradient;
        let phases = self.plan.phases.iter().filter(|phase| by_gradient(phase));
        let before: usize = phases.map(|phase| phase.epochs).sum();
        if before == 0 {
            return;
        }
        for (phase, row) in self.plan.phases.iter_mut().zip(&mut self.report.phases) {
            if by_gradient(phase) {
                let share = (phase.epochs * epochs / before).max(1);
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
