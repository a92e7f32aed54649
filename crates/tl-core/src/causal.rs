//! What networks can do whose tokens see those up to themselves alone: go on with a text without computing its
//! beginning anew.

use burn::prelude::*;

use crate::CoreError;

/// What one layer keeps of the pieces so far.
#[derive(Clone, Debug)]
pub struct PastLayer {
    /// `[1, pieces, width]`
    pub keys: Tensor<3>,
    pub values: Tensor<3>,
}

/// The keys and values of the pieces so far, of every layer; empty at the beginning of a text.
#[derive(Clone, Debug, Default)]
pub struct Past {
    pub layers: Vec<PastLayer>,
    /// How many pieces there are.
    pub pieces: usize,
}

/// A network that tells which piece comes next.
pub trait CausalCache {
    /// The logits of the piece behind `pieces`, `[1, vocabulary]`; `pieces` stand behind those in `past`, which
    /// takes them up. On the plain device.
    ///
    /// # Errors
    /// No piece, a piece that the network does not know, more than it has positions for.
    fn next_logits(&self, pieces: &[u32], past: &mut Past) -> Result<Tensor<2>, CoreError>;
}
