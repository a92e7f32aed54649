//! What is noted down for each epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::monitor::Spread;

/// One line of `metrics.jsonl`: an epoch of pre-training. Epoch 0 is the network before the first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainRow {
    pub method: String,
    pub epoch: usize,
    /// Steps since the beginning of the run.
    pub step: u64,
    /// The mean of every loss term over the epoch, without its weight.
    pub terms: BTreeMap<String, f64>,
    /// The mean of every other number that the method notes.
    pub notes: BTreeMap<String, f64>,
    /// How different the features of the images are, at the last look.
    pub spread: Option<Spread>,
    /// The accuracy of the nearest neighbours, where there are labels to measure it by. It chooses nothing.
    pub knn: Option<f64>,
    pub learning_rate: f64,
    /// The mean over the epoch's steps.
    pub gradient_norm: f64,
    /// Measured, as `resident_mb`: these alone differ between two runs of the same settings.
    pub seconds: f64,
    /// Megabytes of memory that the program holds at the end of the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_mb: Option<f64>,
}

impl PretrainRow {
    /// One line for people.
    pub fn describe(&self) -> String {
        let mut line = format!("epoch {} ({}):", self.epoch, self.method);
        for (name, value) in self.terms.iter().chain(&self.notes) {
            line += &format!(" {name} {value:.4}");
        }
        if let Some(Spread { deviation, effective_rank }) = self.spread {
            line += &format!(" · deviation {deviation:.3}, {effective_rank:.1} directions");
        }
        if let Some(knn) = self.knn {
            line += &format!(" · k-NN {:.1} %", 100.0 * knn);
        }
        line + &format!(" · {:.1} s", self.seconds)
    }
}
