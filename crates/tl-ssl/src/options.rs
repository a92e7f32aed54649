//! What a pre-training may be told beside its plan.

use serde::{Deserialize, Serialize};

use crate::SslError;

/// The settings of a run that decide its result; a checkpoint holds them and a resume compares them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub seed: u64,
    /// Images in a step.
    pub batch_size: usize,
    /// Whether a collapse of the features ends the run.
    pub monitor: bool,
    /// Whether the weights are random: then the method may begin with its own.
    pub fresh: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, batch_size: 128, monitor: true, fresh: true }
    }
}

impl Settings {
    /// # Errors
    /// A number that makes no sense.
    pub fn validate(&self) -> Result<(), SslError> {
        if self.batch_size == 0 {
            let (what, expected) = ("the batch size", "a whole number from 1");
            return Err(SslError::BadOption { what, value: "0".into(), expected });
        }
        Ok(())
    }
}
