//! A run that several threads ask at once: their images meet in batches, and one network answers.
//!
//! ```no_run
//! let device = tl::device("flex")?;
//! let predictor = tl::Predictor::open("runs/1".as_ref(), &device)?;
//! std::thread::scope(|threads| {
//!     for name in ["one.jpg", "two.jpg", "three.jpg"] {
//!         let predictor = &predictor;
//!         threads.spawn(move || match predictor.predict([name]) {
//!             Ok(found) => println!("{name}: {} ({:.2})", found[0].label, found[0].probability),
//!             Err(reason) => eprintln!("{name}: {reason}"),
//!         });
//!     }
//! });
//! # Ok::<(), tl::Error>(())
//! ```

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use tl_core::{Activation, Pass};
use tl_data::{Images, Preprocess, Rgb8};
use tl_models::Classifier;

use crate::predict::Prediction;
use crate::{Error, Network, Run};

/// How images of several calls become batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// The most images in a batch; 0 stands for 1.
    pub largest: usize,
    /// How long the first image of a batch waits for others. A batch that is full goes at once.
    pub wait: Duration,
}

impl Default for Batching {
    fn default() -> Self {
        Self { largest: 16, wait: Duration::from_millis(2) }
    }
}

/// An image that is asked about: a file, or pixels.
#[derive(Clone, Debug)]
pub enum Query {
    File(PathBuf),
    Pixels(Rgb8),
}

impl From<&str> for Query {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<&Path> for Query {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl From<PathBuf> for Query {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<Rgb8> for Query {
    fn from(pixels: Rgb8) -> Self {
        Self::Pixels(pixels)
    }
}

/// The classifier of a run on images, for use from several threads at once.
///
/// Images are decoded and resized on the thread that asks; then they wait in a queue, and a thread that owns the network answers
/// batch after batch. An image's logits are those of `tl predict` bit for bit where the size of a batch does not change how the
/// device sums; with [`Batching::largest`] 1 every image is answered alone.
pub struct Predictor {
    labels: Vec<String>,
    preprocess: Preprocess,
    /// What all logits are divided by for probabilities.
    temperature: f64,
    /// Present until the predictor goes.
    queue: Option<Sender<Asked>>,
    worker: Option<JoinHandle<()>>,
}

/// An image in the queue.
struct Asked {
    pixels: Vec<f32>,
    /// Its number among those of its call.
    number: usize,
    answer: Sender<(usize, Result<Vec<f32>, String>)>,
}

impl Predictor {
    /// Opens the run in `folder` on `device`.
    ///
    /// # Errors
    /// No finished run there, one on texts, or one that answers with several labels.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, Error> {
        Self::with_batching(Run::open(folder, device)?, Batching::default(), device)
    }

    /// A predictor of an open run, whose network is on `device`, with another batching. Of a run that is [calibrated](Run::calibrated)
    /// the probabilities are at its temperature.
    ///
    /// # Errors
    /// A run on texts, one that answers with several labels, one that is to be calibrated and has no temperature; a system that
    /// gives no thread.
    pub fn with_batching(run: Run, batching: Batching, device: &Device) -> Result<Self, Error> {
        let preprocess = run.record.preprocess.images()?.clone();
        if run.record.several.is_some() {
            return Err(Error::options(
                "the run answers with several labels",
                "ask it with Run::predict and tl::several::several_predictions",
            ));
        }
        let temperature = if run.calibrated { run.record.temperature()? } else { 1.0 };
        let (labels, model) = (run.record.labels, run.model);
        let (queue, asked) = channel();
        let (size, device) = (preprocess.crop, device.clone());
        let work = move || answer_all(&model, &asked, batching, size, &device);
        let worker = Builder::new().name("predictor".into()).spawn(work).map_err(|reason| {
            Error::options(
                format!("the predictor gets no thread ({reason})"),
                "end other programs, or raise the limit of threads",
            )
        })?;
        Ok(Self { labels, preprocess, temperature, queue: Some(queue), worker: Some(worker) })
    }

    /// The labels, in the order of a prediction's probabilities.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What the run answers for these images, in their order. Any number of threads may call it at once.
    ///
    /// # Errors
    /// An image that cannot be read: then none of this call's is answered; a device that fails.
    pub fn predict<Q: Into<Query>>(
        &self,
        images: impl IntoIterator<Item = Q>,
    ) -> Result<Vec<Prediction>, Error> {
        let mut names = Vec::new();
        let mut inputs = Vec::new();
        for image in images {
            let (name, pixels) = match image.into() {
                Query::File(path) => {
                    let found = Images::from_files(std::slice::from_ref(&path))?;
                    (path.to_string_lossy().into_owned(), found.decode(0)?)
                }
                Query::Pixels(pixels) => (String::new(), pixels),
            };
            names.push(name);
            inputs.push(self.preprocess.apply(&pixels));
        }
        let (answer, answers) = channel();
        for (number, pixels) in inputs.into_iter().enumerate() {
            let asked = Asked { pixels, number, answer: answer.clone() };
            let sent = self.queue.as_ref().is_some_and(|queue| queue.send(asked).is_ok());
            if !sent {
                return Err(Error::Failed("the predictor's thread has ended".into()));
            }
        }
        // The last sender is then that of the last image that waits.
        drop(answer);
        let mut found: Vec<Option<Prediction>> = vec![None; names.len()];
        for (number, logits) in answers {
            let logits = logits.map_err(Error::Failed)?;
            if let (Some(place), Some(name)) = (found.get_mut(number), names.get(number)) {
                *place = Some(Prediction::of(name, &logits, &self.labels, self.temperature));
            }
        }
        let all: Option<Vec<Prediction>> = found.into_iter().collect();
        all.ok_or_else(|| Error::Failed("the predictor's thread has ended".into()))
    }
}

impl Drop for Predictor {
    /// Nobody can ask any more: the thread ends, and with it the network.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(worker) = self.worker.take() {
            // It catches what panics in it, and there is nothing left to tell.
            let _ = worker.join();
        }
    }
}

/// Answers until nobody can ask any more.
fn answer_all(
    model: &Classifier<Network>,
    queue: &Receiver<Asked>,
    batching: Batching,
    size: usize,
    device: &Device,
) {
    while let Ok(first) = queue.recv() {
        let batch = gathered(first, queue, batching);
        // Whoever waits must get an answer, whatever happens here.
        let found = catch_unwind(AssertUnwindSafe(|| logits(model, &batch, size, device)))
            .unwrap_or_else(|_| Err("a batch was not answered".into()));
        let count = batch.len();
        for (place, asked) in batch.into_iter().enumerate() {
            let row = found.as_ref().map_err(String::clone).map(|values| {
                let width = values.len() / count;
                values[place * width..][..width].to_vec()
            });
            // A caller that went away after another image's failure needs no answer.
            let _ = asked.answer.send((asked.number, row));
        }
    }
}

/// `first` and what arrives while it may wait.
fn gathered(first: Asked, queue: &Receiver<Asked>, batching: Batching) -> Vec<Asked> {
    let until = Instant::now().checked_add(batching.wait);
    let mut batch = vec![first];
    while batch.len() < batching.largest {
        let next = match until {
            Some(until) => queue.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
            // Later than any clock tells.
            None => queue.recv().ok(),
        };
        match next {
            Some(next) => batch.push(next),
            None => break,
        }
    }
    batch
}

/// The logits of all images of a batch, row after row.
fn logits(
    model: &Classifier<Network>,
    batch: &[Asked],
    size: usize,
    device: &Device,
) -> Result<Vec<f32>, String> {
    let pixels: Vec<f32> = batch.iter().flat_map(|asked| &asked.pixels).copied().collect();
    let shape = [batch.len(), 3, size, size];
    let input = Tensor::<4>::from_data(TensorData::new(pixels, shape), device);
    let logits = model.forward(Activation::image(input), Pass::default());
    Activation::Vector(logits.map_err(|error| error.to_string())?).into_rows()
}
