//! The trainable report: what a plan does to a network, before anything is trained.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ResolvedPhase;
use crate::parameters::{is_statistic, parameters};
use crate::{Backbone, Head, Model};

/// One stage in one phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageRow {
    pub stage: String,
    /// Parameters that the phase updates.
    pub trainable: u64,
    /// Parameters that it leaves alone.
    pub frozen: u64,
    /// The learning rate at a schedule's factor of 1.
    pub rate: f64,
    /// `frozen`, `train`, or `-` for a stage without norms.
    pub norm: String,
    /// Whether the stage belongs to the cached prefix.
    pub cached: bool,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    pub phase: String,
    pub epochs: usize,
    pub stages: Vec<StageRow>,
    /// Bytes that the outputs of the frozen prefix take for the whole data; 0 without a cache.
    pub cached_bytes: u64,
    /// The most bytes of memory the phase is expected to hold, where it was estimated.
    pub memory_bytes: Option<u64>,
    /// The seconds the phase is expected to take, where they were estimated.
    pub seconds: Option<f64>,
    /// What makes these up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<PhaseTime>,
}

/// The seconds of a phase by what they are spent on, as far as rates that were measured tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseTime {
    /// Reading examples.
    pub decode: f64,
    /// Running them through the frozen stages.
    pub frozen: f64,
    /// Steps of the optimizer, or the solver of the head.
    pub steps: f64,
    /// Measuring the validation part after epochs.
    pub evaluation: f64,
    /// How much of all that is spent once, before the first epoch; the rest is shared by the epochs.
    pub once: f64,
}

impl PhaseTime {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.decode + self.frozen + self.steps + self.evaluation
    }

    /// The same for another number of epochs than `before`.
    pub fn for_epochs(&self, before: usize, epochs: usize) -> Self {
        let Self { decode, frozen, steps, evaluation, once } = *self;
        let times = epochs as f64 / before.max(1) as f64;
        // What is spent once is reading and the frozen stages, or all of it where there are no epochs.
        let read = decode + frozen;
        let kept = if read > 0.0 { (once / read).min(1.0) } else { 0.0 };
        let share = |value: f64| value * kept + value * (1.0 - kept) * times;
        Self {
            decode: share(decode),
            frozen: share(frozen),
            steps: steps * times,
            evaluation: evaluation * times,
            once,
        }
    }
}

/// What a plan does to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainableReport {
    pub phases: Vec<PhaseReport>,
    /// The seconds that measuring validation and test part takes in the end, where they were estimated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measuring: Option<f64>,
}

impl TrainableReport {
    /// Counts the parameters of `model` under each phase.
    pub fn new<B: Backbone, H: Head>(phases: &[ResolvedPhase], model: &Model<B, H>) -> Self {
        let all = parameters(model);
        let phases = phases
            .iter()
            .map(|resolved| {
                let mut rows: Vec<StageRow> = resolved
                    .settings
                    .iter()
                    .enumerate()
                    .map(|(index, setting)| StageRow {
                        stage: setting.name.clone(),
                        trainable: 0,
                        frozen: 0,
                        rate: setting.rate,
                        norm: "-".into(),
                        cached: index < resolved.cut,
                    })
                    .collect();
                for info in &all {
                    let Some(setting) = resolved.setting(&info.path) else { continue };
                    let Some(row) = rows.iter_mut().find(|row| row.stage == setting.name) else {
                        continue;
                    };
                    if is_statistic(&info.path) {
                        row.norm = if setting.statistics_move { "train" } else { "frozen" }.into();
                    } else if resolved.trains(&info.path) {
                        row.trainable += info.elements() as u64;
                    } else {
                        row.frozen += info.elements() as u64;
                    }
                }
                PhaseReport {
                    phase: resolved.phase.name.clone(),
                    epochs: resolved.phase.epochs,
                    stages: rows,
                    cached_bytes: 0,
                    memory_bytes: None,
                    seconds: None,
                    time: None,
                }
            })
            .collect();
        Self { phases, measuring: None }
    }

    /// The most parameters that any phase trains.
    pub fn trainable(&self) -> u64 {
        self.phases.iter().map(PhaseReport::trainable).max().unwrap_or(0)
    }
}

impl PhaseReport {
    /// The parameters that the phase trains.
    pub fn trainable(&self) -> u64 {
        self.stages.iter().map(|row| row.trainable).sum()
    }

    /// All parameters.
    pub fn total(&self) -> u64 {
        self.stages.iter().map(|row| row.trainable + row.frozen).sum()
    }
}

impl fmt::Display for TrainableReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in &self.phases {
            write!(
                out,
                "phase {} · {} epoch{} · {} of {} parameters trained",
                phase.phase,
                phase.epochs,
                if phase.epochs == 1 { "" } else { "s" },
                phase.trainable(),
                phase.total()
            )?;
            if phase.cached_bytes > 0 {
                write!(out, " · cache {:.1} MB", phase.cached_bytes as f64 / 1e6)?;
            }
            if let Some(bytes) = phase.memory_bytes {
                write!(out, " · about {:.0} MB of memory", bytes as f64 / 1e6)?;
            }
            if let Some(seconds) = phase.seconds {
                write!(out, " · about {seconds:.0} s")?;
            }
            writeln!(out)?;
            if let Some(PhaseTime { decode, frozen, steps, evaluation, .. }) = phase.time {
                writeln!(
                    out,
                    "  time: decode {decode:.1} s · frozen pass {frozen:.1} s · steps {steps:.1} s · evaluation {evaluation:.1} s"
                )?;
            }
            writeln!(
                out,
                "  {:<14} {:>11} {:>11} {:>9} {:>7}  cached",
                "stage", "trained", "frozen", "rate", "norm"
            )?;
            for row in &phase.stages {
                writeln!(
                    out,
                    "  {:<14} {:>11} {:>11} {:>9} {:>7}  {}",
                    row.stage,
                    row.trainable,
                    row.frozen,
                    if row.rate > 0.0 { format!("{:.1e}", row.rate) } else { "-".into() },
                    row.norm,
                    if row.cached { "yes" } else { "" }
                )?;
            }
        }
        Ok(())
    }
}
