//! What is noted down for each epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::OracleAccuracy;
use crate::validators::Scores;

/// One line of `metrics.jsonl`: an epoch of an adaptation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaptRow {
    pub phase: String,
    /// The method, `source` in the source phases.
    pub method: String,
    /// Counted from 1 over all phases.
    pub epoch: usize,
    /// Steps since the beginning of the run; a step has one update for each of the method's rounds.
    pub step: u64,
    /// The mean of every loss term over the epoch, without its weight; `classification` is the
    /// cross-entropy on the source.
    pub terms: BTreeMap<String, f64>,
    /// The mean of every other number that the method notes, such as `lambda` and
    /// `domain_accuracy`.
    pub notes: BTreeMap<String, f64>,
    /// What the validators say; `source_accuracy` is among them.
    pub scores: Scores,
    /// How many of the target examples at hand are predicted as each class.
    pub predicted: Vec<usize>,
    /// The proxy A-distance between the features of both domains, 0 to 2; absent where it cannot be
    /// measured.
    pub a_distance: Option<f64>,
    /// Accuracy on target labels, where the caller has some. It chooses nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oracle: Option<OracleAccuracy>,
    /// The head's rate at the last step.
    pub learning_rate: f64,
    /// The mean over the epoch's updates.
    pub gradient_norm: f64,
    /// The only number that differs between two runs of the same settings.
    pub seconds: f64,
}

impl AdaptRow {
    /// One line for people.
    pub fn describe(&self) -> String {
        let mut line = format!("epoch {} ({}):", self.epoch, self.method);
        for (name, value) in self.terms.iter().chain(&self.notes) {
            line += &format!(" {name} {value:.4}");
        }
        for (validator, score) in &self.scores.0 {
            line += &format!(" · {} {score:.4}", validator.name());
        }
        if let Some(distance) = self.a_distance {
            line += &format!(" · A-distance {distance:.3}");
        }
        if let Some(oracle) = self.oracle {
            line += &format!(" · oracle {:.4}", oracle.value());
        }
        line + &format!(" · {:.1} s", self.seconds)
    }
}
