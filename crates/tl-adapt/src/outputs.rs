//! What a model answers for a part of the data, on the host.

pub use tl_train::metrics::softmax_at as softmax;

use crate::AdaptError;

/// Features and logits of some examples, row after row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// `[rows, width]`
    pub features: Vec<f32>,
    /// `[rows, classes]`
    pub logits: Vec<f32>,
    pub width: usize,
    pub classes: usize,
}

impl Outputs {
    /// The number of examples.
    pub fn rows(&self) -> usize {
        self.logits.len() / self.classes.max(1)
    }

    /// The features of each example.
    pub fn feature_rows(&self) -> impl Iterator<Item = &[f32]> + Clone {
        self.features.chunks_exact(self.width.max(1))
    }

    /// The logits of each example.
    pub fn logit_rows(&self) -> impl Iterator<Item = &[f32]> {
        self.logits.chunks_exact(self.classes.max(1))
    }

    /// The likeliest class of each example.
    pub fn predictions(&self) -> Vec<usize> {
        self.logit_rows().map(tl_train::metrics::argmax).collect()
    }

    /// The probabilities of each example, in f64.
    pub fn probabilities(&self) -> Vec<Vec<f64>> {
        self.logit_rows().map(|row| softmax(row, 1.0)).collect()
    }

    /// The examples `items` alone.
    pub fn select(&self, items: &[usize]) -> Self {
        let take = |values: &[f32], width: usize| {
            items.iter().flat_map(|&item| values[item * width..][..width].iter().copied()).collect()
        };
        Self {
            features: take(&self.features, self.width),
            logits: take(&self.logits, self.classes),
            ..*self
        }
    }

    /// # Errors
    /// When there is no example, or features and logits do not fit each other.
    pub fn check(&self, part: &'static str) -> Result<(), AdaptError> {
        let rows = self.rows();
        if rows == 0 || self.width == 0 {
            return Err(AdaptError::Empty { part });
        }
        let (found, expected) = (self.features.len(), rows * self.width);
        if found == expected && self.logits.len() == rows * self.classes {
            return Ok(());
        }
        Err(AdaptError::Count { what: "values of features", found, expected })
    }
}

/// [`Outputs`] and the label of each example. The target has none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledOutputs {
    pub outputs: Outputs,
    pub labels: Vec<usize>,
}

impl LabelledOutputs {
    /// # Errors
    /// As [`Outputs::check`], and a label for another number of examples or beyond the classes.
    pub fn check(&self, part: &'static str) -> Result<(), AdaptError> {
        self.outputs.check(part)?;
        let (found, expected) = (self.labels.len(), self.outputs.rows());
        if found != expected {
            return Err(AdaptError::Count { what: "labels", found, expected });
        }
        let classes = self.outputs.classes;
        match self.labels.iter().position(|&label| label >= classes) {
            Some(example) => {
                Err(AdaptError::Label { part, example, label: self.labels[example], classes })
            }
            None => Ok(()),
        }
    }
}

/// −Σ p·log p in nats.
pub fn entropy(probabilities: &[f64]) -> f64 {
    probabilities.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}
