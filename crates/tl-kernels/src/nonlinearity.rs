//! What follows a layer's sum.

/// The nonlinearity that a layer ends in.
///
/// Each one's slope can be read off its output, so that the backward pass keeps the output alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonlinearity {
    /// The value itself.
    None,
    /// max(0, x).
    Relu,
    /// min(max(0, x), 6).
    Relu6,
}
