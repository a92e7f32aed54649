//! A run whose time is up, by a clock that only steps move.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::toy::{Matrix, Vectors, model};
use tl_core::{Phase, Plan};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::{
    Clock, Conduct, Deadline, Earlier, Fitted, Later, Progress, Settings, Step, Task, fit,
    time_used,
};

/// Shows how many steps were taken, or examples seen.
#[derive(Debug, Default)]
struct Steps(AtomicU64);

impl Clock for Steps {
    fn seconds(&self) -> f64 {
        self.0.load(Ordering::Relaxed) as f64
    }
}

/// Moves the clock on with every step, and keeps what was said and seen.
#[derive(Default)]
struct Seen {
    clock: Arc<Steps>,
    lines: Vec<String>,
    totals: Vec<u64>,
    losses: Vec<f64>,
    /// Whether every example moves the clock, and not every step.
    by_example: bool,
    /// Batches in a step, one at least.
    together: usize,
}

impl Progress for Seen {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, parts: u64, _: &str) {
        if self.by_example {
            self.clock.0.fetch_add(parts, Ordering::Relaxed);
        }
    }
    fn end(&mut self) {}
    fn say(&mut self, line: &str) {
        self.lines.push(line.to_string());
    }
    fn step(&mut self, step: &Step) {
        self.totals.push(step.total);
        self.losses.push(step.loss);
        if !self.by_example {
            self.clock.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Six epochs of three steps, until the clock shows `at`.
fn until(at: f64, out: Option<&Path>, resume: bool, seen: &mut Seen) -> Fitted<Matrix, LinearHead> {
    let data = Vectors::new();
    let split = Split { train: vec![0, 1, 2], validation: vec![3], test: Vec::new() };
    let task =
        Task { data: &data, split: &split, augment: Augment::none(), earlier: Earlier::default() };
    let accumulate = seen.together.max(1);
    let settings = Settings { batch_size: 1, accumulate, cache: false, ..Settings::default() };
    let conduct = Conduct {
        out: out.map(Path::to_path_buf),
        resume,
        deadline: Some(Deadline::new(seen.clock.clone(), at)),
        ..Conduct::default()
    };
    let plan = Plan::new(vec![Phase::finetune(6)]);
    fit(model(), &task, &plan, &settings, &conduct, seen).unwrap()
}

#[test]
fn a_deadline_amid_an_epoch_ends_the_run_at_a_step_and_keeps_the_best_so_far() {
    let mut seen = Seen::default();
    let found = until(5.0, None, false, &mut seen);
    assert!(found.out_of_time);
    assert_eq!((found.steps, found.rows.len()), (5, 1));
    assert_eq!((found.kept.as_str(), found.best_epoch), ("best (epoch 1)", Some(1)));
    assert!(seen.lines.iter().any(|line| line.contains("the time is up at step 5, in epoch 2")));
}

#[test]
fn an_epoch_that_was_trained_whole_is_validated_though_the_time_is_up() {
    let mut seen = Seen::default();
    let found = until(6.0, None, false, &mut seen);
    assert_eq!((found.steps, found.rows.len(), found.out_of_time), (6, 2, true));
}

#[test]
fn a_deadline_amid_a_step_of_several_batches_leaves_that_step_out() {
    // Three examples of the training part make a step, and one of the validation part ends the epoch: at 5 the second step has
    // seen one of its batches.
    let mut seen = Seen { by_example: true, together: 3, ..Seen::default() };
    let found = until(5.0, None, false, &mut seen);
    assert!(found.out_of_time);
    assert_eq!((found.steps, found.rows.len()), (1, 1));
}

#[test]
fn the_loss_of_a_step_of_several_batches_is_their_mean() {
    let mut seen = Seen { together: 3, ..Seen::default() };
    let found = until(100.0, None, false, &mut seen);
    assert_eq!(seen.losses.len(), 6);
    for (loss, row) in seen.losses.iter().zip(&found.rows) {
        assert!((loss - row.train_loss).abs() < 1e-6, "{loss} is not {}", row.train_loss);
    }
}

#[test]
fn time_that_suffices_changes_nothing() {
    let mut seen = Seen::default();
    let found = until(19.0, None, false, &mut seen);
    assert_eq!((found.steps, found.rows.len(), found.out_of_time), (18, 6, false));
    assert!(seen.totals.iter().all(|total| *total == 18), "{:?}", seen.totals);
}

#[test]
fn a_checkpoint_holds_the_time_and_a_run_that_its_deadline_ended_does_not_go_on() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(time_used(folder.path()).unwrap(), None);
    let mut seen = Seen::default();
    let ended = until(5.0, Some(folder.path()), false, &mut seen);
    assert_eq!(time_used(folder.path()).unwrap(), Some(5.0));
    let mut seen = Seen::default();
    let again = until(100.0, Some(folder.path()), true, &mut seen);
    assert_eq!((again.steps, again.out_of_time), (5, true));
    assert_eq!((again.best_epoch, again.kept), (ended.best_epoch, ended.kept));
    assert!(seen.totals.is_empty(), "a step was taken");
}

#[test]
fn a_clock_that_begins_later_shows_what_had_passed_before() {
    let clock = Arc::new(Steps::default());
    let later = Later { clock: clock.clone(), before: 2.5 };
    clock.0.store(3, Ordering::Relaxed);
    assert_eq!(later.seconds(), 5.5);
    assert!(Deadline::new(Arc::new(later), 5.5).passed());
}
