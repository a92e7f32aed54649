//! What can be wrong with weights, where, and the mend.

use std::path::PathBuf;

/// Everything that reading, fetching or writing weights reports; each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    #[error("{} does not exist: check the path", .0.display())]
    NoSuchPath(PathBuf),

    #[error("{} holds no model.safetensors: give a run directory or a weights file", .0.display())]
    NoModelInFolder(PathBuf),

    #[error("cannot read {file}: {source}")]
    Read { file: String, source: std::io::Error },

    #[error("{file} is {found}: give a safetensors, PyTorch, burnpack, ONNX or npz file{mend}")]
    UnknownFormat { file: String, found: String, mend: &'static str },

    #[error("{file} is damaged: {problem}; fetch or save it again")]
    Damaged { file: String, problem: String },

    #[error(
        "{file} is refused: its pickle calls for {object}, which is no plain tensor and is never run; \
         save the bare state_dict, or use safetensors"
    )]
    UnknownObject { file: String, object: String },

    #[error(
        "{file} keeps tensor {name:?} in another file: save it anew with its weights inside, as models below 2 GB can be"
    )]
    ElsewhereInOnnx { file: String, name: String },

    #[error("{file} holds no tensors: save the model's state_dict")]
    NoTensors { file: String },

    #[error("{file} has no tensor {name:?}{}", near(.nearest))]
    NoSuchTensor { file: String, name: String, nearest: Option<String> },

    #[error(
        "{file}: tensor {name:?} is {dtype}, which cannot become f32: save it as F32, F16 or BF16"
    )]
    NoSuchConversion { file: String, name: String, dtype: String },

    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },

    #[error("cannot write {}: tensor {name:?} {problem}", path.display())]
    Unwritable { path: PathBuf, name: String, problem: String },

    #[error("{0:?} is no hub source: write hub:owner/repo/file or hub:owner/repo/file@revision")]
    HubAddress(String),

    #[error(
        "{0}: this build cannot fetch from a hub: build with --features hub, or download the file and give its path"
    )]
    HubFeature(String),

    #[error("{source_name} is not in the cache {} and the hub is off: go online once, or give a file", cache.display())]
    NotCached { source_name: String, cache: PathBuf },

    #[error("{source_name}: {problem}")]
    Hub { source_name: String, problem: String },

    #[error(
        "{source_name}: the download has sha256 {found} where {expected} was expected; it was removed: try again"
    )]
    WrongHash { source_name: String, expected: String, found: String },
}

fn near(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean {nearest:?}?"),
        None => ": list its names with `tl inspect`".to_owned(),
    }
}

/// A message of another library as one line of bounded length: some print whole objects or nested causes.
pub(super) fn one_line(message: impl std::fmt::Display) -> String {
    const LONGEST: usize = 300; // characters
    let message = message.to_string();
    let words: Vec<&str> = message
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|w| !w.is_empty())
        .collect();
    let line = words.join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line.trim_end_matches('.').to_owned(),
    }
}
