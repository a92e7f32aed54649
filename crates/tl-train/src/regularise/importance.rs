//! How much each weight matters to tasks that were learnt, kept for the next ones.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tl_core::gradients::visit_gradients;
use tl_core::parameters::{values, visit_parameters};
use tl_core::{Backbone, Head, Model, Pass};

use crate::ema::Snapshot;
use crate::tensor_file::{read_tensors, write_tensors};
use crate::{Dataset, TrainError};

/// By what importance is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// The Fisher information; see `ewc`.
    Ewc,
    /// How far the answers move; see `mas`.
    Mas,
    /// What each weight did for the loss on its way, which is taken while a network is trained; see `si`.
    Si,
}

impl Measure {
    /// All by name.
    pub const ALL: [(&'static str, Self); 3] =
        [("ewc", Self::Ewc), ("mas", Self::Mas), ("si", Self::Si)];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ewc => "ewc",
            Self::Mas => "mas",
            Self::Si => "si",
        }
    }
}

/// Weights after the tasks so far, and how much each matters to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    pub measure: Measure,
    pub weights: Snapshot,
    pub importance: Snapshot,
}

const WEIGHTS: &str = "weights";
const IMPORTANCE: &str = "importance";

/// What the file says beside its tensors.
#[derive(Serialize, Deserialize)]
struct Numbers {
    importance: Measure,
}

impl Importance {
    /// Of a path that ended at the weights of `model`, which `importance` was [found](crate::Fitted::importance) for.
    ///
    /// # Errors
    /// A device that fails.
    pub fn of_path<B: Backbone, H: Head>(
        model: &Model<B, H>,
        importance: Snapshot,
    ) -> Result<Self, TrainError> {
        Ok(Self { measure: Measure::Si, weights: weights_of(model)?, importance })
    }

    /// With what was known before beside it: its importance is added `decay` times, its weights are not needed any more (Schwarz et al. 2018, arXiv
    /// 1805.06370, section 3.2, online EWC; at 1 the sum).
    pub fn with_earlier(mut self, earlier: Self, decay: f64) -> Self {
        let importance = &mut self.importance;
        for (path, before) in earlier.importance {
            match importance.get_mut(&path) {
                Some(now) if now.len() == before.len() => {
                    for (now, before) in now.iter_mut().zip(before) {
                        *now = (f64::from(*now) + decay * f64::from(before)) as f32;
                    }
                }
                _ => {}
            }
        }
        self
    }

    /// What tells it from others.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (path, values) in self.weights.iter().chain(&self.importance) {
            hasher.update(path.as_bytes());
            values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Writes it whole, or leaves what was there.
    ///
    /// # Errors
    /// A disk that is full, a place that may not be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let of = |kind: &'static str, values: &'_ Snapshot| -> Vec<(String, Vec<f32>)> {
            values.iter().map(|(path, values)| (format!("{kind}/{path}"), values.clone())).collect()
        };
        let all = [of(WEIGHTS, &self.weights), of(IMPORTANCE, &self.importance)].concat();
        let all: Vec<(String, &[f32])> =
            all.iter().map(|(name, values)| (name.clone(), values.as_slice())).collect();
        write_tensors(path, &Numbers { importance: self.measure }, &all)
    }

    /// Reads what [`Importance::write`] wrote.
    ///
    /// # Errors
    /// A file that cannot be read or is damaged.
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let (numbers, mut kinds) = read_tensors::<Numbers>(path)?;
        let mut take = |kind: &str| kinds.remove(kind).unwrap_or_default();
        Ok(Self {
            measure: numbers.importance,
            weights: take(WEIGHTS),
            importance: take(IMPORTANCE),
        })
    }
}

/// The mean over `items`, one at a time, of what `measure` makes of the gradient of `loss` in each value of each trained parameter
/// of the stages. `model` stands on the autodiff device with its flags set.
///
/// # Errors
/// Items that cannot be read, a device that fails.
pub(super) fn mean_over_items<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    device: &Device,
    mut loss: impl FnMut(Tensor<2>, usize) -> Result<Tensor<1>, TrainError>,
    measure: fn(Tensor<1>) -> Tensor<1>,
) -> Result<Snapshot, TrainError> {
    let mut sums: BTreeMap<String, Tensor<1>> = BTreeMap::new();
    let mut count = 0;
    for batch in data.batches(items.to_vec(), 1, None, device) {
        let (found, input) = batch?;
        let Some(&item) = found.first() else { continue };
        let logits = model.forward(input.autodiff(), Pass::default())?;
        let gradients = loss(logits, item)?.backward();
        visit_gradients(&model.backbone, &gradients, |path, gradient| {
            let path = format!("backbone.{path}");
            let own = measure(gradient);
            let sum = match sums.remove(&path) {
                Some(sum) => sum + own,
                None => own,
            };
            sums.insert(path, sum);
        });
        count += 1;
    }
    if count == 0 {
        return Err(TrainError::NothingToUse {
            part: "training",
            mend: "see which items were skipped",
        });
    }
    let mean = |(path, sum): (String, Tensor<1>)| Ok((path, values(sum / f64::from(count))?));
    sums.into_iter().map(mean).collect::<Result<_, String>>().map_err(TrainError::Device)
}

/// The values of the stages of a model by path.
///
/// # Errors
/// A device that fails.
pub(super) fn weights_of<B: Backbone, H: Head>(
    model: &Model<B, H>,
) -> Result<Snapshot, TrainError> {
    let mut found = Snapshot::new();
    let mut failure = None;
    visit_parameters(model, |info, value| {
        if info.path.starts_with("backbone.") {
            match values(value) {
                Ok(values) => {
                    found.insert(info.path.clone(), values);
                }
                Err(reason) => failure = Some(reason),
            }
        }
    });
    failure.map_or(Ok(found), |reason| Err(TrainError::Device(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn importance(value: f32) -> Importance {
        let of =
            |value: f32| Snapshot::from([("backbone.w".to_string(), vec![value, 2.0 * value])]);
        Importance { measure: Measure::Ewc, weights: of(-value), importance: of(value) }
    }

    #[test]
    fn what_was_written_is_read_as_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("importance.safetensors");
        importance(0.3).write(&path).unwrap();
        assert_eq!(Importance::open(&path).unwrap(), importance(0.3));
        std::fs::write(&path, b"no").unwrap();
        assert!(Importance::open(&path).is_err());
    }

    #[test]
    fn an_earlier_task_is_remembered_by_its_share() {
        let found = importance(1.0).with_earlier(importance(4.0), 0.5);
        assert_eq!(found.importance["backbone.w"], [3.0, 6.0]);
        assert_eq!(found.weights, importance(1.0).weights);
    }
}
