//! Adaptation: streams of batches at test time, and steps of the adapting loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;

use burn::module::Module;
use burn::prelude::*;
use tl::adaptation::test_time::{AdaBnStream, TentStream, TestTime};
use tl::adaptation::{
    AdaptError, Domains, PairedItems, Part, Settings, Task, View, adapt, methods,
};
use tl::core::{Activation, NormPolicy, Pass, Phase, Plan};
use tl::train::{Conduct, Progress};

use crate::networks::{Work, images, network};
use crate::request::Request;
use crate::{Outcome, labels, unfolded};

/// What the paper takes for batches of 200 small images.
const TENT_RATE: f64 = 1e-3;

fn to_host(logits: Tensor<2>) -> Outcome<()> {
    logits.into_data().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
    Ok(())
}

/// The forward pass of the network as it is, in evaluation.
pub fn eval(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    let (model, images) = (model.valid(), images(request, &device));
    Ok(Box::new(move || to_host(model.forward(images.clone(), Pass::default())?)))
}

/// The same with every norm as an operation of its own.
pub fn unfolded(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    let (model, images) = (model.valid(), images(request, &device));
    let folded = model.forward(images.clone(), Pass::default())?;
    let apart = unfolded::forward(&model, images.clone())?;
    let largest = folded.clone().abs().max().into_scalar::<f32>();
    let difference = (folded - apart).abs().max().into_scalar::<f32>();
    if difference.is_nan() || difference > 1e-3 * largest.max(1.0) {
        return Err(format!("the unfolded pass is off by {difference}").into());
    }
    Ok(Box::new(move || to_host(unfolded::forward(&model, images.clone())?)))
}

/// The same with the statistics of each batch.
pub fn adabn(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    stream(AdaBnStream::new(model), images(request, &device))
}

/// The same, and a step on scales and shifts.
pub fn tent(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    stream(TentStream::new(model, TENT_RATE), images(request, &device))
}

fn stream(mut stream: impl TestTime + 'static, images: Activation) -> Outcome<Work> {
    Ok(Box::new(move || to_host(stream.predict(images.clone())?)))
}

/// Steps of the loop itself, one at a time: with DANN on `request.batch` images of each domain, or on
/// the source alone with twice as many. The loop runs in a thread of its own, which waits after each
/// step until it is asked for the next.
pub fn step(request: &Request) -> Outcome<Work> {
    let (go, asked) = channel();
    let (tell, done) = channel();
    let request = request.clone();
    spawn(move || {
        let mut turns = Turns { asked, tell, stop: Arc::default() };
        if let Err(reason) = run(&request, &mut turns) {
            // Nobody listens any more when the work was let go of.
            let _ = turns.tell.send(Err(reason.to_string()));
        }
    });
    Ok(Box::new(move || {
        go.send(())?;
        Ok(done.recv()??)
    }))
}

/// The loop, for as long as it is asked to go on.
fn run(request: &Request, turns: &mut Turns) -> Outcome<()> {
    let dann = request.work == crate::request::Work::Dann;
    let batch = if dann { request.batch } else { 2 * request.batch };
    let (model, device) = network(request)?;
    let images = images(&Request { batch, ..request.clone() }, &device);
    let domains = Same { images, labels: labels(batch) };
    let mut method = methods::named(if dann { "dann" } else { "source" })?;
    let settings = Settings { batch_size: batch, ..Settings::default() };
    let conduct = Conduct { stop: Arc::clone(&turns.stop), ..Conduct::default() };
    let phase = Phase::finetune(1).norm(NormPolicy::Train).label_smoothing(0.0);
    let task = Task { domains: &domains, method: &mut *method, oracle: None };
    turns.asked.recv()?;
    adapt(model, task, &Plan::new(vec![phase]), &settings, &conduct, turns)?;
    Ok(())
}

/// Waits between two steps.
struct Turns {
    asked: Receiver<()>,
    tell: Sender<Result<(), String>>,
    /// Ends the loop.
    stop: Arc<AtomicBool>,
}

impl Progress for Turns {
    fn begin(&mut self, _: &str, _: u64) {}

    fn advance(&mut self, _: u64, _: &str) {
        if self.tell.send(Ok(())).is_err() || self.asked.recv().is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn end(&mut self) {}

    fn say(&mut self, _: &str) {}
}

/// Two domains of the same few images, step after step.
struct Same {
    images: Activation,
    labels: Vec<usize>,
}

/// More steps than any measurement takes.
const STEPS: usize = 100_000;

impl Domains for Same {
    fn source_labels(&self) -> &[usize] {
        &self.labels
    }

    fn validation_labels(&self) -> &[usize] {
        &self.labels
    }

    fn targets(&self) -> usize {
        self.labels.len()
    }

    /// Always the whole batch, of which the loop looks at the shape first.
    fn batch(&self, _: Part, _: &[usize], _: View) -> Result<Activation, AdaptError> {
        Ok(self.images.clone())
    }

    fn pairs(&self, _: u64, _: u64, _: usize) -> Vec<PairedItems> {
        let all: Vec<usize> = (0..self.labels.len()).collect();
        vec![PairedItems { source: all.clone(), target: all }; STEPS]
    }
}
