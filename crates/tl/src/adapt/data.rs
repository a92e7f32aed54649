//! The images of a domain, by name.

use std::path::Path;
use std::sync::Arc;

use tl_data::{DataError, Images, Shift, digits};

use crate::embedded;

/// Where the images of the target come from.
#[derive(Clone, Debug)]
pub enum TargetData {
    /// Images of their own, and what they are called in the record.
    Images { images: Arc<Images>, name: String },
    /// The source's images, shifted.
    Shift(Shift),
}

/// Opens the images of one or of several domains, by name, as one set; those of several are called by the domain's name and
/// their own.
///
/// # Errors
/// As [`open_images`] and [`Images::joined`].
pub fn open_sources(names: &[String]) -> Result<Images, DataError> {
    if let [only] = names {
        return open_images(only);
    }
    let open = |name: &String| Ok((name.trim_end_matches('/').to_string(), open_images(name)?));
    Images::joined(names.iter().map(open).collect::<Result<_, DataError>>()?)
}

/// Opens images by name: a path as [`Images::open`] takes it; `embedded`, the part of Fashion-MNIST in the program;
/// `mnist:FOLDER` or `uci:FOLDER`, digits as fetched. A path that exists is a path.
///
/// # Errors
/// As those functions.
pub fn open_images(name: &str) -> Result<Images, DataError> {
    let path = Path::new(name);
    if path.exists() {
        return Images::open(path);
    }
    match name.split_once(':') {
        Some(("mnist", folder)) => digits::read_mnist(Path::new(folder)),
        Some(("uci", folder)) => digits::read_uci(Path::new(folder)),
        _ if name == "embedded" => embedded::fashion_mnist(),
        _ => Images::open(path),
    }
}
