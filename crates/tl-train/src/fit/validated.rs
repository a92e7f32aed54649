//! What is noted down of a validation, whatever was answered.

use crate::metrics::{Measure, Regression};
use crate::numbers::Scale;

/// A model that was measured on the validation part.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Validated {
    pub loss: f64,
    /// What chooses among epochs, unless it is the loss.
    pub score: f64,
    pub accuracy: Option<f64>,
    /// Of words with tags.
    pub entity_f1: Option<f64>,
    /// Of numbers.
    pub r2: Option<f64>,
}

impl From<&Measure> for Validated {
    fn from(found: &Measure) -> Self {
        let (accuracy, entity_f1) = (Some(found.accuracy), found.entity_f1);
        Self { loss: found.loss, score: found.score(), accuracy, entity_f1, r2: None }
    }
}

impl Validated {
    /// Of numbers that are learnt in this scale, where their loss is the squared error. Among epochs it is R² that chooses: where
    /// that is not defined the loss does, which tells the same.
    pub fn of_numbers(found: &Regression, scale: Scale) -> Self {
        let loss = (found.root_mean_squared_error / scale.deviation).powi(2);
        let score = found.r2.unwrap_or(-loss);
        Self { loss, score, r2: found.r2, ..Self::default() }
    }
}
