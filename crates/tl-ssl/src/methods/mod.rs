//! The methods, one file each.

mod barlow_twins;
mod byol;
mod dino;
mod mae;
mod mask;
mod masked_language;
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
pub use masked_language::{MaskPieces, MaskedLanguage, MaskedText, masked_language_loss};
pub use predictor::{Predicting, negative_cosine};
pub use simclr::{SimClr, nt_xent};
pub use simmim::{SimMim, SimMimHeads, painted_losses};
pub use simsiam::{SimSiam, simsiam_loss};
pub use twins::Twins;
pub use vicreg::{VicReg, vicreg};

use tl_data::{Augment, Colour, CropRange, ViewRecipe};

/// The names of all methods of images; [`MaskedLanguage`] is one of texts, which the loop of `tl-train` carries out.
pub fn names() -> Vec<&'static str> {
    vec!["mae", "simmim", "simclr", "byol", "simsiam", "barlow_twins", "vicreg", "dino"]
}

/// A fifth of the area or more, at any place, mirrored half the time.
fn part_augment() -> Augment {
    let range = CropRange { scale: [0.2, 1.0], ..CropRange::default() };
    Augment::cropped(range)
}

/// Images up to this many pixels on a side are small: a blur would leave little of them.
const SMALL: usize = 64;

/// Two views of images of `image` pixels on a side: as `own` says; of small images as SimCLR varies them, a fifth
/// of the area or more; of others as `of_photos` has them.
fn pair(
    own: &Option<Augment>,
    image: usize,
    of_photos: impl Fn(usize) -> [Augment; 2],
) -> Vec<ViewRecipe> {
    let varied = match own {
        Some(own) => [own.clone(), own.clone()],
        None if image <= SMALL => {
            let small = part_augment().coloured(Colour::simclr(0.5));
            [small.clone(), small]
        }
        None => of_photos(image),
    };
    varied.into_iter().map(|augment| ViewRecipe { size: None, augment }).collect()
}

/// Both views as SimCLR has them.
fn alike(image: usize) -> [Augment; 2] {
    [Augment::contrastive(image), Augment::contrastive(image)]
}
