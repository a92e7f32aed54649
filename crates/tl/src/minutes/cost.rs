//! What a candidate is expected to take.

use tl_core::{PhaseReport, TrainableReport};

/// Seconds, as far as rates that were measured tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    /// Before the first epoch: reading, the frozen pass, a head that is solved.
    pub once: f64,
    pub each_epoch: f64,
    /// The epochs of training by gradient that it would have without a budget; 0 where there are none.
    pub epochs: usize,
    /// The phases that share them, each of which has one at least.
    pub phases: usize,
    /// After the last step: a validation that is under way, measuring the parts in the end, and writing.
    pub end: f64,
}

/// The seconds of writing a run's folder but for its weights, and the bytes that a slow disk takes in a second.
const WRITING: f64 = 0.5;
const DISK: f64 = 2e8;

/// A guess on the safe side of the seconds that the intervals of a part's figures take for each of its scores, and the most scores
/// that are drawn from.
const INTERVALS: f64 = 3e-6;
const SCORES: f64 = 4e6;

/// The bytes that are written after the last step: the checkpoint of the last epoch and that of the end, each the weights, the best
/// ones and two moments of those that are trained, and the weights of the run.
fn written(report: &TrainableReport) -> f64 {
    let all = report.phases.iter().map(PhaseReport::total).max().unwrap_or(0) as f64;
    let checkpoint = 2.0 * all + 2.0 * report.trainable() as f64;
    size_of::<f32>() as f64 * (2.0 * checkpoint + all)
}

impl Cost {
    /// Of the plan with this report, that is validated after so many epochs each; `share` is that of the validation part in what is
    /// measured in the end.
    pub fn of(report: &TrainableReport, validate_every: usize, share: f64) -> Self {
        let mut cost = Self::default();
        let (mut shared, mut validation) = (0.0, 0.0_f64);
        let measuring = report.measuring.unwrap_or(0.0);
        for phase in &report.phases {
            let Some(time) = phase.time else { continue };
            cost.once += time.once;
            if time.total() > time.once {
                shared += time.total() - time.once;
                cost.epochs += phase.epochs;
                cost.phases += 1;
                let validations = phase.epochs.div_ceil(validate_every.max(1)).max(1);
                validation = validation.max(time.evaluation / validations as f64);
                if time.once == 0.0 {
                    // Nothing is kept: it is read and goes through all stages, as in the end.
                    validation = validation.max(measuring * share);
                }
            }
        }
        cost.each_epoch = shared / cost.epochs.max(1) as f64;
        cost.end = measuring + validation + WRITING + written(report) / DISK;
        cost
    }

    /// The same with the intervals of parts of so many examples, each with a score for every class.
    pub fn with_intervals(self, parts: [f64; 2], classes: usize) -> Self {
        let drawn: f64 = parts.iter().map(|part| (part * classes as f64).min(SCORES)).sum();
        Self { end: self.end + INTERVALS * drawn, ..self }
    }

    /// Of so many epochs, without the end.
    pub fn of_epochs(&self, epochs: usize) -> f64 {
        self.once + self.each_epoch * epochs as f64
    }

    /// The least that it takes, the end included.
    pub fn least(&self) -> f64 {
        self.of_epochs(self.fewest()) + self.end
    }

    /// The fewest epochs that it can have.
    fn fewest(&self) -> usize {
        self.epochs.min(self.phases.max(1))
    }

    /// The most epochs, no more than it would have, that end within `seconds`; nothing where not one of each phase does.
    pub fn epochs_within(&self, seconds: f64) -> Option<usize> {
        if self.once > seconds {
            return None;
        }
        if self.epochs == 0 {
            return Some(0);
        }
        let fit = ((seconds - self.once) / self.each_epoch.max(1e-9)).floor();
        let epochs = (fit as usize).min(self.epochs);
        (epochs >= self.fewest()).then_some(epochs)
    }
}

#[cfg(test)]
mod tests {
    use tl_core::{PhaseTime, StageRow};

    use super::*;

    const TUNED: Cost = Cost { once: 10.0, each_epoch: 4.0, epochs: 5, phases: 1, end: 3.0 };

    #[test]
    fn as_many_epochs_are_run_as_fit_and_no_more_than_are_wanted() {
        assert_eq!(TUNED.epochs_within(13.9), None);
        assert_eq!(TUNED.epochs_within(14.0), Some(1));
        assert_eq!(TUNED.epochs_within(25.0), Some(3));
        assert_eq!(TUNED.epochs_within(1e9), Some(5));
        assert_eq!((TUNED.of_epochs(3), TUNED.least()), (22.0, 17.0));
    }

    #[test]
    fn each_phase_has_an_epoch_at_least() {
        let gradual = Cost { phases: 3, ..TUNED };
        assert_eq!((gradual.epochs_within(21.9), gradual.epochs_within(22.0)), (None, Some(3)));
        assert_eq!(gradual.least(), 25.0);
    }

    #[test]
    fn a_solved_head_has_no_epochs_and_fits_or_does_not() {
        let probe = Cost { once: 10.0, each_epoch: 0.0, epochs: 0, phases: 0, end: 1.0 };
        assert_eq!((probe.epochs_within(9.9), probe.epochs_within(10.0)), (None, Some(0)));
        assert_eq!(probe.least(), 11.0);
    }

    #[test]
    fn large_networks_are_given_time_to_be_written() {
        let (stage, norm) = ("all".to_string(), "-".to_string());
        let stages = vec![StageRow {
            stage,
            trainable: 30_000_000,
            frozen: 20_000_000,
            rate: 0.1,
            norm,
            cached: false,
        }];
        let time = PhaseTime { steps: 20.0, evaluation: 4.0, ..PhaseTime::default() };
        let phase = PhaseReport {
            phase: "finetune".into(),
            epochs: 2,
            stages,
            cached_bytes: 0,
            memory_bytes: None,
            seconds: None,
            time: Some(time),
        };
        let report = TrainableReport { phases: vec![phase], measuring: Some(3.0) };
        let cost = Cost::of(&report, 1, 0.5);
        // Twice 2 · 50 and 2 · 30 million numbers, and 50 million, are 1.48 GB.
        assert!((cost.end - (3.0 + 2.0 + 0.5 + 7.4)).abs() < 1e-9, "{cost:?}");
        assert_eq!((cost.once, cost.each_epoch, cost.epochs, cost.phases), (0.0, 12.0, 2, 1));
        // Validated once in both epochs, that takes all 4 s.
        assert!((Cost::of(&report, 2, 0.5).end - (cost.end + 2.0)).abs() < 1e-9);
        // It is read anew for that: all that is measured in the end takes 3 s.
        assert!((Cost::of(&report, 1, 1.0).end - (cost.end + 1.0)).abs() < 1e-9);
    }

    #[test]
    fn the_intervals_of_many_scores_take_time_up_to_a_bound() {
        let of = |parts, classes| TUNED.with_intervals(parts, classes).end - TUNED.end;
        assert!((of([1000.0, 2000.0], 10) - 0.09).abs() < 1e-9);
        assert!((of([1e6, 1e6], 1000) - 24.0).abs() < 1e-9);
    }

    #[test]
    fn half_the_epochs_take_half_of_what_is_not_spent_once() {
        let time = PhaseTime { decode: 6.0, frozen: 2.0, steps: 10.0, evaluation: 4.0, once: 8.0 };
        let half = time.for_epochs(10, 5);
        assert_eq!((half.decode, half.frozen, half.steps, half.evaluation), (6.0, 2.0, 5.0, 2.0));
        assert_eq!((time.total(), half.total()), (22.0, 15.0));
        let streamed = PhaseTime { once: 0.0, ..time };
        assert_eq!(streamed.for_epochs(10, 5).total(), 11.0);
    }
}
