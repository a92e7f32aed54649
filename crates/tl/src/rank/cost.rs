//! What fine-tuning a candidate would cost.

use serde::{Deserialize, Serialize};

use super::{Candidate, RankRequest};
use crate::{Error, Recipe, Request, prepare};

/// The cost of `tl finetune` with the recipe `finetune`; of a cut with all stages up to it frozen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Parameters that are trained.
    pub trained_parameters: u64,
    /// Measured on two small steps and drawn out, where the program counts its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// Lays out the fitting of `candidate` and reads its cost from the report.
///
/// # Errors
/// As [`prepare`].
pub(super) fn cost(request: &RankRequest, candidate: &Candidate) -> Result<Cost, Error> {
    let mut wanted = Request::new(request.examples.clone(), &request.data, &request.device);
    wanted.options = request.options(candidate);
    wanted.options.tuning.recipe = Recipe::Finetune;
    wanted.options.tuning.freeze_through.clone_from(&candidate.stage);
    wanted.threads = request.threads;
    let report = prepare(wanted)?.report;
    Ok(Cost {
        trained_parameters: report.trainable(),
        seconds: report.phases.iter().map(|phase| phase.seconds).sum(),
        memory_bytes: report.phases.iter().filter_map(|phase| phase.memory_bytes).max(),
    })
}
