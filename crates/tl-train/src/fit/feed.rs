//! Where a phase's batches come from: rows of the cache, or items through the frozen prefix.

use burn::prelude::*;
use tl_core::{Activation, FrozenPrefix};
use tl_data::{Augment, View};

use crate::features::FeatureStore;
use crate::{Dataset, TrainError};

/// The source of batches at the cut.
pub(crate) enum Feed<'a> {
    Stored(FeatureStore),
    Streamed { data: &'a dyn Dataset, prefix: Option<FrozenPrefix> },
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
            Feed::Streamed { data, prefix } => {
                Box::new(stream(*data, prefix.as_ref(), order, batch_size, augment, device))
            }
        }
    }
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
