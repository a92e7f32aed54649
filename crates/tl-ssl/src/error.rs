use thiserror::Error;

/// What can go wrong while a network is pre-trained or probed.
#[derive(Debug, Error)]
pub enum SslError {
    #[error(transparent)]
    Train(#[from] tl_train::TrainError),
    #[error(transparent)]
    Plan(#[from] tl_core::CoreError),
    #[error(transparent)]
    Data(#[from] tl_data::DataError),
    /// No method is called that.
    #[error("no method is called \"{name}\"; the methods are: {}", known.join(", "))]
    Unknown { name: String, known: Vec<&'static str> },
    /// A number that makes no sense.
    #[error("{what} is {value}; give {expected}")]
    BadOption { what: &'static str, value: String, expected: &'static str },
    /// A plan that a method cannot carry out.
    #[error("pre-training has one phase that trains every stage; {problem}")]
    BadPlan { problem: String },
    /// A part of the data has no image that can be used.
    #[error("the {part} part holds no readable image; see which images were skipped")]
    Empty { part: &'static str },
    /// A batch that a method cannot work on.
    #[error("{method} cannot work on a batch of {found}; give --batch-size from {least}")]
    SmallBatch { method: &'static str, found: usize, least: usize },
    /// A method that learns from a moving average was given none.
    #[error("{method} learns from a moving average of the network, and the step holds none")]
    NoTeacher { method: &'static str },
    /// A batch in parts where its images look at each other.
    #[error(
        "{method} with this network normalises over the batch, which parts of it would change; give one part \
         (--parts 1), or a network without batch norms and mae, simmim, simclr or dino"
    )]
    Parts { method: &'static str },
    /// A method was given other views than it asked for.
    #[error("{method} works on {expected} views of each image and was given {found}")]
    Views { method: &'static str, expected: usize, found: usize },
    /// Numbers of features, labels or rows that do not fit each other.
    #[error("{what}: {found} were given, {expected} fit")]
    Count { what: &'static str, found: usize, expected: usize },
    /// A loss term or a gradient that is no number.
    #[error(
        "step {step}: {term} is not finite; lower the learning rate (--lr) or clip the gradient"
    )]
    NotFinite { step: u64, term: String },
    /// The features of different images have become the same.
    #[error(
        "stopped at step {step}: the features have collapsed ({reason}); lower the learning rate (--lr), give larger \
         batches (--batch-size) or another --method"
    )]
    Collapsed { step: u64, reason: String },
}

impl SslError {
    /// Whether the input is at fault rather than the program or the device.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Train(inner) => inner.is_input(),
            Self::Views { .. } | Self::NoTeacher { .. } | Self::Collapsed { .. } => false,
            _ => true,
        }
    }

    pub(crate) fn device(reason: String) -> Self {
        Self::Train(tl_train::TrainError::Device(reason))
    }
}
