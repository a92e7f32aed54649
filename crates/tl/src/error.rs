use std::path::PathBuf;

use thiserror::Error;
use tl_train::TrainError;

/// Everything that can go wrong, each in one line that says what, where and the mend.
#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Data(#[from] tl_data::DataError),
    #[error(transparent)]
    Plan(#[from] tl_core::CoreError),
    #[error(transparent)]
    Weights(#[from] tl_models::weights::WeightsError),
    #[error(transparent)]
    Load(#[from] tl_models::LoadError),
    #[error(transparent)]
    Config(#[from] tl_models::ConfigError),
    #[error(transparent)]
    Save(#[from] tl_models::SaveError),
    #[error(transparent)]
    Export(tl_models::ExportError),
    #[error(transparent)]
    Peft(#[from] tl_peft::PeftError),
    #[error(transparent)]
    Adapt(tl_adapt::AdaptError),
    #[error(transparent)]
    Pretrain(tl_ssl::SslError),
    #[error("{} on the base {base}: {reason}", folder.display())]
    Foreign { folder: PathBuf, base: String, reason: Box<tl_peft::PeftError> },
    #[error("device \"{name}\": {problem}; {mend}")]
    Device { name: String, problem: String, mend: String },
    #[error("no network is called \"{name}\"; the networks are: {}", known.join(", "))]
    UnknownNetwork { name: String, known: Vec<&'static str> },
    #[error("task \"{name}\": {reason}")]
    Task { name: String, reason: Box<Error> },
    #[error("{what}; {mend}")]
    Options { what: String, mend: String },
    #[error("{}: {problem}; {mend}", path.display())]
    Run { path: PathBuf, problem: String, mend: &'static str },
    #[error("the device failed: {0}; try --device flex")]
    Failed(String),
}

impl Error {
    /// The exit code of a program that ends with this error: 2 where the input is at fault, 130 after
    /// Ctrl-C, 1 for anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Task { reason, .. } => reason.exit_code(),
            Error::Train(TrainError::Interrupted { .. }) => 130,
            Error::Train(error) if !error.is_input() => 1,
            Error::Adapt(error) if !error.is_input() => 1,
            Error::Pretrain(error) if !error.is_input() => 1,
            Error::Failed(_)
            | Error::Export(tl_models::ExportError::NotEqual { .. })
            | Error::Peft(tl_peft::PeftError::Device(_))
            | Error::Save(tl_models::SaveError::Device(_)) => 1,
            _ => 2,
        }
    }

    /// `reason`, which came of a task of a chain; an interruption is of the whole chain.
    pub(crate) fn of_task(name: &str, reason: Error) -> Self {
        match reason {
            Error::Train(TrainError::Interrupted { .. }) => reason,
            reason => Error::Task { name: name.to_string(), reason: Box::new(reason) },
        }
    }

    pub(crate) fn options(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Error::Options { what: what.into(), mend: mend.into() }
    }
}

impl From<tl_adapt::AdaptError> for Error {
    /// What the loop and its parts have in common with fitting keeps its kind.
    fn from(error: tl_adapt::AdaptError) -> Self {
        match error {
            tl_adapt::AdaptError::Train(inner) => Error::Train(inner),
            tl_adapt::AdaptError::Plan(inner) => Error::Plan(inner),
            other => Error::Adapt(other),
        }
    }
}

impl From<tl_ssl::SslError> for Error {
    /// What the loop and its parts have in common with fitting keeps its kind.
    fn from(error: tl_ssl::SslError) -> Self {
        match error {
            tl_ssl::SslError::Train(inner) => Error::Train(inner),
            tl_ssl::SslError::Plan(inner) => Error::Plan(inner),
            tl_ssl::SslError::Data(inner) => Error::Data(inner),
            other => Error::Pretrain(other),
        }
    }
}
