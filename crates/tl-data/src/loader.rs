//! Batches of decoded images, made ahead on all cores.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use crate::batches::lock;
use crate::{Augment, Batches, DataError, Images, Preprocess};

/// Decodes and preprocesses images on several threads.
///
/// What an image becomes depends on the view's seed, the epoch and the image's index alone: the batches are the same
/// for any number of threads. No decoded image is kept.
#[derive(Clone, Debug)]
pub struct Loader {
    source: Arc<LoaderSource>,
    threads: usize,
}

#[derive(Debug)]
pub(crate) struct LoaderSource {
    pub images: Arc<Images>,
    pub preprocess: Preprocess,
    pub strict: bool,
    /// Why an item cannot be used; found once, known to all later passes.
    pub skipped: Mutex<BTreeMap<usize, String>>,
}

/// The random view of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub augment: Augment,
    pub seed: u64,
    pub epoch: u64,
}

/// An image that was left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    pub name: String,
    pub reason: String,
}

/// Some images, ready for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The items, without those skipped.
    pub indices: Vec<usize>,
    /// `[indices, 3, crop, crop]`.
    pub pixels: Vec<f32>,
    /// The class of each, where it has one.
    pub labels: Vec<Option<usize>>,
}

impl Loader {
    /// A loader that works on `threads` threads; 0 stands for one per core. With `strict` an image that cannot be read
    /// is an error instead of being skipped.
    ///
    /// # Errors
    /// Preprocessing that does not [validate](Preprocess::validate).
    pub fn new(
        images: Arc<Images>,
        preprocess: Preprocess,
        threads: usize,
        strict: bool,
    ) -> Result<Self, DataError> {
        preprocess.validate()?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let source = LoaderSource {
            images,
            preprocess,
            strict,
            skipped: Mutex::default(),
        };
        Ok(Self {
            source: Arc::new(source),
            threads,
        })
    }

    /// The images it reads.
    pub fn images(&self) -> &Arc<Images> {
        &self.source.images
    }

    /// What becomes of each image.
    pub fn preprocess(&self) -> &Preprocess {
        &self.source.preprocess
    }

    /// The items `order` in batches of `batch_size`, the last perhaps smaller.
    ///
    /// A batch with skipped images is smaller by them; one that would be empty does not come. Without a `view` each image is
    /// resized and cut from its centre. A wrong argument is the error of the first call to `next`.
    pub fn batches(&self, order: Vec<usize>, batch_size: usize, view: Option<View>) -> Batches {
        match self.check(&order, batch_size, view.as_ref()) {
            Ok(()) => Batches::start(
                Arc::clone(&self.source),
                order,
                batch_size,
                view,
                self.threads,
            ),
            Err(fault) => Batches::refuse(Arc::clone(&self.source), fault),
        }
    }

    /// The images skipped so far, each once, in the order of the items.
    pub fn skipped(&self) -> Vec<Skipped> {
        let name = |index: usize| {
            self.source
                .images
                .items
                .get(index)
                .map_or(String::new(), |item| item.name.clone())
        };
        let skipped = lock(&self.source.skipped);
        skipped
            .iter()
            .map(|(&index, reason)| Skipped {
                name: name(index),
                reason: reason.clone(),
            })
            .collect()
    }

    fn check(
        &self,
        order: &[usize],
        batch_size: usize,
        view: Option<&View>,
    ) -> Result<(), DataError> {
        if batch_size == 0 {
            return Err(DataError::ZeroBatch);
        }
        let count = self.source.images.len();
        if let Some(&index) = order.iter().find(|&&index| index >= count) {
            return Err(DataError::NoSuchItem { index, count });
        }
        view.map_or(Ok(()), |view| view.augment.validate())
    }
}

impl LoaderSource {
    /// The pixels of one item, or why there are none.
    pub fn load(&self, index: usize, view: Option<&View>) -> Result<Vec<f32>, String> {
        if let Some(reason) = lock(&self.skipped).get(&index) {
            return Err(reason.clone());
        }
        let work = || -> Result<Vec<f32>, String> {
            let image = self.images.decode(index).map_err(|error| match error {
                DataError::Broken { reason, .. } => reason,
                other => other.to_string(),
            })?;
            Ok(match view {
                None => self.preprocess.apply(&image),
                Some(View {
                    augment,
                    seed,
                    epoch,
                }) => {
                    let mut random = tl_random::rng(*seed, "augment", *epoch, index as u64);
                    self.preprocess
                        .apply_augmented(&image, augment, &mut random)
                }
            })
        };
        // Whoever waits for this item must get an answer, whatever happens here.
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err("could not be preprocessed".into()))
    }
}
