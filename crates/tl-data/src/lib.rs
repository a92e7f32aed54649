#![doc = include_str!("../README.md")]

mod augment;
mod batches;
mod csv;
mod decode;
mod error;
mod folder;
mod idx;
mod images;
mod listing;
mod loader;
mod pixels;
mod preprocess;
mod resize;
mod shift;
mod shifted;
mod split;
mod style;
#[cfg(test)]
mod testing;

pub use augment::{Augment, CropRange};
pub use batches::Batches;
pub use error::DataError;
pub use images::{Images, Item, Part};
pub use loader::{Batch, Loader, Skipped, View};
pub use pixels::Rgb8;
pub use preprocess::Preprocess;
pub use resize::Interpolation;
pub use shift::{Accent, Blend, Fog, Night, Rain, Scanner, Shift};
pub use shifted::Shifter;
pub use split::Split;
pub use style::{Style, fourier, match_histograms};
