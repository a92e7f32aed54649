//! What the network finds alike: some images and the images nearest to them.

use tl_core::Backbone;
use tl_data::Loader;
use tl_train::Progress;

use burn::prelude::*;

use crate::SslError;
use crate::contract::Shown;
use crate::embed::{Embedded, embed};
use crate::knn::nearest;

/// Images among which neighbours are looked for.
const BANK: usize = 2000;
/// What the rows of pictures are called.
const NAMES: [&str; 4] = ["an image", "its nearest", "second nearest", "third nearest"];

/// The first `count` of `items`, each with its three nearest among up to 2,000 of the others.
pub(super) fn pictures<B: Backbone + Sync + 'static>(
    backbone: &B,
    loader: &Loader,
    items: &[usize],
    count: usize,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Vec<Shown>, SslError> {
    let chosen = items.iter().copied().take(count + BANK).collect();
    let Embedded { items, features } =
        embed(backbone, loader, chosen, batch_size, device, progress)?;
    let width = backbone.embedding_width();
    // Of few images a half asks.
    let count = count.min(items.len() / 2);
    let (queries, bank) = features.split_at(count * width);
    let found = nearest(bank, queries, width, NAMES.len() - 1);
    let rows: Vec<Vec<usize>> = found
        .into_iter()
        .enumerate()
        .map(|(query, near)| {
            let near = near.into_iter().map(|place| items[count + place]);
            std::iter::once(items[query]).chain(near).collect()
        })
        .collect();
    let size = loader.preprocess().crop;
    let mut pixels = std::collections::BTreeMap::new();
    for batch in loader.batches(rows.concat(), batch_size, None) {
        let batch = batch?;
        let images = batch.pixels.chunks_exact(3 * size * size).map(<[f32]>::to_vec);
        pixels.extend(batch.indices.into_iter().zip(images));
    }
    let shown = |row: Vec<usize>| {
        let named = NAMES.into_iter().zip(row);
        named.filter_map(|(name, item)| Some((name, pixels.get(&item)?.clone()))).collect()
    };
    Ok(rows.into_iter().map(shown).collect())
}
