//! IDX, the format of MNIST and its kin: big-endian, a magic number, the sizes, then bytes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::MultiGzDecoder;

use crate::images::{GreyBlock, Item, Part, Source};
use crate::{DataError, Images};

/// Unsigned bytes in three dimensions: count, rows, columns.
const IMAGES_MAGIC: u32 = 0x0000_0803;
/// Unsigned bytes in one dimension.
const LABELS_MAGIC: u32 = 0x0000_0801;
/// The most bytes of pixels one file may announce.
const MAX_BYTES: u64 = 1 << 34;

/// The two files of a part.
#[derive(Default)]
struct Pair {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
}

/// The IDX data in `folder`; `None` when no file there is named like IDX data.
///
/// Files are named `train-images-idx3-ubyte` and `train-labels-idx1-ubyte`, with `t10k` or `test`,
/// `validation` or `val` for `train`, a dot for the last hyphen but one, and `.gz` behind, if
/// compressed. A file `classes.txt` names the classes, one a line.
pub(crate) fn find(folder: &Path) -> Result<Option<Images>, DataError> {
    let broken = |source| DataError::read(folder, source);
    let mut pairs: BTreeMap<Part, Pair> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((part, holds_images)) = role(&name) else {
            continue;
        };
        if !path.is_file() {
            continue;
        }
        let pair = pairs.entry(part).or_default();
        let place = if holds_images { &mut pair.images } else { &mut pair.labels };
        // Compressed and plain beside each other: the plain one, whatever the order of the listing.
        if place.is_none() || !name.ends_with(".gz") {
            *place = Some(path);
        }
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let load = |path: &Path| std::fs::read(path).map_err(|source| DataError::read(path, source));
    let mut parts = Vec::new();
    for (part, pair) in &pairs {
        let (Some(images), Some(labels)) = (&pair.images, &pair.labels) else {
            let missing = if pair.images.is_none() { "images" } else { "labels" };
            return Err(DataError::idx(
                format!("in {}", folder.display()),
                format!("the {part} part lacks its file of {missing}"),
            ));
        };
        parts.push((*part, load(images)?, load(labels)?));
    }
    let classes = match std::fs::read_to_string(folder.join("classes.txt")) {
        Ok(text) => {
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect()
        }
        Err(_) => Vec::new(),
    };
    let parts: Vec<(Part, &[u8], &[u8])> = parts
        .iter()
        .map(|(part, images, labels)| (*part, images.as_slice(), labels.as_slice()))
        .collect();
    read(&parts, classes).map(Some)
}

/// What a file name says: the part, and whether it holds images.
fn role(name: &str) -> Option<(Part, bool)> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let (prefix, rest) = name.split_once('-')?;
    let part = match prefix {
        "train" => Part::Train,
        "t10k" | "test" => Part::Test,
        "val" | "valid" | "validation" => Part::Validation,
        _ => return None,
    };
    match rest {
        "images-idx3-ubyte" | "images.idx3-ubyte" => Some((part, true)),
        "labels-idx1-ubyte" | "labels.idx1-ubyte" => Some((part, false)),
        _ => None,
    }
}

/// IDX data from memory; see [`Images::idx`].
pub(crate) fn read(
    parts: &[(Part, &[u8], &[u8])],
    mut classes: Vec<String>,
) -> Result<Images, DataError> {
    let mut items: Vec<Item> = Vec::new();
    let mut next: BTreeMap<Part, usize> = BTreeMap::new();
    for (part, images, labels) in parts {
        let what = format!("{part} images");
        let (sizes, pixels) = unpack::<3>(images, IMAGES_MAGIC, &what)?;
        let ([count], labels) = unpack::<1>(labels, LABELS_MAGIC, &format!("{part} labels"))?;
        let [images, height, width] = sizes;
        if images != count {
            return Err(DataError::idx(what, format!("{images} images, but {count} labels")));
        }
        if images > 0 && (height == 0 || width == 0) {
            return Err(DataError::idx(what, format!("an image of {width}×{height} pixels")));
        }
        let block = Arc::new(GreyBlock { width, height, pixels });
        // Two blocks of one part count on, so that names stay unique.
        let start = next.entry(*part).or_default();
        items.extend(labels.iter().enumerate().map(|(index, &label)| Item {
            name: format!("{part}/{:06}", *start + index),
            label: Some(usize::from(label)),
            part: Some(*part),
            group: None,
            several: None,
            source: Source::Grey { block: Arc::clone(&block), index },
        }));
        *start += count;
    }
    let Some(largest) = items.iter().filter_map(|item| item.label).max() else {
        return Err(DataError::idx("data", "no image in any part"));
    };
    if classes.is_empty() {
        classes = (0..=largest).map(|label| label.to_string()).collect();
    } else if largest >= classes.len() {
        let problem =
            format!("label {largest}, but only {} classes (counted from 0)", classes.len());
        return Err(DataError::idx("labels", problem));
    }
    items.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    Ok(Images { classes, items, notes: Vec::new() })
}

/// The sizes and the bytes of an IDX array of `RANK` dimensions, gzip-compressed or plain.
fn unpack<const RANK: usize>(
    bytes: &[u8],
    magic: u32,
    what: &str,
) -> Result<([usize; RANK], Vec<u8>), DataError> {
    let wrong = |problem: String| DataError::idx(what, problem);
    let gzip = bytes.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read + '_> =
        if gzip { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    let mut number = || -> Result<u32, DataError> {
        let mut word = [0; 4];
        reader
            .read_exact(&mut word)
            .map_err(|error| wrong(format!("no complete header: {error}")))?;
        Ok(u32::from_be_bytes(word))
    };
    let found = number()?;
    if found != magic {
        return Err(wrong(format!(
            "the magic number is {found:#010x} instead of {magic:#010x}: not this kind of file"
        )));
    }
    let mut sizes = [0; RANK];
    for size in &mut sizes {
        *size = number()? as usize;
    }
    let total = sizes.iter().try_fold(1u64, |total, &size| total.checked_mul(size as u64));
    let total = total.filter(|&total| total <= MAX_BYTES);
    let total = total
        .ok_or_else(|| wrong(format!("the header announces {sizes:?} bytes, which is too much")))?;
    // Grows with what is there, not with what the header announces.
    let mut data = Vec::new();
    reader
        .take(total)
        .read_to_end(&mut data)
        .map_err(|error| wrong(format!("damaged: {error}")))?;
    if (data.len() as u64) < total {
        return Err(wrong(format!(
            "{} bytes of data where the header announces {total}",
            data.len()
        )));
    }
    Ok((sizes, data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use crate::testing::idx_bytes;
    use std::io::Write;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_and_plain_data_are_the_same_images() {
        let (pixels, labels) = idx_bytes(&[1, 0, 1]);
        let plain = read(&[(Part::Train, &pixels, &labels)], Vec::new()).unwrap();
        let packed = (compressed(&pixels), compressed(&labels));
        let packed = read(&[(Part::Train, &packed.0, &packed.1)], Vec::new()).unwrap();
        assert_eq!(plain.fingerprint(), packed.fingerprint());
        assert_eq!(plain.classes, ["0", "1"]);
        assert_eq!(plain.items[1].name, "train/000001");
        assert_eq!(plain.items[2].label, Some(1));
        let image = packed.decode(1).unwrap();
        assert_eq!((image.width(), image.height()), (3, 2));
        assert_eq!(image.bytes()[..6], [6, 6, 6, 7, 7, 7]);
    }

    #[test]
    fn a_folder_of_idx_files_is_recognised_with_its_parts_and_classes() {
        let folder = tempfile::tempdir().unwrap();
        let (pixels, labels) = idx_bytes(&[1, 0, 1]);
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        };
        write("train-images-idx3-ubyte.gz", &compressed(&pixels));
        write("train-labels-idx1-ubyte.gz", &compressed(&labels));
        write("t10k-images.idx3-ubyte", &pixels);
        let error = Images::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("test part lacks its file of labels"), "{error}");
        write("t10k-labels.idx1-ubyte", &labels);
        write("classes.txt", b"shirt\nshoe\n");
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(images.classes, ["shirt", "shoe"]);
        let count = |part| images.items.iter().filter(|item| item.part == Some(part)).count();
        assert_eq!((count(Part::Train), count(Part::Test)), (3, 3));
    }

    #[test]
    fn damaged_data_are_refused() {
        let (pixels, labels) = idx_bytes(&[1, 0, 1]);
        let mut magic = pixels.clone();
        magic[3] = 2;
        let mut huge = pixels.clone();
        huge[4..16].fill(255);
        let mut flat = pixels.clone();
        flat[8..12].fill(0);
        let cut = compressed(&pixels);
        let (_, fewer) = idx_bytes(&[1, 0]);
        let bad: [(&[u8], &[u8], &str); 8] = [
            (&magic, &labels, "magic number"),
            (&labels, &pixels, "magic number"),
            (&pixels[..pixels.len() - 1], &labels, "17 bytes of data"),
            (&pixels[..9], &labels, "header"),
            (&huge, &labels, "too much"),
            (&flat, &labels, "3×0 pixels"),
            (&cut[..cut.len() / 2], &labels, "IDX train images"),
            (&pixels, &fewer, "3 images, but 2 labels"),
        ];
        for (pixels, labels, wanted) in bad {
            let error = read(&[(Part::Train, pixels, labels)], Vec::new()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        let one = read(&[(Part::Train, &pixels, &labels)], vec!["only".into()]);
        assert!(one.unwrap_err().to_string().contains("label 1, but only 1 classes"));
        assert!(read(&[], Vec::new()).is_err());
    }
}
