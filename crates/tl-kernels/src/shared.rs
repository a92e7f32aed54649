//! A map that several branches of a network read, and where their gradients meet.

use burn::prelude::*;

#[cfg(feature = "flex")]
use crate::extension::Meeting;

/// A map that several units read: a block's input, which its first convolution and its shortcut take.
///
/// On the way back each branch has a gradient of its own for the map. On flex the convolution that comes second adds
/// the first one's where it writes its own sums, so that their sum costs no pass over memory. Values and gradients are
/// those of the map alone.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(crate) map: Tensor<4>,
    #[cfg(feature = "flex")]
    pub(crate) meeting: Option<Meeting>,
}

/// The map for several branches; each takes a clone.
pub fn share(map: Tensor<4>) -> Shared {
    Shared {
        map,
        #[cfg(feature = "flex")]
        meeting: Some(Meeting::default()),
    }
}

impl Shared {
    /// The map for what knows nothing of branches.
    pub fn into_map(self) -> Tensor<4> {
        self.map
    }
}

impl From<Tensor<4>> for Shared {
    /// A map that one unit alone reads.
    fn from(map: Tensor<4>) -> Self {
        Self {
            map,
            #[cfg(feature = "flex")]
            meeting: None,
        }
    }
}
