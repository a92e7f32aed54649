//! Where a phase's batches come from: rows of the cache, or images through the frozen prefix.

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, FrozenPrefix};
use tl_data::{Augment, Batch, Loader, View};

use crate::TrainError;
use crate::features::FeatureStore;

/// The source of batches at the cut.
pub(crate) enum Feed<'a> {
    Stored(FeatureStore),
    Streamed { loader: &'a Loader, prefix: Option<FrozenPrefix> },
}

type Rows<'b> = Box<dyn Iterator<Item = Result<(Vec<usize>, Activation), TrainError>> + 'b>;

impl Feed<'_> {
    /// The images `order` in batches of their numbers and plain activations at the cut.
    pub fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        augment: Option<View>,
        device: &'b Device,
    ) -> Rows<'b> {
        match self {
            Feed::Stored(store) => {
                let chunks: Vec<Vec<usize>> = order
                    .chunks(batch_size)
                    .map(|chunk| chunk.iter().copied().filter(|i| store.contains(*i)).collect())
                    .filter(|chunk: &Vec<usize>| !chunk.is_empty())
                    .collect();
                Box::new(chunks.into_iter().map(move |chunk| {
                    let activation = store.batch(&chunk, device)?;
                    Ok((chunk, activation))
                }))
            }
            Feed::Streamed { loader, prefix } => {
                Box::new(stream(loader, prefix.as_ref(), order, batch_size, augment, device))
            }
        }
    }
}

/// The images `order`, decoded and run through `prefix`.
pub(crate) fn stream<'b>(
    loader: &'b Loader,
    prefix: Option<&'b FrozenPrefix>,
    order: Vec<usize>,
    batch_size: usize,
    augment: Option<View>,
    device: &'b Device,
) -> impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>> + 'b {
    let size = loader.preprocess().crop;
    loader.batches(order, batch_size, augment).map(move |batch| {
        let batch = batch?;
        let (indices, images) = to_device(batch, size, device);
        let activation = match prefix {
            Some(prefix) => prefix.forward(images)?,
            None => images,
        };
        Ok((indices, activation))
    })
}

/// A batch as images `[batch, 3, size, size]` on the plain device.
fn to_device(batch: Batch, size: usize, device: &Device) -> (Vec<usize>, Activation) {
    let shape = [batch.indices.len(), 3, size, size];
    let tensor = Tensor::<4>::from_data(TensorData::new(batch.pixels, shape), device);
    (batch.indices, Activation::image(tensor))
}

/// How images are varied in one epoch, if at all.
pub(crate) fn view(augment: Option<&Augment>, seed: u64, epoch: usize) -> Option<View> {
    augment.map(|augment| View { augment: augment.clone(), seed, epoch: epoch as u64 })
}
