use thiserror::Error;

/// What keeps features from being scored.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ScoreError {
    /// No example, or no feature.
    #[error("there is no example with a label to score features on; give some")]
    Empty,
    /// The number of values is no multiple of the number of examples.
    #[error("{values} {what} for {examples} examples; give the same number for each")]
    Shape { what: &'static str, values: usize, examples: usize },
    /// A label is not among the classes.
    #[error("example {example} has the label {label}, but there are {classes} classes")]
    Label { example: usize, label: usize, classes: usize },
    /// There is nothing to tell apart.
    #[error("a score tells classes apart, and all examples are of one class; add another")]
    OneClass,
    /// A feature is NaN or infinite.
    #[error(
        "example {example}, feature {feature} is {value}; the weights or the input are damaged"
    )]
    NonFinite { example: usize, feature: usize, value: f64 },
    /// The source's answers for an example are no probabilities.
    #[error(
        "the probabilities of example {example} are negative, no numbers or do not sum to 1; give those of the source's classes"
    )]
    Probabilities { example: usize },
    /// Features so large or so near each other that no decomposition came to an end.
    #[error("the features cannot be decomposed; the weights or the input are damaged")]
    Decomposition,
}
