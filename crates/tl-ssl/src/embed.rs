//! Images to embeddings, in evaluation.

use tl_core::{Activation, Backbone, RowShape};
use tl_data::Loader;
use tl_train::Progress;

use burn::prelude::*;

use crate::SslError;
use crate::knn::Labelled;

/// The embeddings of those of `items` that can be read and have a label, in their order.
///
/// # Errors
/// Images that the network cannot work on, a device that fails.
pub fn embed_labelled<B: Backbone + Sync + 'static>(
    backbone: &B,
    loader: &Loader,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Labelled, SslError> {
    let size = loader.preprocess().crop;
    let shape = RowShape::Image { channels: 3, height: size, width: size };
    let labels: Vec<Option<usize>> = loader.images().items.iter().map(|item| item.label).collect();
    let items: Vec<usize> = items.iter().copied().filter(|&item| labels[item].is_some()).collect();
    let prefix = backbone.compile(0..backbone.embedding_stages());
    let mut found = Labelled::default();
    progress.begin("embedding", items.len() as u64);
    for batch in loader.batches(items, batch_size, None) {
        let batch = batch?;
        let input = Activation::from_rows(shape, batch.pixels, device);
        let vectors = Activation::Vector(prefix.forward(input)?.pooled());
        found.features.extend(vectors.into_rows().map_err(SslError::device)?);
        found.labels.extend(batch.indices.iter().filter_map(|&item| labels[item]));
        progress.advance(batch.indices.len() as u64, "");
    }
    progress.end();
    Ok(found)
}
