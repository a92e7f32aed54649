//! Two domains in lockstep: images with labels from the one, images without from the other.

use serde::{Deserialize, Serialize};

use crate::{Augment, Batches, DataError, Loader, PairedOrder, View};

/// How two domains are gone through together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairing {
    /// The images of a batch from the source domain.
    pub source_batch: usize,
    /// The images of a batch from the target domain.
    pub target_batch: usize,
    /// Whether each batch of the source has every class in equal numbers, to within one image.
    pub balanced: bool,
    /// The random changes to the images of both domains.
    pub augment: Augment,
    pub seed: u64,
}

/// Reads a source domain with labels and a target domain without, batch beside batch.
///
/// An epoch is as many steps as the longer domain needs to show every image once. Every batch is
/// full: a domain that ends begins again, in a fresh order and with fresh random changes. The
/// batches of step `k` are a function of seed, epoch and `k` alone, so that an epoch can be entered
/// at any step.
///
/// The two domains may differ in image sizes and in number; grey and colour both become three
/// channels. Their [preprocessing](crate::Preprocess) must yield the same size and may normalise
/// differently. Labels and classes of the target are never looked at, whatever they are:
/// [`Images::with_classes`](crate::Images::with_classes) compares them where a target is evaluated.
#[derive(Clone, Debug)]
pub struct PairedLoader {
    source: Loader,
    target: Loader,
    order: PairedOrder,
    pairing: Pairing,
}

/// Images of the source domain.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledBatch {
    /// The items, without those skipped.
    pub indices: Vec<usize>,
    /// `[indices, 3, crop, crop]`.
    pub pixels: Vec<f32>,
    /// The class of each.
    pub labels: Vec<usize>,
}

/// Images of the target domain. There are no labels in it to train or to choose by:
///
/// ```compile_fail,E0609
/// fn cheat(batch: &tl_data::UnlabelledBatch) -> usize {
///     batch.labels[0]
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct UnlabelledBatch {
    /// The items, without those skipped.
    pub indices: Vec<usize>,
    /// `[indices, 3, crop, crop]`.
    pub pixels: Vec<f32>,
}

/// What one step sees.
#[derive(Clone, Debug, PartialEq)]
pub struct PairedBatch {
    /// Counted from 0 in each epoch.
    pub step: usize,
    pub source: LabelledBatch,
    pub target: UnlabelledBatch,
}

impl PairedLoader {
    /// Pairs the items `source_items` of one loader with the items `target_items` of another.
    ///
    /// With [`Pairing::balanced`] classes without items take no part.
    ///
    /// # Errors
    /// A domain without items; an item that does not exist; a source item without label; crops of
    /// different size; a batch size of 0; an augmentation that does not validate.
    pub fn new(
        source: Loader,
        source_items: Vec<usize>,
        target: Loader,
        target_items: Vec<usize>,
        pairing: Pairing,
    ) -> Result<Self, DataError> {
        for (domain, loader, items) in
            [("source", &source, &source_items), ("target", &target, &target_items)]
        {
            if items.is_empty() {
                return Err(DataError::EmptyDomain { domain: domain.into() });
            }
            let count = loader.images().len();
            if let Some(&index) = items.iter().find(|&&index| index >= count) {
                return Err(DataError::NoSuchItem { index, count });
            }
        }
        let (source_side, target_side) = (source.preprocess().crop, target.preprocess().crop);
        if source_side != target_side {
            return Err(DataError::UnequalCrops { source_side, target_side });
        }
        if pairing.source_batch == 0 || pairing.target_batch == 0 {
            return Err(DataError::ZeroBatch);
        }
        pairing.augment.validate()?;
        let images = source.images();
        if images.classes.is_empty() {
            return Err(DataError::NoClasses);
        }
        let mut classes: Vec<Vec<usize>> = vec![Vec::new(); images.classes.len()];
        for &index in &source_items {
            let item = &images.items[index];
            let class = item.label.and_then(|label| classes.get_mut(label));
            class.ok_or_else(|| DataError::NoLabel { name: item.name.clone() })?.push(index);
        }
        let classes = if pairing.balanced { classes } else { vec![source_items] };
        let batches = [pairing.source_batch, pairing.target_batch];
        let order = PairedOrder::new(classes, target_items, batches, pairing.seed);
        Ok(Self { source, target, order, pairing })
    }

    /// The loader of the source domain.
    pub fn source(&self) -> &Loader {
        &self.source
    }

    /// The loader of the target domain.
    pub fn target(&self) -> &Loader {
        &self.target
    }

    /// How the domains are gone through.
    pub fn pairing(&self) -> &Pairing {
        &self.pairing
    }

    /// The steps of an epoch: what the longer domain needs.
    pub fn steps(&self) -> usize {
        self.order.steps()
    }

    /// The batches of `epoch` from `first_step` on; none beyond the last step.
    ///
    /// A batch with skipped images is smaller by them. A step in which either domain's batch would
    /// be empty does not come.
    pub fn batches(&self, epoch: u64, first_step: usize) -> PairedBatches {
        let pairing = &self.pairing;
        let [source, target] = self.order.visits(epoch, first_step);
        let pass = |loader: &Loader, visits, size: usize, seed: u64| {
            loader.visits(
                visits,
                size,
                Some(View { augment: pairing.augment.clone(), seed, epoch }),
            )
        };
        // Image 5 of the one domain shares no numbers with image 5 of the other.
        let target_seed = tl_random::mix(pairing.seed ^ tl_random::hash("target"));
        PairedBatches {
            source: pass(&self.source, source, pairing.source_batch, pairing.seed),
            target: pass(&self.target, target, pairing.target_batch, target_seed),
            step: first_step.min(self.steps()),
            failed: false,
        }
    }
}

/// The paired batches of one epoch, in order; made by [`PairedLoader::batches`].
#[derive(Debug)]
pub struct PairedBatches {
    source: Batches,
    target: Batches,
    step: usize,
    failed: bool,
}

impl Iterator for PairedBatches {
    type Item = Result<PairedBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            let source = self.source.next_even_if_empty()?;
            let target = self.target.next_even_if_empty()?;
            let step = self.step;
            self.step += 1;
            let (source, target) = match (source, target) {
                (Ok(source), Ok(target)) => (source, target),
                (Err(error), _) | (_, Err(error)) => {
                    self.failed = true;
                    return Some(Err(error));
                }
            };
            if source.indices.is_empty() || target.indices.is_empty() {
                continue;
            }
            // Every item of the source has a label: `PairedLoader::new` made sure.
            let labels = source.labels.into_iter().flatten().collect();
            return Some(Ok(PairedBatch {
                step,
                source: LabelledBatch { indices: source.indices, pixels: source.pixels, labels },
                target: UnlabelledBatch { indices: target.indices, pixels: target.pixels },
            }));
        }
        None
    }
}

#[cfg(test)]
mod tests;
