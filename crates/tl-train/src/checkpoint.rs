//! One file that holds all that a run needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_core::optimizer::SavedMoments;

use crate::TrainError;
use crate::ema::Snapshot;
use crate::progress::EpochRow;
use crate::tensor_file::{read_tensors, write_tensors};

/// The name of the file in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What the run was made with: plan, settings, data and weights, as text.
    pub identity: BTreeMap<String, String>,
    pub phase: usize,
    /// Epochs finished in the phase.
    pub epoch: usize,
    /// Images of the current epoch's order that were used up.
    pub consumed: usize,
    /// Optimizer steps since the beginning of the run.
    pub step: u64,
    /// Optimizer steps in the phase.
    pub phase_step: u64,
    pub sums: EpochSums,
    pub rows: Vec<EpochRow>,
    pub best: Option<BestEpoch>,
    /// Epochs of the phase without a better validation accuracy.
    pub stale: usize,
    pub finished: bool,
}

/// What an epoch adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochSums {
    pub loss: f64,
    pub gradient_norm: f64,
    pub images: u64,
    pub steps: u64,
    pub seconds: f64,
    pub rate: f64,
}

/// The epoch whose weights are kept as the best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    pub epoch: usize,
    pub accuracy: f64,
    pub loss: f64,
}

/// A run, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub state: State,
    pub model: Snapshot,
    pub best: Option<Snapshot>,
    pub ema: Option<(u64, Snapshot)>,
    pub optimizer: BTreeMap<String, SavedMoments>,
}

/// The numbers that are no tensors.
#[derive(Serialize, Deserialize)]
struct Numbers {
    state: State,
    ema_steps: Option<u64>,
    optimizer_steps: BTreeMap<String, u64>,
    has_best: bool,
}

impl Checkpoint {
    /// Writes the file whole, or leaves the one before.
    ///
    /// # Errors
    /// When the disk is full or the place may not be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors: Vec<(String, &[f32])> = Vec::new();
        for (kind, snapshot) in [
            ("model", Some(&self.model)),
            ("best", self.best.as_ref()),
            ("ema", self.ema.as_ref().map(|(_, snapshot)| snapshot)),
        ] {
            for (path, values) in snapshot.into_iter().flatten() {
                tensors.push((format!("{kind}/{path}"), values));
            }
        }
        for (path, moments) in &self.optimizer {
            tensors.push((format!("first/{path}"), &moments.first));
            if let Some(second) = &moments.second {
                tensors.push((format!("second/{path}"), second));
            }
        }
        let numbers = Numbers {
            state: self.state.clone(),
            ema_steps: self.ema.as_ref().map(|(steps, _)| *steps),
            optimizer_steps: self.optimizer.iter().map(|(p, m)| (p.clone(), m.steps)).collect(),
            has_best: self.best.is_some(),
        };
        write_tensors(path, &numbers, &tensors)
    }

    /// Reads a file that [`Checkpoint::write`] wrote.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let (numbers, mut kinds) = read_tensors::<Numbers>(path)?;
        let mut take = |kind: &str| kinds.remove(kind).unwrap_or_default();
        let (model, best, ema, first, mut second) =
            (take("model"), take("best"), take("ema"), take("first"), take("second"));
        let optimizer = first
            .into_iter()
            .map(|(path, first)| {
                let steps = numbers.optimizer_steps.get(&path).copied().unwrap_or_default();
                let second = second.remove(&path);
                (path, SavedMoments { steps, first, second })
            })
            .collect();
        Ok(Self {
            state: numbers.state,
            model,
            best: numbers.has_best.then_some(best),
            ema: numbers.ema_steps.map(|steps| (steps, ema)),
            optimizer,
        })
    }
}
