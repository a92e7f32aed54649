//! One pass over the images: workers that load ahead, and the batches put together in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::loader::{Ask, LoaderSource};
use crate::{Batch, DataError};

/// How many batches are in the making or waiting at most, the one being handed out included.
const BATCHES_AHEAD: usize = 3;

/// One item of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Visit {
    pub index: usize,
    /// How often the pass has been through all items before: 0 but where a small set is repeated.
    pub round: u64,
}

/// What the workers and the receiver of one pass share.
#[derive(Debug)]
struct Shared {
    source: Arc<LoaderSource>,
    order: Vec<Visit>,
    ask: Option<Ask>,
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
            let loaded = self.source.load(self.order[position], self.ask.as_ref());
            queue = lock(&self.queue);
            queue.finished.insert(position, loaded);
            self.changed.notify_all();
        }
    }

    /// Waits for the positions `start..end` and takes what became of them.
    fn take(&self, start: usize, end: usize) -> VecDeque<Result<Vec<f32>, String>> {
        let mut queue = lock(&self.queue);
        // Positions before `start` are gone, so that the first `end - start` keys are these once
        // all are there.
        while queue.finished.range(start..end).count() < end - start {
            queue = wait(&self.changed, queue);
        }
        queue.handed_out = end;
        self.changed.notify_all();
        (start..end).filter_map(|position| queue.finished.remove(&position)).collect()
    }
}

/// The batches of one pass over the images, in order; made by [`crate::Loader::batches`].
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
    /// Sets the workers going; everything in `order` must be an item.
    pub(crate) fn start(
        source: Arc<LoaderSource>,
        order: Vec<Visit>,
        batch_size: usize,
        ask: Option<Ask>,
        threads: usize,
    ) -> Self {
        let queue = Queue {
            finished: BTreeMap::new(),
            claimed: 0,
            length: order.len(),
            handed_out: 0,
            // Every thread has work, however small a batch is.
            ahead: batch_size.saturating_mul(BATCHES_AHEAD).max(threads.saturating_mul(2)),
            stopped: false,
        };
        let (queue, changed) = (Mutex::new(queue), Condvar::new());
        let workers = threads.min(order.len());
        let shared = Arc::new(Shared { source, order, ask, queue, changed });
        let mut batches = Self { shared, batch_size, workers: Vec::new(), fault: None };
        for number in 0..workers {
            let shared = Arc::clone(&batches.shared);
            let builder = std::thread::Builder::new().name(format!("images-{number}"));
            match builder.spawn(move || shared.work()) {
                Ok(worker) => batches.workers.push(worker),
                // With fewer threads the same batches come, later; with none they never do.
                Err(error) => {
                    if batches.workers.is_empty() {
                        batches.fault = Some(DataError::Thread(error));
                    }
                    break;
                }
            }
        }
        batches
    }

    /// A pass that yields one error and ends.
    pub(crate) fn refuse(source: Arc<LoaderSource>, fault: DataError) -> Self {
        let mut batches = Self::start(source, Vec::new(), 1, None, 1);
        batches.fault = Some(fault);
        batches
    }

    /// How many images were begun.
    #[cfg(test)]
    pub(crate) fn claimed(&self) -> usize {
        lock(&self.shared.queue).claimed
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
        let mut batch = Batch { indices: Vec::new(), pixels: Vec::new(), labels: Vec::new() };
        batch.pixels.reserve_exact((end - start) * size);
        let loaded = self.shared.take(start, end);
        for (&Visit { index, .. }, loaded) in self.shared.order[start..end].iter().zip(loaded) {
            let item = &source.images.items[index];
            match loaded {
                Ok(pixels) => {
                    batch.indices.push(index);
                    batch.labels.push(item.label);
                    batch.pixels.extend_from_slice(&pixels);
                }
                Err(reason) if source.strict => {
                    return Err(DataError::Broken { name: item.name.clone(), reason });
                }
                Err(reason) => {
                    lock(&source.skipped).insert(index, reason);
                }
            }
        }
        Ok(batch)
    }

    /// The next batch, be it empty because all its images were skipped.
    pub(crate) fn next_even_if_empty(&mut self) -> Option<Result<Batch, DataError>> {
        if let Some(fault) = self.fault.take() {
            self.stop();
            return Some(Err(fault));
        }
        let (start, length) = {
            let queue = lock(&self.shared.queue);
            (queue.handed_out, queue.length)
        };
        if start >= length {
            return None;
        }
        let end = start.saturating_add(self.batch_size).min(length);
        let assembled = self.assemble(start, end);
        if assembled.is_err() {
            self.stop();
        }
        Some(assembled)
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.next_even_if_empty()? {
                Ok(batch) if batch.indices.is_empty() => {}
                other => return Some(other),
            }
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop();
        for worker in self.workers.drain(..) {
            // A worker cannot panic but by running out of memory; then there is nothing left to
            // join.
            let _ = worker.join();
        }
    }
}

/// The data behind a mutex, also after a thread died holding it: every update here is a single
/// step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
