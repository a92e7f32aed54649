//! What is noted down of a validation, whatever was answered.

use tl_core::{Backbone, Head, Model};

use super::feed::Feed;
use super::predict::{classify, measure_targets};
use super::session::Session;
use crate::metrics::{Measure, Regression, SeveralLabels};
use crate::numbers::Scale;
use crate::progress::Progress;
use crate::{Dataset, TrainError};

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
    /// Of items that may have several labels.
    pub mean_average_precision: Option<f64>,
}

impl From<&Measure> for Validated {
    fn from(found: &Measure) -> Self {
        let (accuracy, entity_f1) = (Some(found.accuracy), found.entity_f1);
        let (loss, score) = (found.loss, found.score());
        Self { loss, score, accuracy, entity_f1, ..Self::default() }
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

    /// Of items that may have several labels. Among epochs the mean average precision chooses: where no class occurs the loss does.
    pub fn of_several(found: &SeveralLabels) -> Self {
        let mean_average_precision = found.mean_average_precision;
        let score = mean_average_precision.unwrap_or(-found.loss);
        Self { loss: found.loss, score, mean_average_precision, ..Self::default() }
    }

    /// Whether it is better than the `best` so far, a score and a loss: where items have several answers by the loss, else by the
    /// score and of equals by the loss.
    pub fn is_better(&self, best: Option<(f64, f64)>, data: &dyn Dataset) -> bool {
        best.is_none_or(|(score, loss)| match data.targets(&[], None) {
            Some(_) => self.loss < loss,
            None => self.score > score || self.score == score && self.loss < loss,
        })
    }
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Measures a plain model, from the cut on, on these rows of the validation part; nothing where none has an answer.
    pub(super) fn validate(
        &self,
        model: &Model<B, H>,
        feed: &Feed<'_>,
        cut: usize,
        rows: &[usize],
        progress: &mut dyn Progress,
    ) -> Result<Option<Validated>, TrainError> {
        let (data, batch_size) = (self.task.data, self.settings.batch_size);
        if data.targets(&[], None).is_some() {
            let batches = feed.batches(rows.to_vec(), batch_size, None, &self.device);
            let found = measure_targets(model, batches, (cut, rows.len()), data, progress)?;
            return Ok(found.as_ref().map(Validated::from));
        }
        let found = classify(model, feed, (cut, data), rows, batch_size, &self.device, progress)?;
        if let Some(several) = data.several() {
            let found = found.several(data.items().classes(), several)?;
            return Ok(found.as_ref().map(Validated::of_several));
        }
        if let Some(numbers) = data.numbers() {
            let found = found.regression(&numbers.values, numbers.scale)?;
            return Ok(found.map(|found| Validated::of_numbers(&found, numbers.scale)));
        }
        let found = found.measure(data, data.items().classes(), &data.items_of(rows))?;
        Ok(found.as_ref().map(Measure::from).as_ref().map(Validated::from))
    }
}
