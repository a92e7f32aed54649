//! Whether the machine grows slower while it fits.

use tl_train::{Deadline, EpochRow, Progress, Step};

use super::planner::OF_END;

/// The fewest seconds and steps of training that are compared with each other: steps of texts differ in their lengths.
const WINDOW: f64 = 10.0;
const STEPS: u64 = 16;
/// The most that a slower machine keeps free for the end, of what was kept before.
const SLOWEST: f64 = 4.0;

/// Passes on what is told, and moves the deadline: as many times as steps take longer than the fastest of their phase did, so many
/// times as long the end will take. What is [spared for it](OF_END) anyway suffices for small differences.
pub(super) struct Paced<'p> {
    inner: &'p mut dyn Progress,
    deadline: Deadline,
    /// The time that there is, and what is kept of it for the end.
    limit: f64,
    reserve: f64,
    /// Seconds of a step in the fastest window of the phase.
    fastest: f64,
    /// The steps of the phase.
    done: u64,
    /// The window so far: when its last step was taken, unless an epoch ended since, its seconds and its steps.
    last: Option<f64>,
    spent: f64,
    steps: u64,
}

impl<'p> Paced<'p> {
    pub fn new(
        inner: &'p mut dyn Progress,
        deadline: &Deadline,
        [limit, reserve]: [f64; 2],
    ) -> Self {
        let (deadline, fastest) = (deadline.clone(), f64::INFINITY);
        let (done, last, spent, steps) = (0, None, 0.0, 0);
        Self { inner, deadline, limit, reserve, fastest, done, last, spent, steps }
    }
}

impl Progress for Paced<'_> {
    fn begin(&mut self, what: &str, total: u64) {
        self.inner.begin(what, total);
    }

    fn advance(&mut self, parts: u64, note: &str) {
        self.inner.advance(parts, note);
    }

    fn end(&mut self) {
        self.inner.end();
    }

    fn say(&mut self, line: &str) {
        self.inner.say(line);
    }

    fn step(&mut self, step: &Step) {
        self.inner.step(step);
        if step.done <= self.done {
            // Another phase, whose steps take as long as they take.
            (self.fastest, self.last, self.spent, self.steps) = (f64::INFINITY, None, 0.0, 0);
        }
        self.done = step.done;
        let now = self.deadline.now();
        if let Some(before) = self.last.replace(now) {
            self.spent += now - before;
            self.steps += 1;
        }
        if self.spent < WINDOW || self.steps < STEPS {
            return;
        }
        let each = self.spent / self.steps as f64;
        (self.spent, self.steps) = (0.0, 0);
        self.fastest = self.fastest.min(each);
        let slower = (each / self.fastest / OF_END).clamp(1.0, SLOWEST);
        self.deadline.move_to(self.limit - self.reserve * slower);
    }

    fn epoch(&mut self, row: &EpochRow) {
        self.inner.epoch(row);
        // What lies between two epochs is no step.
        self.last = None;
    }

    fn kept(&mut self, bytes: u64) {
        self.inner.kept(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tl_train::{Clock, Silent};

    use super::*;

    #[derive(Debug, Default)]
    struct Made(Mutex<f64>);

    impl Clock for Made {
        fn seconds(&self) -> f64 {
            *self.0.lock().unwrap()
        }
    }

    impl Made {
        fn pass(&self, seconds: f64) {
            *self.0.lock().unwrap() += seconds;
        }
    }

    fn step(done: u64) -> Step {
        Step { loss: 1.0, learning_rate: 1e-3, done, total: 1000 }
    }

    /// Of 100 s, 10 are kept for the end; answers until when steps may be taken.
    fn until(steps: impl IntoIterator<Item = (u64, f64)>) -> f64 {
        let clock = Arc::new(Made::default());
        let deadline = Deadline::new(clock.clone(), 90.0);
        let mut silent = Silent;
        let mut paced = Paced::new(&mut silent, &deadline, [100.0, 10.0]);
        for (done, seconds) in steps {
            clock.pass(seconds);
            paced.step(&step(done));
        }
        // The first tenth of a second at which it has passed.
        *clock.0.lock().unwrap() = 0.0;
        let found = (0..1000_u32).find(|_| {
            clock.pass(0.1);
            deadline.passed()
        });
        found.map_or(f64::INFINITY, |tenths| f64::from(tenths + 1) / 10.0)
    }

    #[test]
    fn a_machine_that_grows_slower_keeps_more_for_the_end_and_less_once_it_recovers() {
        let even = (1..=40).map(|done| (done, 1.0));
        assert!((until(even.clone()) - 90.0).abs() < 0.11);
        // 2.5 times as long, of which a quarter is spared.
        let slower = (41..=80).map(|done| (done, 2.5));
        assert!((until(even.clone().chain(slower.clone())) - 80.0).abs() < 0.11);
        let again = (81..=140).map(|done| (done, 1.0));
        assert!((until(even.chain(slower).chain(again)) - 90.0).abs() < 0.11);
    }

    #[test]
    fn a_small_difference_is_spared_already() {
        let even = (1..=40).map(|done| (done, 1.0));
        let slower = (41..=80).map(|done| (done, 1.2));
        assert!((until(even.chain(slower)) - 90.0).abs() < 0.11);
    }

    #[test]
    fn the_steps_of_another_phase_are_not_compared_with_those_before() {
        let cheap = (1..=40).map(|done| (done, 1.0));
        let dear = (1..=40).map(|done| (done, 3.0));
        assert!((until(cheap.chain(dear)) - 90.0).abs() < 0.11);
    }

    #[test]
    fn what_lies_between_two_epochs_is_no_step() {
        let clock = Arc::new(Made::default());
        let deadline = Deadline::new(clock.clone(), 90.0);
        let mut silent = Silent;
        let mut paced = Paced::new(&mut silent, &deadline, [100.0, 10.0]);
        for done in 1..=20 {
            clock.pass(1.0);
            paced.step(&step(done));
        }
        // A validation of half a minute.
        clock.pass(30.0);
        paced.epoch(&EpochRow {
            phase: "finetune".into(),
            epoch: 1,
            step: 20,
            train_loss: 1.0,
            validation_loss: None,
            validation_accuracy: None,
            validation_f1: None,
            validation_r2: None,
            validation_map: None,
            ema_accuracy: None,
            ema_r2: None,
            learning_rate: 1e-3,
            gradient_norm: None,
            seconds: 50.0,
            resident_mb: None,
        });
        for done in 21..=40 {
            clock.pass(1.0);
            paced.step(&step(done));
        }
        *clock.0.lock().unwrap() = 89.9;
        assert!(!deadline.passed());
    }
}
