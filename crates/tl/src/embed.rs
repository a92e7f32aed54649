//! Images to vectors.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use tl_core::{Activation, Backbone};
use tl_data::Loader;
use tl_models::Classifier;
use tl_train::files::write_whole;
use tl_train::{Progress, TrainError};

use crate::{Error, Network};

/// One vector for each image.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// The images' names, in the order of the rows.
    pub names: Vec<String>,
    /// `[images, width]` in row order.
    pub values: Vec<f32>,
    pub width: usize,
}

/// The globally pooled features of every image, in the order of the loader's images.
///
/// # Errors
/// An image that cannot be read under a strict loader, a device that fails.
pub fn embed(
    model: &Classifier<Network>,
    loader: &Loader,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Embeddings, Error> {
    let all: Vec<usize> = (0..loader.images().len()).collect();
    embed_items(model, loader, &all, batch_size, device, progress)
}

/// The globally pooled features of some images, in their order.
///
/// # Errors
/// As [`embed`].
pub fn embed_items(
    model: &Classifier<Network>,
    loader: &Loader,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Embeddings, Error> {
    let backbone = model.backbone.valid();
    let images = loader.images();
    let size = loader.preprocess().crop;
    let mut found =
        Embeddings { names: Vec::new(), values: Vec::new(), width: backbone.embedding_width() };
    progress.begin("embedding", items.len() as u64);
    for batch in loader.batches(items.to_vec(), batch_size, None) {
        let batch = batch?;
        let shape = tl_core::RowShape::Image { channels: 3, height: size, width: size };
        let input = Activation::from_rows(shape, batch.pixels, device);
        let vectors = Activation::Vector(backbone.embed(input)?);
        found.values.extend(vectors.into_rows().map_err(TrainError::Device)?);
        found.names.extend(batch.indices.iter().map(|&index| images.items[index].name.clone()));
        progress.advance(batch.indices.len() as u64, "");
    }
    progress.end();
    Ok(found)
}

impl Embeddings {
    /// Writes a `.npy` file of f32 `[images, width]` (NumPy's format version 1.0).
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
