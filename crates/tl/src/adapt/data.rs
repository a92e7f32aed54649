//! The examples of a domain, by name.

use std::path::Path;

use tl_data::text::{Columns, Texts};
use tl_data::{DataError, Images, Shift, digits};

use crate::{Error, Examples, embedded};

/// Where the examples of the target come from.
#[derive(Clone, Debug)]
pub enum TargetData {
    /// Examples of their own, and what they are called in the record.
    Given { examples: Examples, name: String },
    /// The source's images, shifted.
    Shift(Shift),
}

/// Opens the images of one or of several domains, by name, as one set; those of several are called by the domain's name and
/// their own.
///
/// # Errors
/// As [`open_images`] and [`Images::joined`].
pub fn open_sources(names: &[String]) -> Result<Images, DataError> {
    open_sources_as(names, &Columns::default(), false)
}

/// The same with these columns of tables, and, where it is `labelled`, a label for each of their images.
///
/// # Errors
/// As [`open_images_as`] and [`Images::joined`].
pub fn open_sources_as(
    names: &[String],
    columns: &Columns,
    labelled: bool,
) -> Result<Images, DataError> {
    let images = |name: &String| open_images_as(name, columns, labelled);
    if let [only] = names {
        return images(only);
    }
    let open = |name: &String| Ok((name.trim_end_matches('/').to_string(), images(name)?));
    Images::joined(names.iter().map(open).collect::<Result<_, DataError>>()?)
}

/// Opens the texts of one or of several domains as one set, as [`Examples::texts`] does each; those of several are called by
/// the file's name and their own.
///
/// # Errors
/// As there and as [`Texts::joined`].
pub fn open_texts(names: &[String], columns: &Columns, labelled: bool) -> Result<Examples, Error> {
    if let [only] = names {
        return Examples::texts(only, columns, labelled);
    }
    let mut sets = Vec::new();
    for name in names {
        if let Examples::Texts(texts) = Examples::texts(name, columns, labelled)? {
            sets.push((name.clone(), Texts::clone(&texts)));
        }
    }
    Ok(Texts::joined(sets)?.into())
}

/// As [`open_images`], with these columns of tables, and, where it is `labelled`, a label for each of their images.
///
/// # Errors
/// As there and as [`Images::from_table`].
pub fn open_images_as(name: &str, columns: &Columns, labelled: bool) -> Result<Images, DataError> {
    let path = Path::new(name);
    match path.is_file() && Images::is_table(path) {
        true => Images::from_table(path, columns, labelled),
        false => open_images(name),
    }
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
