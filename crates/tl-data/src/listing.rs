//! What a folder holds, as far as images or texts go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::DataError;
use crate::images::{Item, Source};

/// What counts as an image, in lower case. The last row is not decoded here: such a file is listed
/// all the same, so that it is skipped by name instead of unseen.
pub(crate) const IMAGES: &[&str] = &[
    "jpg", "jpeg", "jfif", "jpe", "png", "bmp", "gif", "webp", //
    "tif", "tiff", "ppm", "pgm", "heic", "avif",
];

/// What counts as a text.
pub(crate) const TEXTS: &[&str] = &["txt"];

/// The folders entered so far, by their real path, so that links in a circle end; and what files of them
/// are listed.
#[derive(Clone)]
pub(crate) struct Seen {
    folders: HashSet<PathBuf>,
    extensions: &'static [&'static str],
}

impl Seen {
    /// No folder yet; files with these extensions.
    pub fn new(extensions: &'static [&'static str]) -> Self {
        Self { folders: HashSet::new(), extensions }
    }

    /// What a folder holds.
    pub fn list(&self, folder: &Path) -> Result<Listing, DataError> {
        Listing::of(folder, self.extensions)
    }

    /// Whether the folder is new.
    pub fn enter(&mut self, folder: &Path) -> Result<bool, DataError> {
        let real = folder.canonicalize().map_err(|source| DataError::read(folder, source))?;
        Ok(self.folders.insert(real))
    }
}

/// A name in a folder.
pub(crate) struct Entry {
    pub name: String,
    pub path: PathBuf,
}

impl Entry {
    /// An item without label and part.
    pub fn item(&self, name: &str) -> Result<Item, DataError> {
        let metadata =
            std::fs::metadata(&self.path).map_err(|source| DataError::read(&self.path, source))?;
        let source = Source::File { path: self.path.clone(), bytes: metadata.len() };
        Ok(Item::new(name.to_string(), source))
    }
}

/// What a folder holds, by name: folders, and files that are images (or texts) by their extension.
pub(crate) struct Listing {
    pub folders: Vec<Entry>,
    pub images: Vec<Entry>,
}

impl Listing {
    fn of(folder: &Path, extensions: &[&str]) -> Result<Self, DataError> {
        let broken = |source| DataError::read(folder, source);
        let mut listing = Self { folders: Vec::new(), images: Vec::new() };
        for entry in std::fs::read_dir(folder).map_err(broken)? {
            let entry = entry.map_err(broken)?;
            let (name, path) = (entry.file_name().to_string_lossy().into_owned(), entry.path());
            if name.starts_with('.') || name == "__MACOSX" {
                continue;
            }
            // Follows links; a link to nowhere or to itself is no image. Neither are pipes and
            // devices.
            let Ok(metadata) = std::fs::metadata(&path) else {
                continue;
            };
            if metadata.is_dir() {
                listing.folders.push(Entry { name, path });
            } else if metadata.is_file() && has_one(&path, extensions) {
                listing.images.push(Entry { name, path });
            }
        }
        for entries in [&mut listing.folders, &mut listing.images] {
            entries.sort_by(|one, other| one.name.as_bytes().cmp(other.name.as_bytes()));
        }
        Ok(listing)
    }
}

fn has_one(path: &Path, extensions: &[&str]) -> bool {
    let extension =
        path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| extensions.contains(&extension.as_str()))
}
