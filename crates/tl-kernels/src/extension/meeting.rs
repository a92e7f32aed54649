//! Where the gradients of the branches that read one map meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a gradient of the map was registered already, by one of the branches; each holds a clone.
///
/// All nodes of one graph go back on one thread, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Meeting(Arc<AtomicBool>);

impl Meeting {
    pub(super) fn arrive(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_gradient(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
