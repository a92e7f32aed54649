//! Handwritten digits of two origins, as grey images of 28 × 28 pixels, white on black.
//!
//! Both are boxed alike, as MNIST was made (LeCun, Bottou, Bengio, Haffner 1998): the longer side of
//! a digit fills 20 pixels, and its centre of mass lies in the middle of 28 × 28. Every fifth digit
//! in the order of the files is set aside as the test part, the others are for training.

mod mnist;
mod uci;

use std::path::Path;
use std::sync::Arc;

use crate::images::{GreyBlock, Item, Part, Source};
use crate::{DataError, Images};

pub use mnist::mnist;
pub use uci::uci;

/// The side of an image in pixels.
const SIDE: usize = 28;

/// MNIST's digits in `folder`, files `mnist-0.json` to `mnist-9.json`; see [`mnist`].
///
/// # Errors
/// As [`mnist`]; a file that cannot be read.
pub fn read_mnist(folder: &Path) -> Result<Images, DataError> {
    let files: Vec<Vec<u8>> = (0..10)
        .map(|digit| read(&folder.join(format!("mnist-{digit}.json"))))
        .collect::<Result<_, _>>()?;
    mnist(&std::array::from_fn(|digit| files[digit].as_slice()))
}

/// The UCI digits in `folder`, file `uci-digits.csv.gz`; see [`uci`].
///
/// # Errors
/// As [`uci`]; a file that cannot be read.
pub fn read_uci(folder: &Path) -> Result<Images, DataError> {
    uci(&read(&folder.join("uci-digits.csv.gz"))?)
}

fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    std::fs::read(path).map_err(|source| DataError::read(path, source))
}

fn wrong(what: impl Into<String>, problem: impl Into<String>) -> DataError {
    DataError::Digits { what: what.into(), problem: problem.into() }
}

/// The images of `labels.len()` digits, `[count, SIDE, SIDE]`, in the order of the files.
fn images(pixels: Vec<u8>, labels: &[usize]) -> Images {
    let block = Arc::new(GreyBlock { width: SIDE, height: SIDE, pixels });
    let items = labels.iter().enumerate().map(|(index, &label)| Item {
        name: format!("{label}/{index:05}"),
        label: Some(label),
        part: Some(if index % 5 == 4 { Part::Test } else { Part::Train }),
        group: None,
        several: None,
        source: Source::Grey { block: Arc::clone(&block), index },
    });
    let mut items: Vec<Item> = items.collect();
    items.sort_by(|one, other| one.name.cmp(&other.name));
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    Images { classes, items, notes: Vec::new() }
}
