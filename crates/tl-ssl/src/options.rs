//! What a pre-training may be told beside its plan.

use serde::{Deserialize, Serialize};

use crate::{SslError, ViewOptions};

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
    /// Parts in which a batch is embedded one after another, for less memory; the gradient is that of the
    /// whole batch. 1 for the batch in one piece.
    pub parts: usize,
    /// The weight decay at the end of the run, to which the plan's moves along half a cosine.
    pub last_weight_decay: Option<f64>,
    /// Changes to the method's views.
    pub views: ViewOptions,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            batch_size: 128,
            monitor: true,
            fresh: true,
            parts: 1,
            last_weight_decay: None,
            views: ViewOptions::default(),
        }
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
        if !(1..=self.batch_size).contains(&self.parts) {
            let (what, expected) = ("the number of parts", "one from 1 up to the batch size");
            return Err(SslError::BadOption { what, value: self.parts.to_string(), expected });
        }
        if let Some(decay) = self.last_weight_decay.filter(|it| !(it.is_finite() && *it >= 0.0)) {
            let (what, expected) = ("the last weight decay", "a number from 0");
            return Err(SslError::BadOption { what, value: decay.to_string(), expected });
        }
        self.views.validate()
    }
}
