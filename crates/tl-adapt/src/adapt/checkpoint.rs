//! One file that holds all that an adaptation needs to go on as if it had never stopped.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_core::optimizer::SavedMoments;
use tl_train::ema::Snapshot;
use tl_train::tensor_file::{read_tensors, write_tensors};

use crate::AdaptError;
use crate::rows::AdaptRow;
use crate::validators::Scores;

/// Where a run stands after a whole epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// What the run was made with, as text.
    pub identity: BTreeMap<String, String>,
    pub phase: usize,
    /// Epochs finished in the phase.
    pub epoch: usize,
    /// Steps since the beginning of the run.
    pub step: u64,
    /// Steps in the phase.
    pub phase_step: u64,
    /// Steps since the method began.
    pub method_step: u64,
    pub rows: Vec<AdaptRow>,
    /// The row whose weights are kept.
    pub chosen: Option<usize>,
    /// Epochs of the phase that the validator did not prefer.
    pub stale: usize,
    /// When the method began: the A-distance, what the validators said, and the predictions for
    /// each class.
    pub before: Option<Before>,
    pub finished: bool,
}

/// What was known before the method began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub a_distance: Option<f64>,
    pub scores: Scores,
    pub predicted: Vec<usize>,
}

/// A run, taken apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checkpoint {
    pub state: State,
    /// Model and the method's networks.
    pub joint: Snapshot,
    pub chosen: Option<Snapshot>,
    pub teacher: Option<(u64, Snapshot)>,
    /// The model as it was when the method began.
    pub origin: Option<Snapshot>,
    pub optimizer: BTreeMap<String, SavedMoments>,
}

#[derive(Serialize, Deserialize)]
struct Numbers {
    state: State,
    teacher_steps: Option<u64>,
    optimizer_steps: BTreeMap<String, u64>,
    has_chosen: bool,
    has_origin: bool,
}

impl Checkpoint {
    pub fn write(&self, path: &Path) -> Result<(), AdaptError> {
        let mut tensors: Vec<(String, &[f32])> = Vec::new();
        for (kind, snapshot) in [
            ("joint", Some(&self.joint)),
            ("chosen", self.chosen.as_ref()),
            ("teacher", self.teacher.as_ref().map(|(_, snapshot)| snapshot)),
            ("origin", self.origin.as_ref()),
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
            teacher_steps: self.teacher.as_ref().map(|(steps, _)| *steps),
            optimizer_steps: self.optimizer.iter().map(|(p, m)| (p.clone(), m.steps)).collect(),
            has_chosen: self.chosen.is_some(),
            has_origin: self.origin.is_some(),
        };
        Ok(write_tensors(path, &numbers, &tensors)?)
    }

    pub fn read(path: &Path) -> Result<Self, AdaptError> {
        let (numbers, mut kinds) = read_tensors::<Numbers>(path)?;
        let mut take = |kind: &str| kinds.remove(kind).unwrap_or_default();
        let (joint, chosen, teacher, origin) =
            (take("joint"), take("chosen"), take("teacher"), take("origin"));
        let (first, mut second) = (take("first"), take("second"));
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
            joint,
            chosen: numbers.has_chosen.then_some(chosen),
            teacher: numbers.teacher_steps.map(|steps| (steps, teacher)),
            origin: numbers.has_origin.then_some(origin),
            optimizer,
        })
    }
}
