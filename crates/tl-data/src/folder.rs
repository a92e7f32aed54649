//! Images in folders: one folder per class, perhaps inside one folder per part, or no classes at all.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use crate::images::{Item, Part, Source};
use crate::{DataError, Images};

/// What counts as an image, in lower case. The last row is not decoded here: such a file is listed all the
/// same, so that it is skipped by name instead of unseen.
const EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "jfif", "jpe", "png", "bmp", "gif", "webp", //
    "tif", "tiff", "ppm", "pgm", "heic", "avif",
];

/// Reads the layout of a folder.
pub(crate) fn scan(root: &Path) -> Result<Images, DataError> {
    let listing = Listing::of(root)?;
    let mut seen = Seen::default();
    seen.enter(root)?;
    let parts: Vec<(Part, &Entry)> = listing
        .folders
        .iter()
        .filter_map(|entry| Some((part_of(&entry.name)?, entry)))
        .collect();
    // A folder `train` beside `bus` and `car` is a class, unless it holds folders itself.
    let mut splits = !parts.is_empty() && parts.len() == listing.folders.len();
    for (_, folder) in parts.iter().filter(|(part, _)| *part == Part::Train) {
        splits |= !Listing::of(&folder.path)?.folders.is_empty();
    }
    let mut images = if splits {
        scan_parts(&listing, &parts, &seen)?
    } else {
        scan_classes(root, &listing, &seen)?
    };
    images
        .items
        .sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
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
    if let Some(other) = listing
        .folders
        .iter()
        .find(|entry| part_of(&entry.name).is_none())
    {
        return Err(DataError::BesideParts(other.path.clone()));
    }
    let mut found: Vec<(Part, String, Item)> = Vec::new();
    // Every class with the parts that have it.
    let mut classes: BTreeMap<String, Vec<Part>> = BTreeMap::new();
    let mut notes = beside(&listing.images);
    for (position, (part, folder)) in parts.iter().enumerate() {
        if let Some((_, first)) = parts[..position]
            .iter()
            .find(|(earlier, _)| earlier == part)
        {
            let (first, second) = (first.path.clone(), folder.path.clone());
            return Err(DataError::PartTwice { first, second });
        }
        let inside = Listing::of(&folder.path)?;
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
            found.extend(
                files
                    .into_iter()
                    .map(|item| (*part, class.name.clone(), item)),
            );
        }
    }
    if parts.iter().any(|(part, _)| *part == Part::Train) {
        if let Some((class, parts)) = classes
            .iter()
            .find(|(_, parts)| !parts.contains(&Part::Train))
        {
            let part = parts.first().map_or("", |part| part.name()).to_string();
            return Err(DataError::UntrainedClass {
                class: class.clone(),
                part,
            });
        }
    }
    let classes: Vec<String> = classes.into_keys().collect();
    let items = found.into_iter().map(|(part, class, item)| {
        let label = classes.binary_search(&class).ok();
        Item {
            label,
            part: Some(part),
            ..item
        }
    });
    Ok(Images {
        items: items.collect(),
        classes,
        notes,
    })
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
        let items = listing
            .images
            .iter()
            .map(|entry| entry.item(&entry.name))
            .collect::<Result<_, _>>()?;
        return Ok(Images {
            classes: Vec::new(),
            items,
            notes: Vec::new(),
        });
    }
    match empty {
        Some(class) => Err(DataError::EmptyClass {
            class: class.name.clone(),
            path: class.path.clone(),
        }),
        None if items.is_empty() => Err(DataError::NothingToRead(root.to_path_buf())),
        None => Ok(Images {
            classes,
            items,
            notes: beside(&listing.images),
        }),
    }
}

/// A note, if images lie where class folders are expected.
fn beside(images: &[Entry]) -> Vec<String> {
    let Some(first) = images.first() else {
        return Vec::new();
    };
    let many = if images.len() == 1 { "image" } else { "images" };
    let path = first.path.display();
    vec![format!(
        "{} {many} beside the class folders left out, the first is {path}",
        images.len()
    )]
}

/// All images at any depth below `folder`; `None` when the folder was seen before.
fn walk(folder: &Path, prefix: &str, seen: &mut Seen) -> Result<Option<Vec<Item>>, DataError> {
    if !seen.enter(folder)? {
        return Ok(None);
    }
    let mut items = Vec::new();
    // A stack of our own: the depth of a folder tree is input, and recursion could exhaust the thread's.
    let mut waiting = vec![(folder.to_path_buf(), prefix.to_string())];
    while let Some((folder, prefix)) = waiting.pop() {
        let listing = Listing::of(&folder)?;
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

/// The folders entered so far, by their real path, so that links in a circle end.
#[derive(Clone, Default)]
struct Seen(HashSet<PathBuf>);

impl Seen {
    /// Whether the folder is new.
    fn enter(&mut self, folder: &Path) -> Result<bool, DataError> {
        let real = folder
            .canonicalize()
            .map_err(|source| DataError::read(folder, source))?;
        Ok(self.0.insert(real))
    }
}

struct Entry {
    name: String,
    path: PathBuf,
}

impl Entry {
    /// An item without label and part.
    fn item(&self, name: &str) -> Result<Item, DataError> {
        let metadata =
            std::fs::metadata(&self.path).map_err(|source| DataError::read(&self.path, source))?;
        let source = Source::File {
            path: self.path.clone(),
            bytes: metadata.len(),
        };
        Ok(Item {
            name: name.to_string(),
            label: None,
            part: None,
            source,
        })
    }
}

/// What a folder holds, by name: folders, and files that are images by their extension.
struct Listing {
    folders: Vec<Entry>,
    images: Vec<Entry>,
}

impl Listing {
    fn of(folder: &Path) -> Result<Self, DataError> {
        let broken = |source| DataError::read(folder, source);
        let mut listing = Self {
            folders: Vec::new(),
            images: Vec::new(),
        };
        for entry in std::fs::read_dir(folder).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let (name, path) = (
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            );
            if name.starts_with('.') || name == "__MACOSX" {
                continue;
            }
            // Follows links; a link to nowhere or to itself is no image. Neither are pipes and devices.
            let Ok(metadata) = std::fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                listing.folders.push(Entry { name, path });
            } else if metadata.is_file() && is_image(&path) {
                listing.images.push(Entry { name, path });
            }
        }
        for entries in [&mut listing.folders, &mut listing.images] {
            entries.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
        }
        Ok(listing)
    }
}

fn is_image(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}
