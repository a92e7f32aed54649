//! A set of images: where each one is, its class and its part.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::decode::{decode_bytes, read_image_file};
use crate::shifted::Shifted;
use crate::text::Columns;
use crate::{DataError, Items, Rgb8, cifar, folder, idx};

/// The part of a data set that an image is set aside for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    Train,
    Validation,
    Test,
}

impl Part {
    /// `"train"`, `"validation"` or `"test"`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One image: its name, its class and its part.
#[derive(Clone, Debug)]
pub struct Item {
    /// The path below the opened folder with `/` on every platform, or `train/000017` in IDX data.
    pub name: String,
    /// The index into [`Images::classes`]; `None` without a label.
    pub label: Option<usize>,
    /// The part, where the data come already split.
    pub part: Option<Part>,
    /// What it has in common with others, such as a patient or a video: all of these are divided together.
    pub group: Option<Arc<str>>,
    /// The classes of an image that may have several or none, ascending indices; it has no `label` then.
    pub several: Option<Arc<[usize]>>,
    pub(crate) source: Source,
}

impl Item {
    /// An image without label, part and group.
    pub(crate) fn new(name: String, source: Source) -> Self {
        Self { name, label: None, part: None, group: None, several: None, source }
    }
}

/// Where the pixels are.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    File {
        path: PathBuf,
        bytes: u64,
    },
    /// Image `index` of a block of grey images, one byte a pixel.
    Grey {
        block: Arc<GreyBlock>,
        index: usize,
    },
    /// Image `index` of a block of colour images, plane by plane.
    Planar {
        block: Arc<PlanarBlock>,
        index: usize,
    },
    /// Another image, shifted whenever it is decoded.
    Shifted(Arc<Shifted>),
}

impl Source {
    /// Takes in what tells these pixels from others, without reading a file.
    pub fn identify(&self, hasher: &mut Sha256) {
        match self {
            Self::File { bytes, .. } => hasher.update(bytes.to_le_bytes()),
            Self::Grey { block, index } => {
                hasher.update((block.width as u64).to_le_bytes());
                hasher.update((block.height as u64).to_le_bytes());
                hasher.update(block.image(*index).unwrap_or_default());
            }
            Self::Planar { block, index } => {
                hasher.update((block.width as u64).to_le_bytes());
                hasher.update((block.height as u64).to_le_bytes());
                hasher.update(block.image(*index).unwrap_or_default());
            }
            Self::Shifted(shifted) => shifted.identify(hasher),
        }
    }

    /// Reads and decodes the image, or says in one line why not.
    pub fn decode(&self) -> Result<Rgb8, String> {
        match self {
            Self::File { path, .. } => read_image_file(path).and_then(|bytes| decode_bytes(&bytes)),
            Self::Grey { block, index } => {
                Rgb8::from_grey(block.width, block.height, block.image(*index).unwrap_or_default())
                    .map_err(|error| error.to_string())
            }
            Self::Planar { block, index } => block.decode(*index),
            Self::Shifted(shifted) => shifted.decode(),
        }
    }
}

/// Equal-sized grey images, `[count, height, width]`.
#[derive(Debug)]
pub(crate) struct GreyBlock {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl GreyBlock {
    /// The pixels of one image, `[height, width]`; `None` beyond the last.
    fn image(&self, index: usize) -> Option<&[u8]> {
        let size = self.width * self.height;
        self.pixels.get(index * size..(index + 1) * size)
    }
}

/// Equal-sized colour images, `[count, 3, height, width]`.
#[derive(Debug)]
pub(crate) struct PlanarBlock {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl PlanarBlock {
    /// The planes of one image, `[3, height, width]`; `None` beyond the last.
    fn image(&self, index: usize) -> Option<&[u8]> {
        let size = 3 * self.width * self.height;
        self.pixels.get(index * size..(index + 1) * size)
    }

    /// One image, its planes interleaved.
    fn decode(&self, index: usize) -> Result<Rgb8, String> {
        let planes = self.image(index).unwrap_or_default();
        let (red, rest) = planes.split_at(planes.len() / 3);
        let (green, blue) = rest.split_at(rest.len() / 2);
        let pixels = red.iter().zip(green).zip(blue);
        let bytes = pixels.flat_map(|((red, green), blue)| [*red, *green, *blue]).collect();
        Rgb8::new(self.width, self.height, bytes).map_err(|error| error.to_string())
    }
}

/// A set of images, not yet decoded, in the bytewise order of their names.
#[derive(Clone, Debug)]
pub struct Images {
    /// The names of the classes, sorted for folders as torchvision's `ImageFolder` does; empty
    /// without labels.
    pub classes: Vec<String>,
    /// The images.
    pub items: Vec<Item>,
    /// What a reader should be told, one line each: for instance images that belong to no class.
    pub notes: Vec<String>,
}

impl Images {
    /// Opens what is at `path`: a folder per class; folders `train`, `validation` (or `val`,
    /// `valid`) and `test` with a folder per class in each; a folder of images without labels; a
    /// folder of IDX files, compressed or not, or of the binary files of CIFAR-10 or CIFAR-100; a table (`.csv`, `.tsv`) with a column of paths, read with the usual
    /// [`Columns`] by [`Images::from_table`]; or one image file.
    ///
    /// Hidden files and files that are no images by their extension are passed over. Nothing is
    /// decoded.
    ///
    /// # Errors
    /// No such path, nothing to read, a class without images, a layout that could mean two things,
    /// IDX files that do not fit together.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let metadata = std::fs::metadata(path).map_err(|source| DataError::read(path, source))?;
        if metadata.is_file() && Self::is_table(path) {
            return Self::from_table(path, &Columns::default(), false);
        }
        if metadata.is_file() {
            return Self::from_files(&[path.to_path_buf()]);
        }
        if !metadata.is_dir() {
            return Err(DataError::NotAFile(path.to_path_buf()));
        }
        if let Some(images) = idx::find(path)? {
            return Ok(images);
        }
        match cifar::find(path)? {
            Some(images) => Ok(images),
            None => folder::scan(path),
        }
    }

    /// The given image files, without labels, in the given order.
    ///
    /// # Errors
    /// A path that does not exist or is no file.
    pub fn from_files(paths: &[PathBuf]) -> Result<Self, DataError> {
        let items = paths.iter().map(|path| {
            let metadata =
                std::fs::metadata(path).map_err(|source| DataError::read(path, source))?;
            if metadata.is_dir() {
                return Err(DataError::IsFolder(path.clone()));
            }
            if !metadata.is_file() {
                return Err(DataError::NotAFile(path.clone()));
            }
            let name = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
            let source = Source::File { path: path.clone(), bytes: metadata.len() };
            Ok(Item::new(name, source))
        });
        Ok(Self { classes: Vec::new(), items: items.collect::<Result<_, _>>()?, notes: Vec::new() })
    }

    /// IDX data from memory, each part as `(part, images, labels)`, gzip-compressed or plain.
    ///
    /// `classes` names the labels; when it is empty, their numbers do.
    ///
    /// # Errors
    /// A false magic number, too few bytes, a label without a class, unequal counts.
    pub fn idx(parts: &[(Part, &[u8], &[u8])], classes: Vec<String>) -> Result<Self, DataError> {
        idx::read(parts, classes)
    }

    /// The number of images.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Reads and decodes one image.
    ///
    /// Grey becomes equal red, green and blue; transparency is dropped; of 16 bits the upper 8
    /// stay. A photo that says in its Exif data how it was held is turned upright.
    ///
    /// # Errors
    /// [`DataError::Broken`] with the item's name, when the file is cut short, no image, or too
    /// large.
    pub fn decode(&self, index: usize) -> Result<Rgb8, DataError> {
        let count = self.items.len();
        let item = self.items.get(index).ok_or(DataError::NoSuchItem { index, count })?;
        item.source.decode().map_err(|reason| DataError::Broken { name: item.name.clone(), reason })
    }
}

impl Items for Images {
    fn count(&self) -> usize {
        self.items.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn name(&self, index: usize) -> &str {
        self.items.get(index).map_or("", |item| &item.name)
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.items.get(index)?.label
    }

    fn part(&self, index: usize) -> Option<Part> {
        self.items.get(index)?.part
    }

    fn group(&self, index: usize) -> Option<&str> {
        self.items.get(index)?.group.as_deref()
    }

    fn several(&self, index: usize) -> Option<&[usize]> {
        self.items.get(index)?.several.as_deref()
    }

    /// A SHA-256 over classes, names, labels, parts and sizes, and over the pixels of data in
    /// memory; 64 hexadecimal digits. The same data at another place have the same fingerprint.
    ///
    /// Image files count with their size, not their content: this takes no reading.
    fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        let mut text = |text: &str| {
            hasher.update((text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        text(&self.classes.len().to_string());
        self.classes.iter().for_each(|class| text(class));
        for item in &self.items {
            text(&item.name);
            text(&item.label.map_or(String::new(), |label| label.to_string()));
            text(item.part.map_or("", Part::name));
            if let Some(several) = &item.several {
                text(&format!("{several:?}"));
            }
        }
        for item in &self.items {
            item.source.identify(&mut hasher);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
