//! Small data sets chosen out of larger ones: grey images as IDX files, with every part divided.

use std::path::Path;

use tl_data::{Images, Items, Part, digits};

use crate::assets::{chosen, fetched};
use crate::shell::{During, Failure, Outcome, cache, read, root, write};

/// The names of an IDX file's part, as the program looks for them.
const PARTS: [(Part, &str); 3] =
    [(Part::Train, "train"), (Part::Validation, "validation"), (Part::Test, "t10k")];

/// A fetched data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Fashion-MNIST, complete: 60,000 training images, 10,000 of test.
    Fashion,
    /// 10,000 of MNIST's digits, every fifth of them set aside for test.
    Mnist,
    /// The UCI digits, boxed as MNIST's are, every fifth of them set aside for test.
    Uci,
}

impl Origin {
    /// The fetched files that it is made of.
    pub fn assets(self) -> Vec<String> {
        match self {
            Self::Fashion => {
                let kinds = ["images-idx3", "labels-idx1"];
                let name = |part: &str, kind: &str| format!("fashion-mnist-{part}-{kind}-ubyte.gz");
                ["train", "t10k"]
                    .into_iter()
                    .flat_map(|part| kinds.map(|kind| name(part, kind)))
                    .collect()
            }
            Self::Mnist => (0..10).map(|digit| format!("mnist-{digit}.json")).collect(),
            Self::Uci => vec!["uci-digits.csv.gz".to_string()],
        }
    }

    /// The images, in the parts that the origin has.
    ///
    /// # Errors
    /// When a file cannot be fetched, or is not what it should be.
    pub fn images(self) -> Outcome<Images> {
        let cache = cache()?;
        let names = self.assets();
        for asset in chosen(&names)? {
            fetched(&asset, &cache).during(format_args!("{} could not be fetched", asset.name))?;
        }
        match self {
            Self::Mnist => digits::read_mnist(&cache).during("MNIST"),
            Self::Uci => digits::read_uci(&cache).during("the UCI digits"),
            Self::Fashion => {
                let bytes = |name: &String| {
                    let path = cache.join(name);
                    std::fs::read(&path).during(path.display())
                };
                let files: Vec<Vec<u8>> = names.iter().map(bytes).collect::<Outcome<_>>()?;
                let [train, train_labels, test, test_labels] = &files[..] else {
                    return Err(Failure::new("Fashion-MNIST has four files"));
                };
                let classes = root().join("assets").join("fashion_mnist").join("classes.txt");
                let classes = read(&classes)?.lines().map(str::to_string).collect();
                let parts = [
                    (Part::Train, &**train, &**train_labels),
                    (Part::Test, &**test, &**test_labels),
                ];
                Images::idx(&parts, classes).during("Fashion-MNIST")
            }
        }
    }
}

/// How many images of each class are taken into each part, the first ones in the order of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Of the origin's training part: those that choose, taken first; with 0 the folder has no such part,
    pub validation: usize,
    /// and after them those that are trained on.
    pub training: usize,
    /// Of the origin's test part, or after the others
    pub test: usize,
    /// of its training part, so that the test part is not looked at.
    pub apart: bool,
}

/// The places of images by part.
type Picked = Vec<(Part, Vec<usize>)>;

/// Picks as many of each class as `counts` says, or as many as there are.
fn pick(images: &Images, counts: Counts) -> Picked {
    let mut picked: Picked = PARTS.iter().map(|(part, _)| (*part, Vec::new())).collect();
    for label in 0..images.classes.len() {
        let of = |part: Part| {
            let own = move |index: &usize| {
                images.label(*index) == Some(label) && images.part(*index) == Some(part)
            };
            (0..images.count()).filter(own)
        };
        for (part, into) in &mut picked {
            match part {
                Part::Validation => into.extend(of(Part::Train).take(counts.validation)),
                Part::Train => {
                    into.extend(of(Part::Train).skip(counts.validation).take(counts.training));
                }
                Part::Test if counts.apart => {
                    let used = counts.validation.saturating_add(counts.training);
                    into.extend(of(Part::Train).skip(used).take(counts.test));
                }
                Part::Test => into.extend(of(Part::Test).take(counts.test)),
            }
        }
    }
    picked
}

/// Writes `folder` with those of `images` that are of `classes`, numbered in that order, unless it is there.
///
/// # Errors
/// When the images lack a class, one cannot be read, they have different sizes, a part that is asked for would be empty, or the folder
/// cannot be written.
pub fn put(folder: &Path, images: &Images, classes: &[usize], counts: Counts) -> Outcome<()> {
    let done = folder.join("classes.txt");
    if done.exists() {
        return Ok(());
    }
    let name = |class: &usize| {
        let name = images.classes.get(*class).cloned();
        name.ok_or_else(|| Failure::new(format!("the images have no class {class}")))
    };
    let names: Vec<String> = classes.iter().map(name).collect::<Outcome<_>>()?;
    let images = images.only(&names).during(folder.display())?;
    for (part, picked) in pick(&images, counts) {
        if part == Part::Validation && counts.validation == 0 {
            continue;
        }
        let name = PARTS.iter().find(|(known, _)| *known == part).map_or("", |(_, name)| name);
        let [pixels, labels] =
            idx(&images, &picked).during(format_args!("{}, the {part} part", folder.display()))?;
        write(&folder.join(format!("{name}-images-idx3-ubyte")), &pixels)?;
        write(&folder.join(format!("{name}-labels-idx1-ubyte")), &labels)?;
    }
    write(&done, (names.join("\n") + "\n").as_bytes())
}

/// The two files of a part: pixels and labels.
fn idx(images: &Images, picked: &[usize]) -> Outcome<[Vec<u8>; 2]> {
    let mut side = None;
    let mut pixels: Vec<u8> = Vec::new();
    for index in picked {
        let image = images.decode(*index).during("an image")?;
        let own = (image.height(), image.width());
        if *side.get_or_insert(own) != own {
            return Err(Failure::new("images of different sizes"));
        }
        // Red, green and blue of a grey image are the same.
        pixels.extend(image.bytes().iter().step_by(3));
    }
    let Some((height, width)) = side else { return Err(Failure::new("no image")) };
    let header = |rank: u8, sizes: &[usize]| {
        let sizes = sizes.iter().flat_map(|size| (*size as u32).to_be_bytes());
        [0, 0, 8, rank].into_iter().chain(sizes).collect::<Vec<u8>>()
    };
    let mut file = header(3, &[picked.len(), height, width]);
    file.extend(pixels);
    let mut labels = header(1, &[picked.len()]);
    labels.extend(picked.iter().filter_map(|index| images.label(*index)).map(|label| label as u8));
    Ok([file, labels])
}

/// The images in the test part of a folder that [`put`] has written.
///
/// # Errors
/// When it is not there.
pub fn tests(folder: &Path) -> Outcome<usize> {
    let images = Images::open(folder).during(folder.display())?;
    Ok(images.items.iter().filter(|item| item.part == Some(Part::Test)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of one pixel in three classes, whose grey is their place in the origin: eight for training, four for test.
    fn origin() -> Images {
        let part = |labels: &[u8], first: u8| {
            let count = labels.len() as u8;
            let mut pixels = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 1];
            pixels.extend(first..first + count);
            let mut all = vec![0, 0, 8, 1, 0, 0, 0, count];
            all.extend_from_slice(labels);
            (pixels, all)
        };
        let (pixels, labels) = part(&[0, 1, 2, 2, 1, 0, 2, 2], 0);
        let (test, test_labels) = part(&[2, 1, 2, 0], 100);
        let parts = [(Part::Train, &*pixels, &*labels), (Part::Test, &*test, &*test_labels)];
        Images::idx(&parts, vec!["a".into(), "b".into(), "c".into()]).unwrap()
    }

    fn greys(images: &Images, part: Part) -> Vec<(u8, &str)> {
        let own = (0..images.count()).filter(|index| images.part(*index) == Some(part));
        own.map(|index| (images.decode(index).unwrap().bytes()[0], images.class(index))).collect()
    }

    #[test]
    fn classes_are_numbered_anew_and_each_part_holds_the_first_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { validation: 1, training: 2, test: 1, apart: false };
        put(folder.path(), &origin(), &[2, 1], counts).unwrap();
        let written = Images::open(folder.path()).unwrap();
        assert_eq!(written.classes, ["c", "b"]);
        assert_eq!(greys(&written, Part::Validation), [(2, "c"), (1, "b")]);
        // Of "b" one is left after that which chooses.
        assert_eq!(greys(&written, Part::Train), [(3, "c"), (6, "c"), (4, "b")]);
        assert_eq!(greys(&written, Part::Test), [(100, "c"), (101, "b")]);
        assert_eq!(tests(folder.path()).unwrap(), 2);
    }

    #[test]
    fn without_any_that_choose_there_is_no_such_part() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { validation: 0, training: usize::MAX, test: usize::MAX, apart: false };
        put(folder.path(), &origin(), &[0, 2], counts).unwrap();
        let written = Images::open(folder.path()).unwrap();
        let first = [(0, "a"), (5, "a"), (2, "c"), (3, "c"), (6, "c"), (7, "c")];
        assert_eq!(greys(&written, Part::Train), first);
        assert!(greys(&written, Part::Validation).is_empty());
        assert_eq!(greys(&written, Part::Test), [(103, "a"), (100, "c"), (102, "c")]);
    }

    #[test]
    fn set_apart_the_test_part_of_the_origin_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { validation: 1, training: 1, test: 1, apart: true };
        put(folder.path(), &origin(), &[2], counts).unwrap();
        let written = Images::open(folder.path()).unwrap();
        let parts = [Part::Validation, Part::Train, Part::Test];
        assert_eq!(parts.map(|part| greys(&written, part)[0].0), [2, 3, 6]);
        // Of "b" there are two, and none is left.
        let other = tempfile::tempdir().unwrap();
        assert!(put(other.path(), &origin(), &[1], counts).is_err());
    }

    #[test]
    fn what_is_there_stays_and_an_empty_part_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let counts = Counts { validation: 1, training: 1, test: 1, apart: false };
        let unknown = put(folder.path(), &origin(), &[0, 3], counts).unwrap_err().to_string();
        assert!(unknown.contains("no class 3"), "{unknown}");
        assert!(put(folder.path(), &origin(), &[0], Counts { test: 0, ..counts }).is_err());
        put(folder.path(), &origin(), &[0, 1], counts).unwrap();
        put(folder.path(), &origin(), &[2, 1], counts).unwrap();
        assert_eq!(Images::open(folder.path()).unwrap().classes, ["a", "b"]);
    }

    #[test]
    fn every_origin_names_files_that_the_list_of_assets_has() {
        for origin in [Origin::Fashion, Origin::Mnist, Origin::Uci] {
            assert_eq!(
                chosen(&origin.assets()).unwrap().len(),
                origin.assets().len(),
                "{origin:?}"
            );
        }
    }
}
