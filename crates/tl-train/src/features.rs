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

/// One row of values for each item, in memory or in a file.
pub struct FeatureStore {
    /// Of every row, or of the longest one where rows differ in their tokens.
    shape: RowShape,
    ragged: bool,
    row_of: HashMap<usize, Row>,
    rows: Rows,
}

/// Where the values of a row begin, and how many tokens it has.
#[derive(Clone, Copy)]
struct Row {
    begin: usize,
    tokens: usize,
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
    /// The tokens of each row, where rows differ in that.
    lengths: Option<Vec<usize>>,
}

/// Where rows may go.
pub struct Room<'a> {
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
        let (mut items, mut lengths) = (Vec::new(), None);
        for batch in batches {
            let (indices, activation) = batch?;
            let (more, tokens) = activation.into_packed().map_err(TrainError::Device)?;
            values.extend(more);
            gather(&mut lengths, tokens);
            items.extend(indices);
        }
        values.shrink_to_fit();
        Ok(Self::of(shape, &items, lengths.as_deref(), Rows::Memory(values)))
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
        let (mut items, mut lengths) = (Vec::new(), None);
        for batch in batches {
            let (indices, activation) = batch?;
            let (more, tokens) = activation.into_packed().map_err(TrainError::Device)?;
            for value in more {
                out.write_all(&value.to_le_bytes()).map_err(failed)?;
            }
            gather(&mut lengths, tokens);
            items.extend(indices);
        }
        drop(out.into_inner().map_err(|error| failed(error.into_error()))?);
        let header = Header { key: key.to_string(), shape, items, lengths };
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
        let Header { shape, items, lengths, .. } = &header;
        if lengths.as_ref().is_some_and(|lengths| lengths.len() != items.len()) {
            return None;
        }
        let length = file.metadata().ok()?.len();
        let found = Self::of(*shape, items, lengths.as_deref(), Rows::Disk { file, begin, path });
        (header.key == key && length == begin + found.bytes()).then_some(found)
    }

    fn of(shape: RowShape, items: &[usize], lengths: Option<&[usize]>, rows: Rows) -> Self {
        let mut begin = 0;
        let mut row_of = HashMap::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let tokens = lengths.and_then(|lengths| lengths.get(place).copied()).unwrap_or(0);
            row_of.insert(*item, Row { begin, tokens });
            begin += elements(shape, lengths.is_some(), tokens);
        }
        Self { shape, ragged: lengths.is_some(), row_of, rows }
    }

    fn elements(&self, row: Row) -> usize {
        elements(self.shape, self.ragged, row.tokens)
    }

    /// Whether `item` has a row.
    pub fn contains(&self, item: usize) -> bool {
        self.row_of.contains_key(&item)
    }

    /// The bytes of all rows.
    pub fn bytes(&self) -> u64 {
        let values: usize = self.row_of.values().map(|row| self.elements(*row)).sum();
        (values * size_of::<f32>()) as u64
    }

    /// The rows of `rows`, one after another.
    fn values(&self, rows: &[Row]) -> Result<Vec<f32>, TrainError> {
        let mut values = Vec::with_capacity(rows.iter().map(|row| self.elements(*row)).sum());
        for row in rows {
            let count = self.elements(*row);
            match &self.rows {
                Rows::Memory(all) => values.extend_from_slice(&all[row.begin..][..count]),
                Rows::Disk { file, begin, path } => {
                    let mut bytes = vec![0u8; count * size_of::<f32>()];
                    let place = begin + (row.begin * size_of::<f32>()) as u64;
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

    /// The rows of `items` as a batch on `device`; an item without a row is left out.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn batch(&self, items: &[usize], device: &Device) -> Result<Activation, TrainError> {
        let rows: Vec<Row> =
            items.iter().filter_map(|item| self.row_of.get(item).copied()).collect();
        let lengths = self.ragged.then(|| rows.iter().map(|row| row.tokens).collect());
        Ok(Activation::from_packed(self.shape, self.values(&rows)?, lengths, device))
    }
}

/// A file that is removed when it is no longer needed, also after an error.
struct Scrap<'a>(&'a Path);

impl Drop for Scrap<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.0);
    }
}

/// The values of a row of so many tokens.
fn elements(shape: RowShape, ragged: bool, tokens: usize) -> usize {
    match shape {
        RowShape::Tokens { width, .. } if ragged => tokens * width,
        _ => shape.elements(),
    }
}

fn gather(all: &mut Option<Vec<usize>>, more: Option<Vec<usize>>) {
    if let Some(more) = more {
        all.get_or_insert_default().extend(more);
    }
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
