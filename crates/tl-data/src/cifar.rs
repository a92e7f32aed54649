//! CIFAR-10 and CIFAR-100 in their binary form (Krizhevsky 2009): colour images of 32 × 32 pixels.
//!
//! A record is the number of a class (in CIFAR-100 that of a coarse class, then that of a fine one) and 3072 bytes: the red
//! plane, the green one and the blue one, row by row.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::images::{Item, PlanarBlock, Source};
use crate::{DataError, Images, Part};

const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;

/// One of the two collections, as its files tell.
struct Kind {
    /// Bytes before the pixels, the last of which is the class that is taken.
    labels: usize,
    classes: usize,
    /// The file that names the classes, one a line.
    names: &'static str,
}

const TEN: Kind = Kind { labels: 1, classes: 10, names: "batches.meta.txt" };
const HUNDRED: Kind = Kind { labels: 2, classes: 100, names: "fine_label_names.txt" };

/// The images of the binary files in `folder`; `None` where no file there is called like one of them.
///
/// CIFAR-10 is `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`, CIFAR-100 `train.bin` and `test.bin` with
/// `fine_label_names.txt`. Any of a collection's files may be missing but all; without names the classes are numbers.
pub(crate) fn find(folder: &Path) -> Result<Option<Images>, DataError> {
    let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
    let batches = (1..=5).filter_map(|number| there(&format!("data_batch_{number}.bin")));
    let train = batches.map(|path| (Part::Train, path));
    let test = there("test_batch.bin").map(|path| (Part::Test, path));
    let ten: Vec<(Part, PathBuf)> = train.chain(test).collect();
    if !ten.is_empty() {
        return read(folder, &TEN, &ten).map(Some);
    }
    if there(HUNDRED.names).is_none() {
        return Ok(None);
    }
    let files = [(Part::Train, there("train.bin")), (Part::Test, there("test.bin"))];
    let hundred: Vec<(Part, PathBuf)> =
        files.into_iter().filter_map(|(part, path)| Some((part, path?))).collect();
    match hundred.is_empty() {
        true => Ok(None),
        false => read(folder, &HUNDRED, &hundred).map(Some),
    }
}

fn read(folder: &Path, kind: &Kind, files: &[(Part, PathBuf)]) -> Result<Images, DataError> {
    let mut items: Vec<Item> = Vec::new();
    for (part, path) in files {
        // Batches of one part count on, so that names stay unique.
        let start = items.iter().filter(|item| item.part == Some(*part)).count();
        for (index, (label, source)) in records(path, kind)?.into_iter().enumerate() {
            let name = format!("{part}/{:06}", start + index);
            items.push(Item { label: Some(label), part: Some(*part), ..Item::new(name, source) });
        }
    }
    items.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    Ok(Images { classes: names(folder, kind)?, items, notes: Vec::new() })
}

/// The class and the place of every image of a file.
fn records(path: &Path, kind: &Kind) -> Result<Vec<(usize, Source)>, DataError> {
    let wrong = |problem: String| DataError::Cifar { path: path.to_path_buf(), problem };
    let size = kind.labels + PIXELS;
    let broken = |source| DataError::read(path, source);
    // Before it is read: whatever is called so may be as large as it likes.
    let bytes = std::fs::metadata(path).map_err(broken)?.len();
    if bytes == 0 || bytes % size as u64 != 0 {
        let classes = kind.classes;
        return Err(wrong(format!(
            "{bytes} bytes are no whole number of images of {size} bytes, as CIFAR-{classes} has them"
        )));
    }
    let all = std::fs::read(path).map_err(broken)?;
    let mut labels = Vec::with_capacity(all.len() / size);
    let mut pixels = Vec::with_capacity(all.len());
    for (number, record) in all.chunks_exact(size).enumerate() {
        let (head, own) = record.split_at(kind.labels);
        let label = head.last().map_or(0, |label| usize::from(*label));
        if label >= kind.classes {
            let last = kind.classes - 1;
            return Err(wrong(format!(
                "image {number} is of class {label}, and the last one is {last}"
            )));
        }
        labels.push(label);
        pixels.extend_from_slice(own);
    }
    let block = Arc::new(PlanarBlock { width: SIDE, height: SIDE, pixels });
    let source = |index| Source::Planar { block: Arc::clone(&block), index };
    Ok(labels.into_iter().enumerate().map(|(index, label)| (label, source(index))).collect())
}

/// The names of the classes; their numbers where there is no file of names.
fn names(folder: &Path, kind: &Kind) -> Result<Vec<String>, DataError> {
    let path = folder.join(kind.names);
    if !path.is_file() {
        return Ok((0..kind.classes).map(|number| number.to_string()).collect());
    }
    let text = std::fs::read_to_string(&path).map_err(|source| DataError::read(&path, source))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = lines.map(str::to_string).collect();
    if names.len() != kind.classes {
        let problem = format!("names {} classes, and there are {}", names.len(), kind.classes);
        return Err(DataError::Cifar { path, problem });
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;

    /// Records with these labels; image `n` is `n` in its red plane, `n + 1` in its green and `n + 2` in its blue one.
    fn file(labels: &[&[u8]]) -> Vec<u8> {
        let record = |(number, label): (usize, &&[u8])| {
            let plane = |channel: usize| vec![(number + channel) as u8; SIDE * SIDE];
            [label.to_vec(), plane(0), plane(1), plane(2)].concat()
        };
        labels.iter().enumerate().flat_map(record).collect()
    }

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    #[test]
    fn batches_are_one_part_and_colours_come_plane_by_plane() {
        let mut first = file(&[&[3], &[0]]);
        // The second pixel of the first row, in red.
        first[1 + 1] = 200;
        let names: String = (0..10).map(|number| format!("thing {number}\n")).collect();
        let folder = folder(&[
            ("data_batch_1.bin", &first),
            ("data_batch_2.bin", &file(&[&[9]])),
            ("test_batch.bin", &file(&[&[3]])),
            ("batches.meta.txt", (names + "\n").as_bytes()),
        ]);
        let images = Images::open(folder.path()).unwrap();
        let found: Vec<(&str, Option<usize>)> =
            images.items.iter().map(|it| (it.name.as_str(), it.label)).collect();
        assert_eq!(
            found,
            [
                ("test/000000", Some(3)),
                ("train/000000", Some(3)),
                ("train/000001", Some(0)),
                ("train/000002", Some(9))
            ]
        );
        assert_eq!(images.class(1), "thing 3");
        assert_eq!(images.part(0), Some(Part::Test));
        let image = images.decode(1).unwrap();
        assert_eq!((image.width(), image.height()), (32, 32));
        assert_eq!(image.bytes()[..6], [0, 1, 2, 200, 1, 2]);
        assert_eq!(images.decode(2).unwrap().bytes()[..3], [1, 2, 3]);
        // The second batch begins anew.
        assert_eq!(images.decode(3).unwrap().bytes()[..3], [0, 1, 2]);
    }

    #[test]
    fn of_a_hundred_classes_the_fine_ones_are_taken() {
        let names: String = (0..100).map(|number| format!("fine {number}\n")).collect();
        let files = [
            ("train.bin", file(&[&[4, 99], &[0, 7]])),
            ("test.bin", file(&[&[1, 7]])),
            ("fine_label_names.txt", names.into_bytes()),
        ];
        let folder = folder(&files.each_ref().map(|(name, bytes)| (*name, bytes.as_slice())));
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(images.labels(), [Some(7), Some(99), Some(7)]);
        assert_eq!(images.class(1), "fine 99");
    }

    #[test]
    fn what_does_not_fit_is_one_line() {
        let good = file(&[&[3], &[0]]);
        type Files<'a> = &'a [(&'a str, &'a [u8])];
        let cases: [(Files, &str); 4] = [
            (&[("data_batch_1.bin", &good[..good.len() - 1])], "6145 bytes are no whole number"),
            (&[("test_batch.bin", &[])], "0 bytes are no whole number"),
            (&[("data_batch_3.bin", &file(&[&[10]]))], "image 0 is of class 10"),
            (
                &[("data_batch_1.bin", &good), ("batches.meta.txt", b"a\nb\n")],
                "names 2 classes, and there are 10",
            ),
        ];
        for (files, part) in cases {
            let message = Images::open(folder(files).path()).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
            assert_eq!(message.lines().count(), 1);
        }
        let numbers = folder(&[("test_batch.bin", &good)]);
        assert_eq!(Images::open(numbers.path()).unwrap().classes[9], "9");
    }
}
