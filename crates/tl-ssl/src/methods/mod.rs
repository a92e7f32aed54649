//! The methods, one file each.

mod mae;
mod mask;

pub use mae::{Mae, reconstruction_loss};
pub use mask::{Mask, visible_count};

/// The names of all methods.
pub fn names() -> Vec<&'static str> {
    vec!["mae"]
}
