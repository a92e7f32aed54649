//! One file that holds all that a pre-training needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_core::optimizer::SavedMoments;
use tl_train::ema::Snapshot;
use tl_train::tensor_file::{read_tensors, write_tensors};

use crate::SslError;
use crate::monitor::Monitor;
use crate::rows::PretrainRow;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// What the run was made with, as text.
    pub identity: BTreeMap<String, String>,
    /// Epochs finished.
    pub epoch: usize,
    /// Images of the current epoch's order that were used up.
    pub consumed: usize,
    /// Steps since the beginning of the run.
    pub step: u64,
    pub sums: EpochSums,
    pub monitor: Monitor,
    pub rows: Vec<PretrainRow>,
}

/// What an epoch adds up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSums {
    pub terms: BTreeMap<String, f64>,
    pub notes: BTreeMap<String, f64>,
    pub gradient_norm: f64,
    pub steps: u64,
    pub rate: f64,
    pub seconds: f64,
}

/// A run, taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    pub state: State,
    /// The network and the method's own.
    pub joint: Snapshot,
    /// Their moving average, where the method has one.
    pub teacher: Snapshot,
    pub optimizer: BTreeMap<String, SavedMoments>,
}

#[derive(Serialize, Deserialize)]
struct Numbers {
    state: State,
    optimizer_steps: BTreeMap<String, u64>,
}

impl Checkpoint {
    pub fn write(&self, path: &Path) -> Result<(), SslError> {
        let mut tensors: Vec<(String, &[f32])> = Vec::new();
        for (kind, snapshot) in [("joint", &self.joint), ("teacher", &self.teacher)] {
            tensors.extend(snapshot.iter().map(|(path, it)| (format!("{kind}/{path}"), &it[..])));
        }
        for (path, moments) in &self.optimizer {
            tensors.push((format!("first/{path}"), &moments.first));
            if let Some(second) = &moments.second {
                tensors.push((format!("second/{path}"), second));
            }
        }
        let optimizer_steps = self.optimizer.iter().map(|(path, it)| (path.clone(), it.steps));
        let numbers =
            Numbers { state: self.state.clone(), optimizer_steps: optimizer_steps.collect() };
        Ok(write_tensors(path, &numbers, &tensors)?)
    }

    pub fn read(path: &Path) -> Result<Self, SslError> {
        let (numbers, mut kinds) = read_tensors::<Numbers>(path)?;
        let mut take = |kind: &str| kinds.remove(kind).unwrap_or_default();
        let (joint, teacher) = (take("joint"), take("teacher"));
        let (first, mut second) = (take("first"), take("second"));
        let optimizer = first
            .into_iter()
            .map(|(path, first)| {
                let steps = numbers.optimizer_steps.get(&path).copied().unwrap_or_default();
                let second = second.remove(&path);
                (path, SavedMoments { steps, first, second })
            })
            .collect();
        Ok(Self { state: numbers.state, joint, teacher, optimizer })
    }
}
