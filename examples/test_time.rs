//! Adaptation while a model is in use: batches of night images come one after another, and the model that was fitted by day
//! adapts itself to them, without labels and without the day's images.
//!
//! ```text
//! cargo run --release -p examples --example test_time -- --device flex
//! ```
//!
//! Expected: about .14 of the 1,000 night images right by the model as it is, .50 by AdaBN, .55 by TENT (the printed 95 % intervals
//! are about ± .03), in about 20 seconds on two cores.

use clap::Parser;
use tl::adaptation::test_time::{AdaBnStream, TentStream, TestTime};
use tl::burn::tensor::{Device, Tensor, TensorData};
use tl::core::Activation;
use tl::data::{Loader, Shift};
use tl::models::Classifier;
use tl::prelude::*;
use tl::train::metrics::Evaluation;
use tl::{Tuning, embedded, finetune};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// What becomes of the images: night, fog, rain, scanner, accent, with a severity as in night:0.7
    #[arg(long, default_value = "night")]
    shift: Shift,
    /// Images of a batch
    #[arg(long, default_value_t = 50)]
    batch: usize,
}

/// The model as it is.
struct Frozen(Classifier<Network>);

impl TestTime for Frozen {
    fn predict(&mut self, batch: Activation) -> Result<Tensor<2>, tl::adaptation::AdaptError> {
        Ok(self.0.forward(batch, tl::core::Pass::default())?)
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let day = embedded::fashion_mnist()?;

    // By day: every stage trained, norms too, so that their statistics are those of these images.
    let mut request = Request::new(day.clone(), "Fashion-MNIST", &device);
    request.options.shots = Some(40);
    request.options.image_size = Some(48);
    request.options.tuning = Tuning {
        recipe: Recipe::Finetune,
        epochs: Some(4),
        norm: Some(NormPolicy::Train),
        ..Tuning::default()
    };
    let run = finetune(request, &mut Silent)?;
    if let Some(test) = run.test() {
        println!("by day: {:.3} of {} test images right", test.accuracy, test.n);
    }

    // The test images after the shift, in batches as they might arrive.
    let night = day.shifted(&arguments.shift.prepare(0)?);
    let split = night.split([1.0, 0.0, 0.0], 0)?;
    let loader = run.loader(night, 0, true)?;
    let model = || run.model.clone();
    let streams: [(&str, Box<dyn TestTime>); 3] = [
        ("as it is", Box::new(Frozen(model()))),
        ("AdaBN", Box::new(AdaBnStream::new(model()))),
        ("TENT", Box::new(TentStream::new(model(), 1e-3))),
    ];
    for (name, mut stream) in streams {
        let found = measure(&mut *stream, &loader, &split.test, arguments.batch, &device)?;
        let [low, high] = found.interval;
        println!(
            "{name}: {:.3} of {} shifted images right, 95 % interval {low:.3} to {high:.3}",
            found.accuracy, found.n
        );
    }
    Ok(())
}

/// How good the answers are, each given before anything later was seen. Labels are looked at here alone.
fn measure(
    stream: &mut dyn TestTime,
    loader: &Loader,
    items: &[usize],
    size: usize,
    device: &Device,
) -> Result<Evaluation, Failure> {
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    let side = loader.preprocess().crop;
    // Mixed, as images arrive; a batch of a single class has statistics of its own.
    let order: Vec<usize> = (0..items.len()).map(|place| items[place * 7 % items.len()]).collect();
    for batch in loader.batches(order, size, None) {
        let batch = batch?;
        let data = TensorData::new(batch.pixels, [batch.indices.len(), 3, side, side]);
        let images = Activation::image(Tensor::<4>::from_data(data, device));
        logits.extend(Activation::Vector(stream.predict(images)?).into_rows()?);
        labels.extend(batch.labels.into_iter().flatten());
    }
    Ok(Evaluation::from_logits(&loader.images().classes, &logits, &labels)?)
}
