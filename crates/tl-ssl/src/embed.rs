//! Images to embeddings, in evaluation.

use tl_core::{Activation, Backbone, RowShape};
use tl_data::Loader;
use tl_train::Progress;

use burn::prelude::*;

use crate::SslError;
use crate::knn::Labelled;

/// Images and their embeddings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedded {
    /// Those of the items that could be read, in their order.
    pub items: Vec<usize>,
    /// `[items, width]` in row order.
    pub features: Vec<f32>,
}

/// The embeddings of those of `items` that can be read, in their order.
///
/// # Errors
/// Images that the network cannot work on, a device that fails.
pub fn embed<B: Backbone + Sync + 'static>(
    backbone: &B,
    loader: &Loader,
    items: Vec<usize>,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Embedded, SslError> {
    let size = loader.preprocess().crop;
    let shape = RowShape::Image { channels: 3, height: size, width: size };
    let prefix = backbone.compile(0..backbone.embedding_stages());
    let mut found = Embedded::default();
    progress.begin("embedding", items.len() as u64);
    for batch in loader.batches(items, batch_size, None) {
        let batch = batch?;
        let input = Activation::from_rows(shape, batch.pixels, device);
        let vectors = Activation::Vector(prefix.forward(input)?.pooled()?);
        found.features.extend(vectors.into_rows().map_err(SslError::device)?);
        progress.advance(batch.indices.len() as u64, "");
        found.items.extend(batch.indices);
    }
    progress.end();
    Ok(found)
}

/// The embeddings of those of `items` that can be read and have a label, in their order.
///
/// # Errors
/// As [`embed`].
pub fn embed_labelled<B: Backbone + Sync + 'static>(
    backbone: &B,
    loader: &Loader,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Labelled, SslError> {
    let label = |item: usize| loader.images().items.get(item).and_then(|item| item.label);
    let items = items.iter().copied().filter(|&item| label(item).is_some()).collect();
    let Embedded { items, features } =
        embed(backbone, loader, items, batch_size, device, progress)?;
    Ok(Labelled { features, labels: items.into_iter().filter_map(label).collect() })
}
