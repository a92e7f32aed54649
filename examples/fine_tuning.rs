//! Fine-tuning: a plan in two phases over the stages of a pretrained network.
//!
//! ```text
//! cargo run --release -p examples --example fine_tuning -- --device flex
//! ```
//!
//! Expected: about .80 of the 1,000 test images right at 20 images per class (the printed 95 % interval
//! is about ± .025), in about 40 seconds on two cores.

use std::sync::Arc;

use clap::Parser;
use tl::core::TrainableReport;
use tl::data::{Augment, Loader, Preprocess};
use tl::embedded;
use tl::prelude::*;
use tl::train::{Conduct, Earlier, Settings, Task, fit, predict};

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// Training images of each class
    #[arg(long, default_value_t = 20)]
    shots: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;

    let images = Arc::new(embedded::fashion_mnist()?);
    let split = images.split([1.0, 0.0, 0.0], arguments.seed)?;
    let split = split.shots(&*images, arguments.shots, arguments.seed)?;
    let loader = Loader::new(images.clone(), Preprocess::imagenet(96, 96), 0, true)?;

    // A fresh head for our classes on pretrained stages.
    let classes = Some(images.classes.len());
    let found = pretrained("mobilenet_v2", "embedded", classes, false, arguments.seed, &device)?;

    // First the head alone, then it and the last stages; the first seven stages stay frozen: they are
    // run once for each image and cached.
    let plan = Plan::new(vec![
        Phase::probe(4).rates(1e-3, 3e-4),
        Phase::finetune(14).from("features.7").layer_decay(0.95),
    ]);
    let phases = plan.resolve(&found.model.backbone.stages())?;
    print!("{}", TrainableReport::new(&phases, &found.model));

    let task = Task {
        data: &loader,
        split: &split,
        augment: Augment::none(),
        earlier: Earlier::default(),
    };
    let settings = Settings { seed: arguments.seed, validate_every: 3, ..Settings::default() };
    let fitted = fit(found.model, &task, &plan, &settings, &Conduct::default(), &mut Lines)?;

    let answers = predict(&fitted.model, &loader, &split.test, 32, &device, &mut Silent)?;
    let labels: Vec<_> = images.items.iter().map(|item| item.label).collect();
    if let Some(result) = answers.evaluate(&images.classes, &labels)? {
        let [low, high] = result.interval;
        println!(
            "{} weights: {:.3} of {} test images right, 95 % interval {low:.3} to {high:.3}",
            fitted.kept, result.accuracy, result.n
        );
    }
    Ok(())
}
