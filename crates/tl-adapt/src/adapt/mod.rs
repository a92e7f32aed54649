//! The loop, from the first phase to the weights that are kept.
//!
//! [`adapt`] goes through the phases of a plan; `step` through the pairs of an epoch; `evaluate`
//! finds out, without target labels, how good the model has become; `session` holds what goes on,
//! `state` its numbers.

mod cache;
mod evaluate;
mod joint;
mod session;
mod state;
mod step;

use burn::module::Module;
use tl_core::{Backbone, Head, Model, Plan, ResolvedPhase};
use tl_train::ema::{put_back, snapshot};
use tl_train::{Conduct, Progress};

use crate::contract::{EpochStart, Method};
use crate::domains::{self, Domains};
use crate::negative_transfer::{Comparison, warnings};
use crate::rows::AdaptRow;
use crate::{AdaptError, Keep, Oracle, Settings};
use session::Session;
pub use session::check_resume;

/// What is to be done: the two domains, the method, and, for comparison alone, target labels.
pub struct Task<'a> {
    pub domains: &'a dyn Domains,
    pub method: &'a mut dyn Method,
    /// Measured after each epoch and noted down as `oracle`; it chooses nothing.
    pub oracle: Option<&'a Oracle>,
}

/// An adapted model and what is known about it.
pub struct Adapted<B: Module, H: Module> {
    /// On the plain device, ready for the target.
    pub model: Model<B, H>,
    pub rows: Vec<AdaptRow>,
    /// The index of the row whose weights are kept.
    pub chosen: usize,
    /// The proxy A-distance of the features when the method began, and of the weights that are
    /// kept.
    pub a_distance: [Option<f64>; 2],
    /// Signs of negative transfer, each one line.
    pub warnings: Vec<String>,
    /// Whether the run went on from a checkpoint.
    pub resumed: bool,
}

/// Carries out `plan` on `model` with the task's method.
///
/// The first [`Settings::source_phases`] phases train on the source alone; the others are the
/// method's. Its own networks learn at the head's rate times their own. Everything the run draws at random comes
/// from `settings.seed`; a run that was interrupted and resumed ends with the same bits as one that
/// was not.
///
/// # Errors
/// A plan or domains that do not fit the network, a loss that is not finite, a disk that is full,
/// an interruption.
pub fn adapt<'a, B, H>(
    model: Model<B, H>,
    task: Task<'a>,
    plan: &Plan,
    settings: &'a Settings,
    conduct: &'a Conduct,
    progress: &mut dyn Progress,
) -> Result<Adapted<B, H>, AdaptError>
where
    B: Backbone + Sync + 'static,
    H: Head,
{
    let phases = plan.resolve(&model.backbone.stages())?;
    settings.validate(phases.len())?;
    domains::check(task.domains, model.head.classes())?;
    let mut session = Session::begin(model, task, plan, settings, conduct, progress)?;
    for (index, phase) in phases.iter().enumerate().skip(session.state.phase) {
        session.enter(index, phase)?;
        session.run_phase(phase, &phases, progress)?;
    }
    session.finish(progress)
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Runs what is left of a phase.
    fn run_phase(
        &mut self,
        phase: &ResolvedPhase,
        phases: &[ResolvedPhase],
        progress: &mut dyn Progress,
    ) -> Result<(), AdaptError> {
        while self.state.epoch < phase.phase.epochs && !self.out_of_patience() {
            self.begin_epoch()?;
            self.train_epoch(phase, phases, progress)?;
            self.close_epoch(phase, progress)?;
        }
        if self.out_of_patience() {
            progress.say(&format!(
                "phase {} ends early: {} prefers none of the last {} epochs",
                phase.phase.name,
                self.settings.validator.name(),
                self.state.stale
            ));
        }
        Ok(())
    }

    /// Shows the method what the model answers as an epoch begins. Amid an epoch, after a resume, that is the model as it
    /// was then, not as it has become.
    fn begin_epoch(&mut self) -> Result<(), AdaptError> {
        if !self.adapting() || !self.task.method.looks_at_outputs() {
            return Ok(());
        }
        let started = std::time::Instant::now();
        let plain = self.joint()?.plain();
        let model = match &self.epoch_start {
            Some(values) if self.state.consumed > 0 => put_back(plain, values),
            _ => {
                self.epoch_start = Some(snapshot(&plain)?);
                plain
            }
        };
        let targets: Vec<usize> = (0..self.task.domains.targets()).collect();
        let target = self.target_outputs(&model, &targets)?;
        let validation = self.validation_outputs(&model)?;
        let start = EpochStart { target: &target, validation: &validation };
        self.task.method.begin_epoch(&start)?;
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// A function of the checkpointed state alone, so that a resume ends a phase where it ended
    /// before.
    fn out_of_patience(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.state.stale >= patience)
    }

    /// The end of a run: the weights that are kept, the A-distance, the warnings.
    fn finish(mut self, progress: &mut dyn Progress) -> Result<Adapted<B, H>, AdaptError> {
        self.state.finished = true;
        self.save()?;
        let last = self.state.rows.len().saturating_sub(1);
        let plain = self.joint()?.plain();
        let (model, chosen) = match (self.settings.keep, &self.chosen, self.state.chosen) {
            (Keep::Chosen, Some(weights), Some(chosen)) => (put_back(plain, weights), chosen),
            _ => (self.for_target(plain)?, last),
        };
        let mut found = Vec::new();
        let [mut before, mut after] = [None; 2];
        if let (Some(known), Some(row)) = (&self.state.before, self.state.rows.get(chosen)) {
            before = known.a_distance;
            after = row.a_distance;
            if self.settings.source_phases > 0 {
                found = warnings(&Comparison {
                    before: &known.scores,
                    after: &row.scores,
                    predicted_before: &known.predicted,
                    predicted_after: &row.predicted,
                    name: &|class| self.task.domains.class_name(class),
                });
            }
        }
        found.iter().for_each(|line| progress.say(line));
        let rows = std::mem::take(&mut self.state.rows);
        let resumed = self.resumed;
        Ok(Adapted { model, rows, chosen, a_distance: [before, after], warnings: found, resumed })
    }
}
