//! What a folder holds, as far as images go.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::DataError;
use crate::images::{Item, Source};

/// What counts as an image, in lower case. The last row is not decoded here: such a file is listed
/// all the same, so that it is skipped by name instead of unseen.
const EXTENSIONS: [&str; 14] = [
    "jpg", "jpeg", "jfif", "jpe", "png", "bmp", "gif", "webp", //
    "tif", "tiff", "ppm", "pgm", "heic", "avif",
];

/// The folders entered so far, by their real path, so that links in a circle end.
#[derive(Clone, Default)]
pub(crate) struct Seen(HashSet<PathBuf>);

impl Seen {
    /// Whether the folder is new.
    pub fn enter(&mut self, folder: &Path) -> Result<bool, DataError> {
        let real = folder.canonicalize().map_err(|source| DataError::read(folder, source))?;
        Ok(self.0.insert(real))
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
        Ok(Item { name: name.to_string(), label: None, part: None, source })
    }
}

/// What a folder holds, by name: folders, and files that are images by their extension.
pub(crate) struct Listing {
    pub folders: Vec<Entry>,
    pub images: Vec<Entry>,
}

impl Listing {
    pub fn of(folder: &Path) -> Result<Self, DataError> {
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
    let extension =
        path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}
