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
}

/// What a plan does to a network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainableReport {
    pub phases: Vec<PhaseReport>,
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
                }
            })
            .collect();
        Self { phases }
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
