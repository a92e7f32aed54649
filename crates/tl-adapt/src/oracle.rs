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

#[cfg(test)]
mod tests {
    use tl_core::RowShape;

    use super::*;
    use crate::Examples;

    fn test_part(examples: usize, labels: usize) -> Result<Oracle, AdaptError> {
        let values = vec![0.0; 2 * examples];
        let examples = Examples::Rows { shape: RowShape::Vector { width: 2 }, values };
        Oracle::new(LabelledExamples { examples, labels: vec![0; labels] })
    }

    #[test]
    fn an_oracle_without_examples_or_with_other_labels_says_the_mend() {
        let message = |oracle: Result<Oracle, AdaptError>| oracle.unwrap_err().to_string();
        let empty = message(test_part(0, 0));
        assert!(empty.contains("oracle's test part holds no example; give"), "{empty}");
        let other = message(test_part(3, 2));
        assert_eq!(other, "labels: 2 were given, 3 fit");
        assert!(test_part(3, 3).is_ok());
    }

    #[test]
    fn the_share_of_right_predictions_is_counted() {
        let outputs = Outputs {
            logits: vec![1.0, 0.0, 0.0, 1.0, 2.0, 1.0],
            classes: 2,
            ..Outputs::default()
        };
        let found = OracleAccuracy::of(&outputs, &[0, 1, 1]);
        assert!((found.value() - 2.0 / 3.0).abs() < 1e-15);
    }
}
