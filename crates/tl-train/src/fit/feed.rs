//! Where a phase's batches come from: rows of the cache, or items through the frozen prefix.

use burn::prelude::*;
use tl_core::{Activation, FrozenPrefix};
use tl_data::{Augment, View};

use super::cached_views::CachedViews;
use crate::features::FeatureStore;
use crate::{Dataset, TrainError};

/// The source of batches at the cut.
pub(crate) enum Feed<'a> {
    Stored(FeatureStore),
    /// The rows of several views of the training items.
    Views(CachedViews),
    Streamed {
        data: &'a dyn Dataset,
        prefix: Option<FrozenPrefix>,
    },
}

type Rows<'b> = Box<dyn Iterator<Item = Result<(Vec<usize>, Activation), TrainError>> + 'b>;

impl Feed<'_> {
    /// The items `order` in batches of their numbers and plain activations at the cut.
    pub fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        augment: Option<View>,
        device: &'b Device,
    ) -> Rows<'b> {
        match self {
            Feed::Stored(store) => Box::new(stored(store, order, batch_size, 0, device)),
            Feed::Views(views) => {
                let offset = views.offset(augment.as_ref());
                Box::new(stored(&views.store, order, batch_size, offset, device))
            }
            Feed::Streamed { data, prefix } => {
                Box::new(stream(*data, prefix.as_ref(), order, batch_size, augment, device))
            }
        }
    }
}

/// The items `order`, whose rows in `store` have numbers that are higher by `offset`; one without a row is left out.
fn stored<'b>(
    store: &'b FeatureStore,
    order: Vec<usize>,
    batch_size: usize,
    offset: usize,
    device: &'b Device,
) -> impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>> + 'b {
    let chunks: Vec<Vec<usize>> = order
        .chunks(batch_size)
        .map(|chunk| chunk.iter().copied().filter(|i| store.contains(i + offset)).collect())
        .filter(|chunk: &Vec<usize>| !chunk.is_empty())
        .collect();
    chunks.into_iter().map(move |chunk| {
        let rows: Vec<usize> = chunk.iter().map(|item| item + offset).collect();
        Ok((chunk, store.batch(&rows, device)?))
    })
}

/// The items `order`, read and run through `prefix`.
pub(crate) fn stream<'b>(
    data: &'b dyn Dataset,
    prefix: Option<&'b FrozenPrefix>,
    order: Vec<usize>,
    batch_size: usize,
    augment: Option<View>,
    device: &'b Device,
) -> impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>> + 'b {
    data.batches(order, batch_size, augment, device).map(move |batch| {
        let (indices, input) = batch?;
        let activation = match prefix {
            Some(prefix) => prefix.forward(input)?,
            None => input,
        };
        Ok((indices, activation))
    })
}

/// How images are varied in one epoch, if at all.
pub(crate) fn view(augment: Option<&Augment>, seed: u64, epoch: usize) -> Option<View> {
    augment.map(|augment| View { augment: augment.clone(), seed, epoch: epoch as u64 })
}
