//! Images in folders: one folder per class, perhaps inside one folder per part, or no classes at
//! all.

use std::collections::BTreeMap;
use std::path::Path;

use crate::images::{Item, Part};
use crate::listing::{Entry, IMAGES, Listing, Seen};
use crate::{DataError, Images};

/// Reads the layout of a folder.
pub(crate) fn scan(root: &Path) -> Result<Images, DataError> {
    scan_for(root, IMAGES)
}

/// The same for files with these extensions, whatever they are.
pub(crate) fn scan_for(
    root: &Path,
    extensions: &'static [&'static str],
) -> Result<Images, DataError> {
    let mut seen = Seen::new(extensions);
    let listing = seen.list(root)?;
    seen.enter(root)?;
    let parts: Vec<(Part, &Entry)> =
        listing.folders.iter().filter_map(|entry| Some((part_of(&entry.name)?, entry))).collect();
    // A folder `train` beside `bus` and `car` is a class, unless it holds folders itself.
    let mut splits = !parts.is_empty() && parts.len() == listing.folders.len();
    for (_, folder) in parts.iter().filter(|(part, _)| *part == Part::Train) {
        splits |= !seen.list(&folder.path)?.folders.is_empty();
    }
    let mut images = if splits {
        scan_parts(&listing, &parts, &seen)?
    } else {
        scan_classes(root, &listing, &seen)?
    };
    images.items.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
    Ok(images)
}

/// The part a folder name stands for.
fn part_of(name: &str) -> Option<Part> {
    match name.to_ascii_lowercase().as_str() {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" => Some(Part::Validation),
        "test" | "testing" => Some(Part::Test),
        _ => None,
    }
}

/// `root/part/class/…`
fn scan_parts(
    listing: &Listing,
    parts: &[(Part, &Entry)],
    seen: &Seen,
) -> Result<Images, DataError> {
    if let Some(other) = listing.folders.iter().find(|entry| part_of(&entry.name).is_none()) {
        return Err(DataError::BesideParts(other.path.clone()));
    }
    let mut found: Vec<(Part, String, Item)> = Vec::new();
    // Every class with the parts that have it.
    let mut classes: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut notes = beside(&listing.images);
    for (position, (part, folder)) in parts.iter().enumerate() {
        if let Some((_, first)) = parts[..position].iter().find(|(earlier, _)| earlier == part) {
            let (first, second) = (first.path.clone(), folder.path.clone());
            return Err(DataError::PartTwice { first, second });
        }
        let inside = seen.list(&folder.path)?;
        if inside.folders.is_empty() {
            return Err(match inside.images.is_empty() {
                true => DataError::NothingToRead(folder.path.clone()),
                false => DataError::PartWithoutClasses(folder.path.clone()),
            });
        }
        notes.extend(beside(&inside.images));
        let mut seen = seen.clone();
        seen.enter(&folder.path)?;
        for class in &inside.folders {
            let prefix = format!("{}/{}", folder.name, class.name);
            let Some(files) = walk(&class.path, &prefix, &mut seen.clone())? else {
                continue;
            };
            if files.is_empty() {
                return Err(DataError::EmptyClass {
                    class: class.name.clone(),
                    path: class.path.clone(),
                });
            }
            classes.entry(class.name.clone()).or_default().push(*part);
            found.extend(files.into_iter().map(|item| (*part, class.name.clone(), item)));
        }
    }
    let trained = parts.iter().any(|(part, _)| *part == Part::Train);
    let untrained = classes.iter().find(|(_, parts)| trained && !parts.contains(&Part::Train));
    if let Some((class, parts)) = untrained {
        let part = parts.first().map_or("", |part| part.name()).to_string();
        return Err(DataError::UntrainedClass { class: class.clone(), part });
    }
    let classes: Vec<String> = classes.into_keys().collect();
    let items = found.into_iter().map(|(part, class, item)| {
        let label = classes.binary_search(&class).ok();
        Item { label, part: Some(part), ..item }
    });
    Ok(Images { items: items.collect(), classes, notes })
}

/// `root/class/…`, or images in `root` itself when no folder below holds one.
fn scan_classes(root: &Path, listing: &Listing, seen: &Seen) -> Result<Images, DataError> {
    let mut classes = Vec::new();
    let mut items = Vec::new();
    let mut empty = None;
    for class in &listing.folders {
        let Some(files) = walk(&class.path, &class.name, &mut seen.clone())? else {
            continue;
        };
        if files.is_empty() {
            empty = empty.or(Some(class));
        }
        let label = Some(classes.len());
        classes.push(class.name.clone());
        items.extend(files.into_iter().map(|item| Item { label, ..item }));
    }
    if items.is_empty() && !listing.images.is_empty() {
        let items =
            listing.images.iter().map(|entry| entry.item(&entry.name)).collect::<Result<_, _>>()?;
        return Ok(Images { classes: Vec::new(), items, notes: Vec::new() });
    }
    match empty {
        Some(class) => {
            Err(DataError::EmptyClass { class: class.name.clone(), path: class.path.clone() })
        }
        None if items.is_empty() => Err(DataError::NothingToRead(root.to_path_buf())),
        None => Ok(Images { classes, items, notes: beside(&listing.images) }),
    }
}

/// A note, if images lie where class folders are expected.
fn beside(images: &[Entry]) -> Vec<String> {
    let Some(first) = images.first() else {
        return Vec::new();
    };
    let many = if images.len() == 1 { "image" } else { "images" };
    let path = first.path.display();
    vec![format!("{} {many} beside the class folders left out, the first is {path}", images.len())]
}

/// All images at any depth below `folder`; `None` when the folder was seen before.
fn walk(folder: &Path, prefix: &str, seen: &mut Seen) -> Result<Option<Vec<Item>>, DataError> {
    if !seen.enter(folder)? {
        return Ok(None);
    }
    let mut items = Vec::new();
    // A stack of our own: the depth of a folder tree is input, and recursion could exhaust the
    // thread's.
    let mut waiting = vec![(folder.to_path_buf(), prefix.to_string())];
    while let Some((folder, prefix)) = waiting.pop() {
        let listing = seen.list(&folder)?;
        for entry in &listing.images {
            items.push(entry.item(&format!("{prefix}/{}", entry.name))?);
        }
        for entry in listing.folders {
            if seen.enter(&entry.path)? {
                waiting.push((entry.path, format!("{prefix}/{}", entry.name)));
            }
        }
    }
    Ok(Some(items))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use crate::testing::{folder_with, write_image};

    fn names(images: &Images) -> Vec<&str> {
        images.items.iter().map(|item| item.name.as_str()).collect()
    }

    fn failure(names: &[&str]) -> String {
        Images::open(folder_with(names).path()).unwrap_err().to_string()
    }

    #[test]
    fn class_folders_are_read_at_any_depth_in_the_order_of_their_names() {
        let folder = folder_with(&["dog/b.png", "dog/a/z.png", "cat/1.PNG", "Ant/x.bmp"]);
        std::fs::write(folder.path().join("dog/.DS_Store"), "x").unwrap();
        std::fs::write(folder.path().join("dog/Thumbs.db"), "x").unwrap();
        std::fs::write(folder.path().join("dog/notes.txt"), "x").unwrap();
        std::fs::write(folder.path().join("dog/._b.png"), "x").unwrap();
        std::fs::write(folder.path().join("._c.png"), "x").unwrap();
        write_image(&folder.path().join(".cache/1.png"), 3, 3);
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(images.classes, ["Ant", "cat", "dog"]);
        assert_eq!(names(&images), ["Ant/x.bmp", "cat/1.PNG", "dog/a/z.png", "dog/b.png"]);
        let labels: Vec<_> = images.items.iter().map(|item| item.label).collect();
        assert_eq!(labels, [Some(0), Some(1), Some(2), Some(2)]);
        assert!(images.items.iter().all(|item| item.part.is_none()));
        assert!(images.require_classes().is_ok());
        assert_eq!(images.decode(0).unwrap().width(), 8);
    }

    #[test]
    fn folders_named_for_parts_divide_the_images() {
        let folder =
            folder_with(&["train/a/1.png", "train/b/2.png", "val/a/3.png", "test/b/4.png"]);
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(images.classes, ["a", "b"]);
        assert_eq!(
            names(&images),
            ["test/b/4.png", "train/a/1.png", "train/b/2.png", "val/a/3.png"]
        );
        let parts: Vec<_> = images.items.iter().map(|item| item.part.unwrap()).collect();
        assert_eq!(parts, [Part::Test, Part::Train, Part::Train, Part::Validation]);
        assert_eq!(images.items[0].label, Some(1));
    }

    #[test]
    fn a_class_may_be_called_train() {
        let images = Images::open(folder_with(&["train/1.png", "bus/2.png"]).path()).unwrap();
        assert_eq!(images.classes, ["bus", "train"]);
    }

    #[test]
    fn a_flat_folder_and_single_files_have_no_labels() {
        let folder = folder_with(&["b.png", "a.png", "empty/"]);
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(names(&images), ["a.png", "b.png"]);
        assert!(images.items.iter().all(|item| item.label.is_none()));
        assert!(matches!(images.require_classes(), Err(DataError::NoClasses)));
        let one = Images::open(&folder.path().join("b.png")).unwrap();
        assert_eq!(one.decode(0).unwrap().height(), 6);
        let wrong = Images::from_files(&[folder.path().to_path_buf()]);
        assert!(matches!(wrong, Err(DataError::IsFolder(_))));
    }

    #[test]
    fn what_cannot_be_meant_is_said_by_name() {
        assert!(failure(&["cat/1.png", "dog/"]).contains("class \"dog\" has no image"));
        assert!(failure(&["train/a/1.png", "train/b/"]).contains("class \"b\" has no image"));
        assert!(failure(&["cat/"]).contains("class \"cat\" has no image"));
        assert!(failure(&[]).contains("no image in"));
        assert!(failure(&["train/1.png", "test/1.png"]).contains("holds images directly"));
        assert!(failure(&["train/a/1.png", "other/a/1.png"]).contains("other stands beside"));
        assert!(failure(&["train/a/1.png", "val/a/1.png", "valid/a/1.png"]).contains("twice"));
        assert!(failure(&["train/a/1.png", "test/b/1.png"]).contains("class \"b\" of test"));
        let nowhere = Images::open(Path::new("/no/such/folder")).unwrap_err();
        assert!(matches!(nowhere, DataError::NoSuchPath(_)));
        let one_class = Images::open(folder_with(&["cat/1.png"]).path()).unwrap();
        assert!(
            one_class.require_classes().unwrap_err().to_string().contains("\"cat\" is the only")
        );
    }

    #[test]
    fn images_beside_the_class_folders_are_left_out_and_noted() {
        let images = Images::open(folder_with(&["a/1.png", "b/1.png", "x.png"]).path()).unwrap();
        assert_eq!(images.len(), 2);
        assert!(images.notes[0].starts_with("1 image beside"), "{:?}", images.notes);
    }

    #[test]
    fn the_fingerprint_follows_the_data_and_not_their_place() {
        let names = ["a/1.png", "b/1.png"];
        let (one, other) = (folder_with(&names), folder_with(&names));
        let print = |folder: &Path| Images::open(folder).unwrap().fingerprint();
        let before = print(one.path());
        assert_eq!(before.len(), 64);
        assert_eq!(before, print(other.path()));
        write_image(&other.path().join("b/1.png"), 30, 30);
        assert_ne!(before, print(other.path()));
        std::fs::rename(one.path().join("b"), one.path().join("c")).unwrap();
        assert_ne!(before, print(one.path()));
    }

    #[cfg(unix)]
    #[test]
    fn links_in_a_circle_end() {
        use std::os::unix::fs::symlink;
        let folder = folder_with(&["a/1.png", "b/1.png"]);
        symlink("..", folder.path().join("a/up")).unwrap();
        symlink(".", folder.path().join("a/self")).unwrap();
        symlink(folder.path(), folder.path().join("root")).unwrap();
        symlink("nowhere.png", folder.path().join("b/nowhere.png")).unwrap();
        symlink("loop.png", folder.path().join("b/loop.png")).unwrap();
        symlink("1.png", folder.path().join("b/2.png")).unwrap();
        let images = Images::open(folder.path()).unwrap();
        assert_eq!(images.classes, ["a", "b"]);
        assert_eq!(names(&images), ["a/1.png", "b/1.png", "b/2.png"]);
    }
}
