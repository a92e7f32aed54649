//! Where a run stands, in numbers.

use serde::{Deserialize, Serialize};

use crate::progress::EpochRow;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
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
    /// Epochs of the phase without a better validation accuracy, or what stands for it.
    pub stale: usize,
    pub finished: bool,
    /// Whether the run ended at its deadline, before its plan was done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_time: bool,
    /// What the clock of the deadline showed, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_used: Option<f64>,
}

/// What an epoch adds up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EpochSums {
    pub loss: f64,
    pub gradient_norm: f64,
    pub images: u64,
    pub steps: u64,
    pub seconds: f64,
    pub rate: f64,
}

/// The epoch whose weights are kept as the best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BestEpoch {
    pub epoch: usize,
    /// Of tagged words the F1 of entities, of numbers R².
    pub accuracy: f64,
    pub loss: f64,
}
