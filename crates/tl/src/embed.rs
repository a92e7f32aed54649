//! Images and texts to vectors.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::Device;
use tl_core::{Activation, Backbone};
use tl_data::text::longest_first;
use tl_models::Classifier;
use tl_train::files::write_whole;
use tl_train::{Dataset, Progress, TrainError};

use crate::{Error, Network};

/// One vector for each item.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// Those of the items that could be read.
    pub items: Vec<usize>,
    /// Their names, in the order of the rows.
    pub names: Vec<String>,
    /// `[items, width]` in row order.
    pub values: Vec<f32>,
    pub width: usize,
}

/// The pooled features of every item, in order.
///
/// # Errors
/// An image that cannot be read under a strict loader, a device that fails.
pub fn embed(
    model: &Classifier<Network>,
    data: &dyn Dataset,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Embeddings, Error> {
    let all: Vec<usize> = (0..data.items().count()).collect();
    embed_items(&model.backbone, data, &all, batch_size, device, progress)
}

/// The pooled features of some items, in their order; of a text in several windows the mean of theirs.
///
/// # Errors
/// As [`embed`].
pub fn embed_items(
    network: &Network,
    data: &dyn Dataset,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Embeddings, Error> {
    let prefix = network.compile(0..network.embedding_stages());
    let width = network.embedding_width();
    let order = data.rows(items);
    progress.begin("embedding", order.len() as u64);
    let order = match data.lengths() {
        Some(lengths) => longest_first(&order, lengths),
        None => order,
    };
    let mut rows: HashMap<usize, Vec<f32>> = HashMap::new();
    for batch in data.batches(order, batch_size, None, device) {
        let (indices, input) = batch?;
        let vectors = Activation::Vector(prefix.forward(input)?.pooled()?);
        let values = vectors.into_rows().map_err(TrainError::Device)?;
        progress.advance(indices.len() as u64, "");
        rows.extend(indices.into_iter().zip(values.chunks(width.max(1)).map(<[f32]>::to_vec)));
    }
    progress.end();
    let mut found = Embeddings { items: Vec::new(), names: Vec::new(), values: Vec::new(), width };
    for &item in items {
        let windows = data.rows(&[item]);
        let windows: Vec<&[f32]> =
            windows.iter().filter_map(|row| rows.get(row).map(Vec::as_slice)).collect();
        match windows.as_slice() {
            [] => continue,
            [only] => found.values.extend_from_slice(only),
            several => found.values.extend(mean(several)),
        }
        found.names.push(data.items().name(item).to_string());
        found.items.push(item);
    }
    Ok(found)
}

/// The mean of several vectors, summed in f64.
fn mean(vectors: &[&[f32]]) -> Vec<f32> {
    let mut sums = vec![0f64; vectors.first().map_or(0, |vector| vector.len())];
    for vector in vectors {
        sums.iter_mut().zip(*vector).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    sums.into_iter().map(|sum| (sum / vectors.len() as f64) as f32).collect()
}

impl Embeddings {
    /// Writes a `.npy` file of f32 `[items, width]` (NumPy's format version 1.0).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_npy(&self, path: &Path) -> Result<(), Error> {
        let mut header = format!(
            "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}",
            self.names.len(),
            self.width
        );
        // Magic, version and length take 10 bytes; all of it ends with a line break at a multiple of 64.
        let padding = (64 - (header.len() + 11) % 64) % 64;
        header.push_str(&" ".repeat(padding));
        header.push('\n');
        write_whole(path, |out| {
            out.write_all(b"\x93NUMPY\x01\x00")?;
            out.write_all(&(header.len() as u16).to_le_bytes())?;
            out.write_all(header.as_bytes())?;
            for value in &self.values {
                out.write_all(&value.to_le_bytes())?;
            }
            Ok(())
        })?;
        Ok(())
    }
}
