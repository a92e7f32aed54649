//! Where an adaptation stands, in numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rows::AdaptRow;
use crate::validators::Scores;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    pub phase: usize,
    /// Epochs finished in the phase.
    pub epoch: usize,
    /// Pairs of batches of the current epoch that were used up.
    pub consumed: usize,
    /// Steps since the beginning of the run.
    pub step: u64,
    /// Steps in the phase.
    pub phase_step: u64,
    /// Steps since the method began.
    pub method_step: u64,
    pub sums: EpochSums,
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

/// What an epoch adds up.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSums {
    pub terms: BTreeMap<String, Mean>,
    pub notes: BTreeMap<String, Mean>,
    pub gradient_norm: Mean,
    pub rate: f64,
    pub seconds: f64,
}

/// A mean that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    pub fn value(self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}
