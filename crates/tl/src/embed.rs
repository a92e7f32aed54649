//! Images and texts to vectors.

use std::collections::HashMap;
use std::path::Path;

use burn::tensor::{Device, Tensor};
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
    progress.begin("embedding", data.rows(items).len() as u64);
    let found = vectors_of(data, items, batch_size, device, progress, |input| {
        Ok(vec![prefix.forward(input)?.pooled()?])
    })?;
    let (items, values) = (found.items, found.values.into_iter().next().unwrap_or_default());
    let names = items.iter().map(|item| data.items().name(*item).to_string()).collect();
    Ok(Embeddings { items, names, values, width: network.embedding_width() })
}

/// Several vectors for each item.
pub(crate) struct Vectors {
    /// Those of the items that could be read, in their order.
    pub items: Vec<usize>,
    /// Of each output `[items, width]` in row order; none where no item could be read.
    pub values: Vec<Vec<f32>>,
}

/// What `forward` makes of some items, each output `[batch, width]`, in one pass; of a text in several windows the mean of
/// theirs. The piece of work was begun, and is ended here.
///
/// # Errors
/// As [`embed`].
pub(crate) fn vectors_of(
    data: &dyn Dataset,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
    forward: impl Fn(Activation) -> Result<Vec<Tensor<2>>, Error>,
) -> Result<Vectors, Error> {
    let order = data.rows(items);
    let order = match data.lengths() {
        Some(lengths) => longest_first(&order, lengths),
        None => order,
    };
    // Row after row what each output gave.
    let mut rows: HashMap<usize, Vec<Vec<f32>>> = HashMap::new();
    for batch in data.batches(order, batch_size, None, device) {
        let (indices, input) = batch?;
        let mut made: Vec<Vec<Vec<f32>>> = vec![Vec::new(); indices.len()];
        for output in forward(input)? {
            let [_, width] = output.dims();
            let values = Activation::Vector(output).into_rows().map_err(TrainError::Device)?;
            let vectors = values.chunks(width.max(1)).map(<[f32]>::to_vec);
            made.iter_mut().zip(vectors).for_each(|(row, vector)| row.push(vector));
        }
        progress.advance(indices.len() as u64, "");
        rows.extend(indices.into_iter().zip(made));
    }
    progress.end();
    let mut found = Vectors { items: Vec::new(), values: Vec::new() };
    for &item in items {
        let windows = data.rows(&[item]);
        let windows: Vec<&Vec<Vec<f32>>> = windows.iter().filter_map(|row| rows.get(row)).collect();
        let Some(first) = windows.first() else { continue };
        found.values.resize_with(first.len(), Vec::new);
        for (output, values) in found.values.iter_mut().enumerate() {
            let vectors: Vec<&[f32]> =
                windows.iter().filter_map(|row| row.get(output).map(Vec::as_slice)).collect();
            match vectors.as_slice() {
                [only] => values.extend_from_slice(only),
                several => values.extend(mean(several)),
            }
        }
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
