//! One file that holds all that a run needs to go on as if it had never stopped.
//!
//! Fitting and adapting keep the same things: values of whole modules, a moving average, the state of the
//! optimizer, and some numbers of their own, the `S` of a [`Checkpoint`].

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tl_core::optimizer::SavedMoments;

use crate::ema::Snapshot;
use crate::tensor_file::{read_tensors, write_tensors};
use crate::{Conduct, TrainError};

/// The name of the file in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// What decides the result of a run, by name and as text: a run goes on from a checkpoint only where all of it is the same.
pub type Identity = BTreeMap<&'static str, String>;

/// A run, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint<S> {
    /// Where the run stands.
    pub state: S,
    /// The values of modules by what they are, such as `model` and `best`.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// A moving average and its steps.
    pub average: Option<(u64, Snapshot)>,
    pub optimizer: BTreeMap<String, SavedMoments>,
}

/// The numbers that are no tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers<I, S> {
    identity: I,
    state: S,
    /// A module without parameters has no tensor, and was there all the same.
    snapshots: Vec<String>,
    average_steps: Option<u64>,
    optimizer_steps: BTreeMap<String, u64>,
}

/// The kinds of tensors beside the snapshots.
const AVERAGE: &str = "average";
const FIRST: &str = "first";
const SECOND: &str = "second";

impl<S: Serialize> Checkpoint<S> {
    /// Writes the file whole, or leaves the one before.
    ///
    /// # Errors
    /// When the disk is full or the place may not be written.
    pub fn write(&self, path: &Path, identity: &Identity) -> Result<(), TrainError> {
        let mut tensors: Vec<(String, &[f32])> = Vec::new();
        let modules = self.snapshots.iter().map(|(kind, values)| (kind.as_str(), values));
        let average = self.average.iter().map(|(_, values)| (AVERAGE, values));
        for (kind, snapshot) in modules.chain(average) {
            for (path, values) in snapshot {
                tensors.push((format!("{kind}/{path}"), values));
            }
        }
        for (path, moments) in &self.optimizer {
            tensors.push((format!("{FIRST}/{path}"), &moments.first));
            if let Some(second) = &moments.second {
                tensors.push((format!("{SECOND}/{path}"), second));
            }
        }
        let steps = |(path, moments): (&String, &SavedMoments)| (path.clone(), moments.steps);
        let numbers = Numbers {
            identity,
            state: &self.state,
            snapshots: self.snapshots.keys().cloned().collect(),
            average_steps: self.average.as_ref().map(|(steps, _)| *steps),
            optimizer_steps: self.optimizer.iter().map(steps).collect(),
        };
        write_tensors(path, &numbers, &tensors)
    }
}

impl<S: DeserializeOwned> Checkpoint<S> {
    /// Reads a file that [`Checkpoint::write`] wrote for a run with the same `identity`.
    ///
    /// # Errors
    /// When it cannot be read, is damaged, or belongs to another run.
    pub fn read(path: &Path, identity: &Identity) -> Result<Self, TrainError> {
        let (numbers, mut kinds) = read_tensors::<Numbers<BTreeMap<String, String>, S>>(path)?;
        for (&what, expected) in identity {
            if numbers.identity.get(what) != Some(expected) {
                return Err(TrainError::OtherRun { path: path.to_path_buf(), what });
            }
        }
        let mut take = |kind: &str| kinds.remove(kind).unwrap_or_default();
        let (first, mut second) = (take(FIRST), take(SECOND));
        let moments = |(path, first): (String, Vec<f32>)| {
            let steps = numbers.optimizer_steps.get(&path).copied().unwrap_or_default();
            let second = second.remove(&path);
            (path, SavedMoments { steps, first, second })
        };
        let optimizer = first.into_iter().map(moments).collect();
        let average = numbers.average_steps.map(|steps| (steps, take(AVERAGE)));
        let snapshots = numbers.snapshots.into_iter().map(|kind| (kind.clone(), take(&kind)));
        Ok(Self { state: numbers.state, snapshots: snapshots.collect(), average, optimizer })
    }

    /// The checkpoint in a run's folder, if it holds one.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn of_run(conduct: &Conduct, identity: &Identity) -> Result<Option<Self>, TrainError> {
        let path = conduct.out.as_ref().map(|out| out.join(CHECKPOINT));
        path.filter(|path| path.exists()).map(|path| Self::read(&path, identity)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_another_run_is_told_what_differs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CHECKPOINT);
        let identity =
            |seed: &str| Identity::from([("plan", "p".into()), ("settings", seed.into())]);
        let values = |value: f32| Snapshot::from([("a.weight".to_string(), vec![value, 2.0])]);
        let moments = SavedMoments { steps: 3, first: vec![0.1], second: Some(vec![0.2]) };
        let written = Checkpoint {
            state: 0.1_f64 + 0.2,
            snapshots: [("model".to_string(), values(1.0)), ("empty".into(), Snapshot::new())]
                .into(),
            average: Some((7, values(5.0))),
            optimizer: [("a.weight".to_string(), moments)].into(),
        };
        written.write(&path, &identity("0")).unwrap();
        let found = Checkpoint::<f64>::read(&path, &identity("0")).unwrap();
        assert_eq!(found.state.to_bits(), written.state.to_bits());
        assert_eq!((found.snapshots, found.average), (written.snapshots, written.average));
        assert_eq!(format!("{:?}", found.optimizer), format!("{:?}", written.optimizer));
        let error = Checkpoint::<f64>::read(&path, &identity("1")).unwrap_err().to_string();
        assert!(error.contains("made with another settings"), "{error}");
    }
}
