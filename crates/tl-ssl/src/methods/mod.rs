//! The methods, one file each.

mod mae;
mod mask;
mod simclr;

pub use mae::{Mae, reconstruction_loss};
pub use mask::{Mask, visible_count};
pub use simclr::{SimClr, nt_xent};

/// The names of all methods.
pub fn names() -> Vec<&'static str> {
    vec!["mae", "simclr"]
}
