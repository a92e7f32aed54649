#![doc = include_str!("../README.md")]

mod affine;
mod augment;
mod augment_text;
mod batches;
mod cifar;
mod colour;
mod csv;
mod decode;
pub mod digits;
mod duplicates;
mod erasing;
mod error;
mod folder;
mod grouped;
mod idx;
mod image_table;
mod images;
mod items;
mod join;
mod listing;
mod loader;
mod near_duplicates;
mod paired;
mod paired_order;
mod pixels;
mod preprocess;
mod rand_augment;
mod relabel;
mod resize;
mod restyle;
mod shift;
mod shifted;
mod split;
mod stream;
mod style;
mod table;
#[cfg(test)]
mod testing;
pub mod text;
mod views;

pub(crate) use augment::Cut;
pub use augment::{Augment, CropRange};
pub use batches::Batches;
pub use colour::{Blur, Colour, Jitter, Solarise};
pub use duplicates::Duplicates;
pub use erasing::Erasing;
pub use error::DataError;
pub use images::{Images, Item, Part};
pub use items::Items;
pub use loader::{Batch, Loader, Skipped, View};
pub use near_duplicates::{NearDuplicate, NearDuplicates, USUAL_DISTANCE};
pub use paired::{
    LabelledBatch, PairedBatch, PairedBatches, PairedLoader, Pairing, UnlabelledBatch,
};
pub use paired_order::PairedOrder;
pub use pixels::Rgb8;
pub use preprocess::Preprocess;
pub use rand_augment::RandAugment;
pub use resize::Interpolation;
pub use restyle::Restyle;
pub use shift::{Accent, Blend, Fog, Night, Rain, Scanner, Shift};
pub use shifted::Shifter;
pub use split::Split;
pub use style::{Style, fourier, match_histograms};
pub use views::{ViewBatch, ViewBatches, ViewRecipe, Views};
