use std::path::{Path, PathBuf};

use thiserror::Error;

/// What can go wrong while a network is trained or measured.
#[derive(Debug, Error)]
pub enum TrainError {
    #[error(transparent)]
    Plan(#[from] tl_core::CoreError),
    #[error(transparent)]
    Data(#[from] tl_data::DataError),
    #[error(transparent)]
    Metric(#[from] crate::metrics::MetricsError),
    #[error(transparent)]
    Solver(#[from] crate::logistic::LogisticError),
    #[error(transparent)]
    Neighbours(#[from] crate::knn::KnnError),
    #[error(transparent)]
    Score(#[from] crate::transferability::ScoreError),
    /// A file of the run could not be read or written.
    #[error("{doing} {}: {reason}; {mend}", path.display())]
    File { doing: &'static str, path: PathBuf, reason: String, mend: &'static str },
    /// A checkpoint or a run's file is not what it should be.
    #[error("{} is damaged: {reason}; remove it and start again without --resume", path.display())]
    Damaged { path: PathBuf, reason: String },
    /// A checkpoint was made by another plan, data or seed.
    #[error("{} was made with another {what}; resume with the same, or choose another --out", path.display())]
    OtherRun { path: PathBuf, what: &'static str },
    /// A loss or a gradient that is no number.
    #[error(
        "step {step} of phase \"{phase}\": {what} is not finite, first in {place}; lower the learning rate (--lr) or clip the gradient"
    )]
    NotFinite { step: u64, phase: String, what: &'static str, place: String },
    /// A number that makes no sense.
    #[error("{what} is {value}; give {expected}")]
    BadOption { what: &'static str, value: String, expected: &'static str },
    /// A part of the data has nothing that can be used.
    #[error("the {part} part holds nothing that has a label and can be read; {mend}")]
    NothingToUse { part: &'static str, mend: &'static str },
    /// Weights are to be held for earlier tasks, and nothing tells which.
    #[error(
        "{kind} holds weights by their importance, which nothing tells; give --weights the folder of a run that was made with --importance {kind}"
    )]
    NoImportance { kind: &'static str },
    /// A network is to be held to earlier tasks, and there are none.
    #[error(
        "{kind} holds a network to earlier tasks, of which it has none; give --earlier RUN, or --weights the folder of a run with classes"
    )]
    NoEarlierTask { kind: &'static str },
    /// The head of an earlier task multiplies other vectors.
    #[error(
        "the head of earlier task {task} multiplies vectors of width {found}, and the network makes them of width {expected}; give a run of the same network"
    )]
    OtherHead { task: usize, found: usize, expected: usize },
    /// Nothing of what is to be shown again can be read.
    #[error(
        "no example of earlier task {task} can be read; see whether its data are still there, or leave out --regularise rehearsal"
    )]
    NothingRemembered { task: usize },
    /// The backend failed.
    #[error("the device failed: {0}; try --device flex")]
    Device(String),
    /// A run's deadline has come; fitting ends with it and keeps what is best.
    #[error("the time is up at step {step}; give it more")]
    OutOfTime { step: u64 },
    /// Ctrl-C.
    #[error("interrupted at step {step}; what was done is saved")]
    Interrupted { step: u64 },
}

impl TrainError {
    /// A file that could not be read or written.
    pub fn file(doing: &'static str, path: &Path, reason: std::io::Error) -> Self {
        let mend = match reason.kind() {
            std::io::ErrorKind::StorageFull => "free some space or choose another --out",
            std::io::ErrorKind::PermissionDenied => "choose a place that you may write to",
            _ => "check the path and the disk",
        };
        Self::File { doing, path: path.to_path_buf(), reason: reason.to_string(), mend }
    }

    /// Whether the input is at fault (a flag, a file, a shape) rather than the program or the device.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Device(_) | Self::Interrupted { .. })
    }
}
