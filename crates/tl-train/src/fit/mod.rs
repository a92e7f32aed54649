//! The training loop, from the first phase to the weights that are kept.
//!
//! [`fit`] goes through the phases of a plan; `epoch` through the batches of an epoch; `feed` hands
//! out batches at the cut, of which `cached_views` may keep several views; `step` makes a step of them, and `gathered` one of several;
//! `head` solves a head on frozen features; `guard` finds what is not finite; `interpolate` goes
//! back part of the way at the end; `mixing` makes one image of two; `sweep` looks for a learning rate; `pool` makes one answer of a
//! text's windows; `validated` is what a validation found.

mod cached_views;
mod epoch;
pub(crate) mod feed;
mod gathered;
mod guard;
mod head;
mod interpolate;
mod mixing;
mod pool;
mod predict;
mod session;
mod state;
mod step;
mod sweep;
mod validated;

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use tl_core::{Backbone, Head, Model, Plan, ResolvedPhase, Solver, TrainableReport, apply};
use tl_data::{Augment, Split};

pub use head::CANDIDATES;
pub use predict::{Predictions, measure_part, measure_targets, predict};
use session::Session;
pub use session::{check_resume, plain_device};
pub use sweep::{STEPS, Sweep, SweepEnd, SweptStep, sweep};

use crate::checkpoint::{CHECKPOINT, Checkpoint};
use crate::ema::{Snapshot, put_back, snapshot};
use crate::files::write_rows;
use crate::progress::{EpochRow, METRICS, Progress};
use crate::regularise::{Earlier, Memories, Reach, rehearses};
use crate::tensor_file::read_tensors;
use crate::{Conduct, Dataset, Deadline, Keep, Settings, TrainError};

/// The snapshots in a checkpoint.
const MODEL: &str = "model";
const BEST: &str = "best";
const FIRST: &str = "first_weights";

/// The data of a task and how they are divided.
pub struct Task<'a> {
    pub data: &'a dyn Dataset,
    pub split: &'a Split,
    /// How images are varied in the phases that ask for it.
    pub augment: Augment,
    /// What earlier tasks left, for the regularisers that hold on to it.
    pub earlier: Earlier<'a>,
}

/// A fitted model and what is known about its fitting.
pub struct Fitted<B: Module, H: Module> {
    /// On the plain device, with the weights that are kept.
    pub model: Model<B, H>,
    pub rows: Vec<EpochRow>,
    pub report: TrainableReport,
    /// Which weights are kept: `best` with its epoch, `last`, or `ema`.
    pub kept: String,
    /// Optimizer steps.
    pub steps: u64,
    /// Whether the run went on from a checkpoint.
    pub resumed: bool,
    /// The epoch whose weights are kept, counted from 1, where validation chose it.
    pub best_epoch: Option<usize>,
    /// Whether it ended at its [deadline](Conduct::deadline), before the plan was done.
    pub out_of_time: bool,
    /// How much each weight of the stages matters by the path to those that are kept, where
    /// [the settings](Settings::path_integral) ask for it. Where a moving average is kept, or weights between two, it is the path
    /// of the weights that these were made of.
    pub importance: Option<Snapshot>,
}

/// Carries out `plan` on `model`.
///
/// Everything the run draws at random comes from `settings.seed`; a run that was interrupted and
/// resumed ends with the same bits as one that was not.
///
/// # Errors
/// A plan that does not fit the network, data that cannot be used, a loss that is not finite, a disk
/// that is full, an interruption.
pub fn fit<B, H>(
    model: Model<B, H>,
    task: &Task<'_>,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Result<Fitted<B, H>, TrainError>
where
    B: Backbone + Sync + 'static,
    H: Head,
{
    settings.validate()?;
    let phases = plan.resolve(&model.backbone.stages())?;
    mixing::check(settings, task.data, &phases)?;
    let mut report = TrainableReport::new(&phases, &model);
    let mut session = Session::begin(model, task, plan, settings, conduct, progress)?;
    // A run that ended at its deadline has phases left that it does not go on with.
    let first = if session.state.finished { phases.len() } else { session.state.phase };
    for (index, phase) in phases.iter().enumerate().skip(first) {
        session.enter(index, phase)?;
        match session.run_phase(phase, progress) {
            Ok(bytes) => report.phases[index].cached_bytes = bytes,
            Err(TrainError::OutOfTime { step }) => {
                progress.end();
                let (name, epoch) = (&phase.phase.name, session.state.epoch + 1);
                progress.say(&format!("the time is up at step {step}, in epoch {epoch} of {name}"));
                session.state.out_of_time = true;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    session.finish(report, progress)
}

/// What the clock of a run's deadline showed when its checkpoint in the folder `out` was written; nothing where there is none.
///
/// # Errors
/// A checkpoint that is damaged.
pub fn time_used(out: &Path) -> Result<Option<f64>, TrainError> {
    #[derive(serde::Deserialize)]
    struct Numbers {
        state: state::State,
    }
    let path = out.join(CHECKPOINT);
    if !path.exists() {
        return Ok(None);
    }
    Ok(read_tensors::<Numbers>(&path)?.0.state.time_used)
}

impl<'a, B: Backbone + Sync + 'static, H: Head> Session<'a, B, H> {
    /// Sets the flags of a phase, and its counters unless it was begun before.
    fn enter(&mut self, index: usize, phase: &ResolvedPhase) -> Result<(), TrainError> {
        self.note_first(phase)?;
        if self.state.phase != index {
            self.state.phase = index;
            self.state.epoch = 0;
            self.state.consumed = 0;
            self.state.phase_step = 0;
            self.state.stale = 0;
        }
        self.model = self.model.take().map(|model| apply(phase, model));
        Ok(())
    }

    /// Runs what is left of a phase; answers the bytes of its cache.
    fn run_phase(
        &mut self,
        phase: &ResolvedPhase,
        progress: &mut dyn Progress,
    ) -> Result<u64, TrainError> {
        let epochs = match phase.phase.solver {
            Solver::Gradient => phase.phase.epochs,
            Solver::LogisticRegression => 1,
        };
        if self.state.epoch >= epochs || self.out_of_patience() {
            return Ok(0);
        }
        let started = std::time::Instant::now();
        let feed = self.feed(phase, progress)?;
        let bytes = match &feed {
            feed::Feed::Stored(store) => store.bytes(),
            feed::Feed::Views(views) => views.store.bytes(),
            feed::Feed::Streamed { .. } => 0,
        };
        progress.kept(bytes);
        self.memories = self.remember(phase)?;
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        while self.state.epoch < epochs && !self.out_of_patience() {
            if self.conduct.out_of_time() {
                return Err(TrainError::OutOfTime { step: self.state.step });
            }
            match phase.phase.solver {
                Solver::Gradient => self.train_epoch(phase, &feed, progress)?,
                Solver::LogisticRegression => self.solve_head(phase, &feed, progress)?,
            }
            let last = self.state.epoch + 1 == epochs;
            self.close_epoch(phase, &feed, last, progress)?;
        }
        if self.out_of_patience() {
            let data = self.task.data;
            let figure = match (data.numbers(), data.several()) {
                (Some(_), _) => "R² of the validation part",
                (None, Some(_)) => "mAP of the validation part",
                (None, None) => "validation accuracy",
            };
            let (name, stale) = (&phase.phase.name, self.state.stale);
            progress
                .say(&format!("phase {name} ends early: no better {figure} for {stale} epochs"));
        }
        Ok(bytes)
    }

    /// The examples of earlier tasks at the cut of a phase that shows them again.
    fn remember(&self, phase: &ResolvedPhase) -> Result<Option<Memories<'a>>, TrainError> {
        if !rehearses(&phase.phase.regularisers) {
            return Ok(None);
        }
        let reach = Reach {
            prefix: &|| self.prefix(phase),
            keep: self.settings.cache.then_some(self.conduct.cache_memory),
            batch_size: self.settings.batch_size,
            device: &self.device,
        };
        Memories::of(&self.task.earlier.memory, &reach).map(Some)
    }

    /// A function of the checkpointed state alone, so that a resume ends a phase where it ended before.
    fn out_of_patience(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.state.stale >= patience)
    }

    /// The end of a run: chooses the weights that are kept.
    fn finish(
        mut self,
        report: TrainableReport,
        progress: &mut dyn Progress,
    ) -> Result<Fitted<B, H>, TrainError> {
        self.state.finished = true;
        self.save(progress)?;
        let Some(model) = self.model.take() else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let plain = model.valid();
        let importance = self.importance(&plain)?;
        let mut best_epoch = None;
        let (model, kept) = match (self.settings.keep, &self.best, &self.state.best, &self.ema) {
            (Keep::Best, Some(weights), Some(mark), _) => {
                best_epoch = Some(mark.epoch);
                (put_back(plain, weights), format!("best (epoch {})", mark.epoch))
            }
            (Keep::Ema, _, _, Some(average)) => {
                (put_back(plain, &average.save()?.1), "ema".to_string())
            }
            _ => (plain, "last".to_string()),
        };
        let (model, kept) = self.interpolated(model, kept, progress)?;
        Ok(Fitted {
            model,
            rows: self.state.rows.clone(),
            report,
            kept,
            steps: self.state.step,
            resumed: self.resumed,
            best_epoch,
            out_of_time: self.state.out_of_time,
            importance,
        })
    }

    /// How much each weight matters by the path to those that are kept of `last` and the best.
    fn importance(&self, last: &Model<B, H>) -> Result<Option<Snapshot>, TrainError> {
        let Some(path) = &self.path else { return Ok(None) };
        let best = self.best.as_ref().filter(|_| self.settings.keep == Keep::Best);
        Ok(Some(match best {
            Some(weights) => path.importance(weights, true)?,
            None => path.importance(&snapshot(last)?, false)?,
        }))
    }

    /// Writes a checkpoint, where the run has a folder.
    fn save(&mut self, _: &mut dyn Progress) -> Result<(), TrainError> {
        let Some(out) = &self.conduct.out else {
            return Ok(());
        };
        let Some(model) = &self.model else {
            return Ok(());
        };
        self.state.time_used = self.conduct.deadline.as_ref().map(Deadline::now);
        let mut snapshots = BTreeMap::from([(MODEL.to_string(), snapshot(model)?)]);
        snapshots.extend(self.best.clone().map(|best| (BEST.to_string(), best)));
        snapshots.extend(self.first.clone().map(|first| (FIRST.to_string(), first)));
        if let Some(path) = &self.path {
            snapshots.extend(path.save()?);
        }
        let checkpoint = Checkpoint {
            state: &self.state,
            snapshots,
            average: self.ema.as_ref().map(|average| average.save()).transpose()?,
            optimizer: self.optimizer.save().map_err(TrainError::Device)?,
        };
        checkpoint.write(&out.join(CHECKPOINT), &self.identity)?;
        // Given back before the row of the epoch appears, so that who looks then sees what the run holds.
        drop(checkpoint);
        write_rows(&out.join(METRICS), &self.state.rows)
    }
}
