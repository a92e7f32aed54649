//! The methods, one file each.

mod barlow_twins;
mod byol;
mod dino;
mod mae;
mod mask;
mod predictor;
mod reconstruction;
mod simclr;
mod simmim;
mod simsiam;
mod twins;
mod vicreg;

pub use barlow_twins::{BarlowTwins, barlow_twins};
pub use byol::{Byol, byol_loss};
pub use dino::{Centre, Dino, DinoHeads, dino_loss};
pub use mae::{Mae, reconstruction_losses};
pub use mask::{Mask, visible_count};
pub use predictor::{Predicting, negative_cosine};
pub use simclr::{SimClr, nt_xent};
pub use simmim::{SimMim, SimMimHeads, painted_losses};
pub use simsiam::{SimSiam, simsiam_loss};
pub use twins::Twins;
pub use vicreg::{VicReg, vicreg};

use tl_data::{Augment, CropRange};

/// The names of all methods.
pub fn names() -> Vec<&'static str> {
    vec!["mae", "simmim", "simclr", "byol", "simsiam", "barlow_twins", "vicreg", "dino"]
}

/// A fifth of the area or more, at any place, mirrored half the time.
fn part_augment() -> Augment {
    let range = CropRange { scale: [0.2, 1.0], ..CropRange::default() };
    Augment::cropped(range)
}

/// How views of one image differ.
fn two_view_augment() -> Augment {
    part_augment()
}
