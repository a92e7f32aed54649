//! `report.html`: what a run did and how well, in one file that needs nothing else.
//!
//! The page holds no script and needs no other file: it opens from a disk, a mail or an archive,
//! follows the reader's light or dark setting, and fits a telephone. All text is escaped.
//!
//! ```
//! use tl_train::report::{ReportInput, render};
//!
//! let page = render(&ReportInput {
//!     title: "cats & dogs".to_string(),
//!     ..ReportInput::default()
//! });
//! assert!(page.contains("<title>cats &amp; dogs</title>"));
//! ```

mod bars;
mod chart;
mod confusion;
mod curves;
mod figures;
mod gallery;
mod heat;
mod lines;
mod marks;
mod markup;
mod page;
mod picture;
mod reliability;
mod scatter;
mod sections;
mod tables;

pub use gallery::Shot;
pub use heat::Heat;
pub use lines::{Line, Place, Plot, Value};
pub use page::render;
pub use picture::picture;
pub use reliability::Reliability;
pub use sections::{Bars, Cloud, Link, Map, Passage, PictureRow, Section, Table};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::metrics::Evaluation;
use crate::progress::EpochRow;

/// Everything the page shows; a section without content is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReportInput {
    pub title: String,
    /// The command line that made the run, as one would paste it.
    pub command: String,
    /// In words: `finished`, `interrupted after epoch 3` …
    pub status: String,
    pub headline: Headline,
    /// One row an epoch, in order.
    pub curves: Vec<EpochRow>,
    /// The part that `evaluation` was measured on: `test`, `validation`.
    pub evaluation_part: String,
    pub evaluation: Option<Evaluation>,
    /// What a verb adds of its own, between the training and the evaluation.
    pub sections: Vec<Section>,
    pub trainable: Vec<TrainableRow>,
    /// The lines of the report on loading the weights.
    pub load: Vec<String>,
    pub skipped: Vec<SkippedImage>,
    /// An object, whose entries become rows.
    pub configuration: serde_json::Value,
    /// Program or library and its version.
    pub versions: BTreeMap<String, String>,
    pub seeds: Vec<u64>,
    /// Duration of the run in seconds.
    pub seconds: f64,
}

/// The result in one look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    pub test: Option<Accuracy>,
    pub validation: Option<Accuracy>,
    /// What else tells how good it is: of a language model its perplexity, of tagged words the F1 of entities.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Which weights were kept: `best (epoch 7)`, `last`, `EMA` …
    pub weights: String,
}

/// A figure that is no accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    pub name: String,
    pub value: String,
    /// The 95 % interval, `[low, high]`, written as the value is.
    pub interval: Option<[String; 2]>,
    /// Number of what was measured, and its name: `223 entities`.
    pub n: String,
}

/// An accuracy and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// From 0 to 1.
    pub accuracy: f64,
    /// The 95 % interval, `[low, high]`.
    pub interval: [f64; 2],
    /// Number of images.
    pub n: u64,
}

impl From<&Evaluation> for Accuracy {
    fn from(evaluation: &Evaluation) -> Self {
        Self { accuracy: evaluation.accuracy, interval: evaluation.interval, n: evaluation.n }
    }
}

/// One stage in one phase: what of it is trained, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainableRow {
    pub phase: String,
    pub stage: String,
    /// Trained parameters.
    pub trainable: u64,
    /// Frozen parameters.
    pub frozen: u64,
    /// The stage's peak learning rate; not shown where nothing is trained.
    pub rate: f64,
    /// The norm policy: `frozen`, `train` …
    pub norm: String,
    /// Whether the stage's output is computed once and kept.
    pub cached: bool,
}

/// An image that could not be used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SkippedImage {
    pub file: String,
    pub reason: String,
}

#[cfg(test)]
mod tests;
