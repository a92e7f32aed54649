//! What a run tells while it goes on.

use serde::{Deserialize, Serialize};

/// The name of the file of epochs in a run's folder.
pub const METRICS: &str = "metrics.jsonl";

/// Something that shows how far a run is.
pub trait Progress {
    /// A piece of work with `total` parts begins.
    fn begin(&mut self, what: &str, total: u64);
    /// `parts` more are done; `note` is a short word on how it goes, such as the loss.
    fn advance(&mut self, parts: u64, note: &str);
    /// The piece is done.
    fn end(&mut self);
    /// A line that stays.
    fn say(&mut self, line: &str);
    /// A step of the optimizer was taken.
    fn step(&mut self, _: &Step) {}
    /// An epoch is over.
    fn epoch(&mut self, _: &EpochRow) {}
    /// So many bytes of outputs of frozen stages, or of inputs, are kept.
    fn kept(&mut self, _: u64) {}
}

/// A step of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    pub loss: f64,
    /// The head's rate.
    pub learning_rate: f64,
    /// Steps of the phase so far, and all of them.
    pub done: u64,
    pub total: u64,
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn end(&mut self) {}
    fn say(&mut self, _: &str) {}
}

/// Prints the lines that stay to standard output, and no bar.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lines;

impl Progress for Lines {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn end(&mut self) {}
    fn say(&mut self, line: &str) {
        println!("{line}");
    }
}

/// One line of `metrics.jsonl`: an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    pub phase: String,
    /// Counted from 1 over all phases.
    pub epoch: usize,
    /// Optimizer steps since the beginning of the run.
    pub step: u64,
    pub train_loss: f64,
    pub validation_loss: Option<f64>,
    pub validation_accuracy: Option<f64>,
    /// Of the entities, where words have tags; the accuracy is then that of words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_f1: Option<f64>,
    /// Of numbers, which have no accuracy; the losses are then squared errors in units of their variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_r2: Option<f64>,
    /// The mean average precision, where items may have several labels; they have no accuracy either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_map: Option<f64>,
    pub ema_accuracy: Option<f64>,
    /// Of numbers, with the moving average of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema_r2: Option<f64>,
    /// The head's rate at the last step.
    pub learning_rate: f64,
    /// The mean over the epoch's steps.
    pub gradient_norm: Option<f64>,
    /// Seconds of this epoch, the filling of the cache in a phase's first epoch included. This and
    /// `resident_mb` are measured: they alone differ between two runs of the same settings.
    pub seconds: f64,
    /// Megabytes of memory that the program holds at the end of the epoch, when no batch is under way;
    /// absent where the system does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident_mb: Option<f64>,
}
