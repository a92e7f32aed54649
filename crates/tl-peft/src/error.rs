use std::path::PathBuf;

use thiserror::Error;

/// Why an adapter cannot be fitted, read or merged, in one line that says what, where and the mend.
#[derive(Debug, Error)]
pub enum PeftError {
    #[error("the adapter \"{text}\" {problem}; {mend}")]
    Config { text: String, problem: String, mend: String },
    #[error("the target \"{target}\" matches no layer; the layers are: {}", layers.join(", "))]
    NoTarget { target: String, layers: Vec<String> },
    #[error("{kind} cannot stand at {layer}, {problem}; {mend}")]
    WrongSite { kind: &'static str, layer: String, problem: String, mend: &'static str },
    #[error("{what} cannot be merged into the weights: {why}; keep the adapter file beside them")]
    NotMergeable { what: &'static str, why: &'static str },
    #[error("{}: {problem}; {mend}", path.display())]
    File { path: PathBuf, problem: String, mend: String },
    #[error("no adapter is called \"{name}\"; there are: {}", known.join(", "))]
    Unknown { name: String, known: Vec<String> },
    #[error("the device failed: {0}; try --device flex")]
    Device(String),
    #[error(transparent)]
    Pattern(#[from] tl_core::CoreError),
    #[error(transparent)]
    Weights(#[from] tl_models::weights::WeightsError),
}
