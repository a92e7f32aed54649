//! The accuracy on target labels, for comparison alone.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::{Backbone, Head, Model, Pass};
use tl_train::metrics::argmax;

use crate::AdaptError;
use crate::domains::LabelledExamples;
use crate::outputs::Outputs;

/// The share of target test examples that are predicted right.
///
/// It can be printed and written down; no function that chooses takes it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OracleAccuracy(f64);

impl OracleAccuracy {
    /// From predictions and labels.
    pub fn of(outputs: &Outputs, labels: &[usize]) -> Self {
        let right =
            outputs.logit_rows().zip(labels).filter(|(row, label)| argmax(row) == **label).count();
        Self(right as f64 / labels.len().max(1) as f64)
    }

    /// From 0 to 1, for tables.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// Labelled target examples that a run measures beside its choice, under the name oracle.
#[derive(Clone, Debug)]
pub struct Oracle {
    test: LabelledExamples,
    batch_size: usize,
}

impl Oracle {
    /// # Errors
    /// No example, or another number of labels.
    pub fn new(test: LabelledExamples) -> Result<Self, AdaptError> {
        let (found, expected) = (test.labels.len(), test.examples.len());
        if expected == 0 {
            return Err(AdaptError::Empty { part: "oracle's test part" });
        }
        if found != expected {
            return Err(AdaptError::Count { what: "labels", found, expected });
        }
        Ok(Self { test, batch_size: 256 })
    }

    /// Measures a plain model.
    ///
    /// # Errors
    /// As [`Model::forward`].
    pub fn measure<B: Backbone + Sync + 'static, H: Head>(
        &self,
        model: &Model<B, H>,
        device: &Device,
    ) -> Result<OracleAccuracy, AdaptError> {
        let device = device.clone().without_autodiff();
        let items: Vec<usize> = (0..self.test.examples.len()).collect();
        let mut outputs = Outputs { classes: model.head.classes(), ..Outputs::default() };
        let frozen = model.backbone.compile(0..model.backbone.stages().len());
        for chunk in items.chunks(self.batch_size) {
            let output = frozen.forward(self.test.examples.batch(chunk, &device)?)?;
            let logits = model.head.forward(output, Pass::default())?;
            let rows = tl_core::Activation::Vector(logits).into_rows();
            outputs.logits.extend(rows.map_err(AdaptError::device)?);
        }
        Ok(OracleAccuracy::of(&outputs, &self.test.labels))
    }
}
