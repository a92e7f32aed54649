//! What an adaptation may be told beside its plan.

use serde::{Deserialize, Serialize};

use crate::{AdaptError, Validator};

/// How the two batches of a step go through the norms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batches {
    /// One after the other: each domain is normalised by its own statistics, in training and, for
    /// methods that train with target batches, when the model answers. Without this an adversary
    /// sees whatever the shared statistics leave of the shift. Methods that change rows of one domain by
    /// those of the other on their way, such as MixStyle, have them together all the same.
    #[default]
    Apart,
    /// As one batch: the norms see the mixture, and running statistics are the mixture's.
    Together,
}

/// Which weights a run keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Those of the epoch that the validator prefers.
    #[default]
    Chosen,
    /// Those of the last step.
    Last,
}

/// The settings of a run that decide its result; a checkpoint holds them and a resume compares
/// them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub seed: u64,
    /// Examples of each domain in a step.
    pub batch_size: usize,
    /// How many leading phases of the plan train on the source alone, whatever the method.
    pub source_phases: usize,
    pub validator: Validator,
    pub keep: Keep,
    /// Ends a phase after this many epochs that the validator does not prefer to the best one.
    pub patience: Option<usize>,
    pub batches: Batches,
    /// Whether the norms get the target's statistics before the model answers there, whatever the
    /// method.
    pub target_norms: bool,
    /// The most examples of each part that validators look at.
    pub evidence: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            batch_size: 64,
            source_phases: 0,
            validator: Validator::InformationMaximisation,
            keep: Keep::Chosen,
            patience: None,
            batches: Batches::Apart,
            target_norms: false,
            evidence: 1000,
        }
    }
}

impl Settings {
    /// # Errors
    /// A number that makes no sense.
    pub fn validate(&self, phases: usize) -> Result<(), AdaptError> {
        let bad = |what, value: usize, expected| {
            Err(AdaptError::BadOption { what, value: value.to_string(), expected })
        };
        if self.batch_size == 0 {
            return bad("the batch size", 0, "a whole number from 1");
        }
        if self.patience == Some(0) {
            return bad("the patience", 0, "a whole number of epochs from 1");
        }
        if self.evidence < 2 {
            return bad("the validators' examples", self.evidence, "a whole number from 2");
        }
        if self.source_phases > phases {
            return bad(
                "the number of source phases",
                self.source_phases,
                "at most the plan's phases",
            );
        }
        Ok(())
    }
}
