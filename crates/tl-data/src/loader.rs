//! Batches of decoded images, made ahead on all cores.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::{Augment, DataError, Images, Preprocess};

/// How many batches are in the making or waiting at most, the one being handed out included.
const BATCHES_AHEAD: usize = 3;

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
struct LoaderSource {
    images: Arc<Images>,
    preprocess: Preprocess,
    strict: bool,
    /// Why an item cannot be used; found once, known to all later passes.
    skipped: Mutex<BTreeMap<usize, String>>,
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
        let fault = self.check(&order, batch_size, view.as_ref()).err();
        let queue = Queue {
            finished: BTreeMap::new(),
            claimed: 0,
            // A wrong argument leaves no work.
            length: if fault.is_none() { order.len() } else { 0 },
            handed_out: 0,
            // Every thread has work, however small a batch is.
            ahead: batch_size
                .saturating_mul(BATCHES_AHEAD)
                .max(self.threads.saturating_mul(2)),
            stopped: false,
        };
        let shared = Arc::new(Shared {
            source: Arc::clone(&self.source),
            order,
            view,
            queue: Mutex::new(queue),
            changed: Condvar::new(),
        });
        let mut batches = Batches {
            shared,
            batch_size,
            workers: Vec::new(),
            fault,
        };
        batches.start(self.threads);
        batches
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
    fn load(&self, index: usize, view: Option<&View>) -> Result<Vec<f32>, String> {
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

/// What the workers and the receiver of one pass share.
#[derive(Debug)]
struct Shared {
    source: Arc<LoaderSource>,
    order: Vec<usize>,
    view: Option<View>,
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// Positions in `order`: handed out ≤ claimed ≤ handed out + ahead.
#[derive(Debug)]
struct Queue {
    finished: BTreeMap<usize, Result<Vec<f32>, String>>,
    claimed: usize,
    length: usize,
    handed_out: usize,
    ahead: usize,
    stopped: bool,
}

impl Shared {
    /// The life of a worker: one image after another, in order, no further ahead than allowed.
    fn work(&self) {
        let mut queue = lock(&self.queue);
        while !queue.stopped && queue.claimed < queue.length {
            if queue.claimed >= queue.handed_out.saturating_add(queue.ahead) {
                queue = wait(&self.changed, queue);
                continue;
            }
            let position = queue.claimed;
            queue.claimed += 1;
            drop(queue);
            let loaded = self.source.load(self.order[position], self.view.as_ref());
            queue = lock(&self.queue);
            queue.finished.insert(position, loaded);
            self.changed.notify_all();
        }
    }

    /// Waits for the positions `start..end` and takes what became of them.
    fn take(&self, start: usize, end: usize) -> VecDeque<Result<Vec<f32>, String>> {
        let mut queue = lock(&self.queue);
        // Positions before `start` are gone, so that the first `end - start` keys are these once all are there.
        while queue.finished.range(start..end).count() < end - start {
            queue = wait(&self.changed, queue);
        }
        queue.handed_out = end;
        self.changed.notify_all();
        (start..end)
            .filter_map(|position| queue.finished.remove(&position))
            .collect()
    }
}

/// The batches of one pass over the images, in order; made by [`Loader::batches`].
///
/// Dropping it stops and joins its threads.
#[derive(Debug)]
pub struct Batches {
    shared: Arc<Shared>,
    batch_size: usize,
    workers: Vec<JoinHandle<()>>,
    fault: Option<DataError>,
}

impl Batches {
    fn start(&mut self, threads: usize) {
        let work = lock(&self.shared.queue).length;
        for number in 0..threads.min(work) {
            let shared = Arc::clone(&self.shared);
            let builder = std::thread::Builder::new().name(format!("images-{number}"));
            match builder.spawn(move || shared.work()) {
                Ok(worker) => self.workers.push(worker),
                // With fewer threads the same batches come, later; with none they never do.
                Err(error) => {
                    if self.workers.is_empty() {
                        self.fault = Some(DataError::Thread(error));
                    }
                    break;
                }
            }
        }
    }

    /// Ends the pass: no image is begun any more.
    fn stop(&mut self) {
        let mut queue = lock(&self.shared.queue);
        queue.stopped = true;
        queue.handed_out = queue.length;
        queue.finished.clear();
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Puts a batch together; an error when an image is broken and the loader strict.
    fn assemble(&self, start: usize, end: usize) -> Result<Batch, DataError> {
        let source = &self.shared.source;
        let size = 3 * source.preprocess.crop * source.preprocess.crop;
        let mut batch = Batch {
            indices: Vec::new(),
            pixels: Vec::new(),
            labels: Vec::new(),
        };
        batch.pixels.reserve_exact((end - start) * size);
        let loaded = self.shared.take(start, end);
        for (&index, loaded) in self.shared.order[start..end].iter().zip(loaded) {
            let item = &source.images.items[index];
            match loaded {
                Ok(pixels) => {
                    batch.indices.push(index);
                    batch.labels.push(item.label);
                    batch.pixels.extend_from_slice(&pixels);
                }
                Err(reason) if source.strict => {
                    return Err(DataError::Broken {
                        name: item.name.clone(),
                        reason,
                    });
                }
                Err(reason) => {
                    lock(&source.skipped).insert(index, reason);
                }
            }
        }
        Ok(batch)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(fault) = self.fault.take() {
            self.stop();
            return Some(Err(fault));
        }
        loop {
            let (start, length) = {
                let queue = lock(&self.shared.queue);
                (queue.handed_out, queue.length)
            };
            if start >= length {
                return None;
            }
            let end = start.saturating_add(self.batch_size).min(length);
            match self.assemble(start, end) {
                Ok(batch) if batch.indices.is_empty() => {}
                Ok(batch) => return Some(Ok(batch)),
                Err(error) => {
                    self.stop();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop();
        for worker in self.workers.drain(..) {
            // A worker cannot panic but by running out of memory; then there is nothing left to join.
            let _ = worker.join();
        }
    }
}

/// The data behind a mutex, also after a thread died holding it: every update here is a single step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
