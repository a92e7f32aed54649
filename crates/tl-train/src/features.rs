//! The outputs of a frozen prefix, computed once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tl_core::{Activation, RowShape};

use crate::TrainError;
use crate::files::{aside, make_folder};

/// One row of values for each image, in memory or in a file.
pub(crate) struct FeatureStore {
    shape: RowShape,
    row_of: HashMap<usize, usize>,
    rows: Rows,
}

enum Rows {
    Memory(Vec<f32>),
    Disk { file: File, begin: u64, path: PathBuf },
}

/// What stands in the first line of a file of rows.
#[derive(Serialize, Deserialize, PartialEq)]
struct Header {
    key: String,
    shape: RowShape,
    items: Vec<usize>,
}

/// Where rows may go.
pub(crate) struct Room<'a> {
    /// The most bytes in memory.
    pub memory: u64,
    /// A folder for what does not fit.
    pub folder: Option<&'a Path>,
    /// What the rows depend on: weights, data, transforms, stages, device, versions.
    pub key: String,
}

/// A short name for everything in `parts`.
pub(crate) fn key_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl FeatureStore {
    /// Takes `batches` of images' numbers and outputs, in their order. `expected` is how many images
    /// there will be at most.
    ///
    /// # Errors
    /// Those of `batches`, a device that cannot be read, a disk that is full.
    pub fn fill(
        batches: impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>>,
        expected: usize,
        room: &Room<'_>,
    ) -> Result<Option<Self>, TrainError> {
        let mut batches = batches.peekable();
        let shape = match batches.peek() {
            Some(Ok((_, first))) => first.row_shape(),
            Some(Err(_)) | None => {
                return batches.next().map_or(Ok(None), |failed| failed.map(|_| None));
            }
        };
        let bytes = (shape.elements() * expected * size_of::<f32>()) as u64;
        match room.folder {
            Some(folder) if bytes > room.memory => {
                Self::fill_disk(batches, shape, folder, &room.key)
            }
            _ => Self::fill_memory(batches, shape, expected),
        }
        .map(Some)
    }

    fn fill_memory(
        batches: impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>>,
        shape: RowShape,
        expected: usize,
    ) -> Result<Self, TrainError> {
        let mut values = Vec::with_capacity(shape.elements() * expected);
        let mut items = Vec::new();
        for batch in batches {
            let (indices, activation) = batch?;
            values.extend(activation.into_rows().map_err(TrainError::Device)?);
            items.extend(indices);
        }
        Ok(Self { shape, row_of: numbered(&items), rows: Rows::Memory(values) })
    }

    fn fill_disk(
        batches: impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>>,
        shape: RowShape,
        folder: &Path,
        key: &str,
    ) -> Result<Self, TrainError> {
        make_folder(folder)?;
        let path = folder.join(format!("{key}.rows"));
        let values = aside(&path);
        let failed = |reason| TrainError::file("cannot write", &path, reason);
        // The header names the images, which are known at the end alone: the values go to a file of
        // their own and are copied behind it.
        let scrap = Scrap(&values);
        let mut out = std::io::BufWriter::new(File::create(&values).map_err(failed)?);
        let mut items = Vec::new();
        for batch in batches {
            let (indices, activation) = batch?;
            for value in activation.into_rows().map_err(TrainError::Device)? {
                out.write_all(&value.to_le_bytes()).map_err(failed)?;
            }
            items.extend(indices);
        }
        drop(out.into_inner().map_err(|error| failed(error.into_error()))?);
        let header = Header { key: key.to_string(), shape, items };
        let whole = path.with_extension("whole");
        crate::files::write_whole(&whole, |out| {
            serde_json::to_writer(&mut *out, &header)?;
            out.write_all(b"\n")?;
            std::io::copy(&mut File::open(&values)?, out).map(|_| ())
        })?;
        drop(scrap);
        std::fs::rename(&whole, &path).map_err(failed)?;
        Self::open(folder, key).ok_or_else(|| TrainError::Damaged {
            path,
            reason: "the cache that was just written cannot be read".into(),
        })
    }

    /// The rows that an earlier run left in `folder` under `key`, if they are whole.
    pub fn open(folder: &Path, key: &str) -> Option<Self> {
        let path = folder.join(format!("{key}.rows"));
        let mut reader = BufReader::new(File::open(&path).ok()?);
        let mut line = String::new();
        let begin = reader.read_line(&mut line).ok()? as u64;
        let header: Header = serde_json::from_str(&line).ok()?;
        let file = reader.into_inner();
        let values = header.items.len() * header.shape.elements() * size_of::<f32>();
        if header.key != key || file.metadata().ok()?.len() != begin + values as u64 {
            return None;
        }
        let rows = Rows::Disk { file, begin, path };
        Some(Self { shape: header.shape, row_of: numbered(&header.items), rows })
    }

    /// Whether image `item` has a row.
    pub fn contains(&self, item: usize) -> bool {
        self.row_of.contains_key(&item)
    }

    /// The bytes of all rows.
    pub fn bytes(&self) -> u64 {
        (self.row_of.len() * self.shape.elements() * size_of::<f32>()) as u64
    }

    /// The rows of `items`, one after another; an image without a row is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn values(&self, items: &[usize]) -> Result<Vec<f32>, TrainError> {
        let width = self.shape.elements();
        let mut values = Vec::with_capacity(items.len() * width);
        let mut bytes = vec![0u8; width * size_of::<f32>()];
        for row in items.iter().filter_map(|item| self.row_of.get(item)) {
            match &self.rows {
                Rows::Memory(all) => values.extend_from_slice(&all[row * width..][..width]),
                Rows::Disk { file, begin, path } => {
                    let place = begin + (row * bytes.len()) as u64;
                    read_at(file, &mut bytes, place)
                        .map_err(|reason| TrainError::file("cannot read", path, reason))?;
                    values.extend(
                        bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
                    );
                }
            }
        }
        Ok(values)
    }

    /// The rows of `items` as a batch on `device`.
    ///
    /// # Errors
    /// As [`FeatureStore::values`].
    pub fn batch(&self, items: &[usize], device: &Device) -> Result<Activation, TrainError> {
        Ok(Activation::from_rows(self.shape, self.values(items)?, device))
    }
}

/// A file that is removed when it is no longer needed, also after an error.
struct Scrap<'a>(&'a Path);

impl Drop for Scrap<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

fn numbered(items: &[usize]) -> HashMap<usize, usize> {
    items.iter().enumerate().map(|(row, item)| (*item, row)).collect()
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, place)
}

#[cfg(windows)]
fn read_at(file: &File, bytes: &mut [u8], place: u64) -> std::io::Result<()> {
    let mut done = 0;
    while done < bytes.len() {
        let read = std::os::windows::fs::FileExt::seek_read(
            file,
            &mut bytes[done..],
            place + done as u64,
        )?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        done += read;
    }
    Ok(())
}
