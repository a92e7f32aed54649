use thiserror::Error;
use tl_core::RowShape;

/// What can go wrong while a network is adapted.
#[derive(Debug, Error)]
pub enum AdaptError {
    #[error(transparent)]
    Train(#[from] tl_train::TrainError),
    #[error(transparent)]
    Plan(#[from] tl_core::CoreError),
    /// A linear classifier on features could not be fitted.
    #[error(transparent)]
    Solver(#[from] tl_train::logistic::LogisticError),
    /// A part of the two domains has no example.
    #[error("the {part} holds no example; give at least one")]
    Empty { part: &'static str },
    /// Examples of the two domains have other shapes.
    #[error(
        "the source has {source_shape:?} and the target {target_shape:?}; bring both to the same size and channels"
    )]
    Shapes { source_shape: RowShape, target_shape: RowShape },
    /// A label beyond the classes of the network.
    #[error(
        "example {example} of the {part} has the label {label}, but there are {classes} classes; \
         both domains must have the classes of the network"
    )]
    Label { part: &'static str, example: usize, label: usize, classes: usize },
    /// Numbers of values, labels or rows that do not fit each other.
    #[error("{what}: {found} were given, {expected} fit")]
    Count { what: &'static str, found: usize, expected: usize },
    /// No method, validator or network is called that.
    #[error("no {kind} is called \"{name}\"; there are: {}", known.join(", "))]
    Unknown { kind: &'static str, name: String, known: Vec<&'static str> },
    /// A number that makes no sense.
    #[error("{what} is {value}; give {expected}")]
    BadOption { what: &'static str, value: String, expected: &'static str },
    /// A method asked for what its round did not provide.
    #[error("the method {method} asks for {what}, which its round {round} leaves out")]
    Absent { method: String, what: &'static str, round: usize },
    /// A loss term or a gradient that is no number.
    #[error(
        "step {step} of phase \"{phase}\": {term} is not finite; lower the learning rate or the weight of the \
         method, or clip the gradient"
    )]
    NotFinite { step: u64, phase: String, term: String },
    /// A score cannot be computed from these features and logits.
    #[error("the validator {validator} cannot score: {reason}")]
    NoScore { validator: &'static str, reason: String },
    /// There is nothing to choose from.
    #[error("nothing to choose from: no row has a score of the validator {validator}")]
    NothingToChoose { validator: &'static str },
}

impl AdaptError {
    /// Whether the input is at fault rather than the program or the device.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Train(inner) => inner.is_input(),
            Self::Absent { .. } => false,
            _ => true,
        }
    }

    pub(crate) fn device(reason: String) -> Self {
        Self::Train(tl_train::TrainError::Device(reason))
    }
}
