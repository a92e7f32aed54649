//! SimCLR, then few labels: a small residual network learns from images without labels by finding views of
//! the same image; then it is fine-tuned on few labels, and so is the same network without any training.
//!
//! ```text
//! cargo run --release -p examples --example simclr_then_few_labels -- --device flex
//! ```
//!
//! Expected: .735 of the 1,000 test images fine-tuned from the pre-trained network, .703 from the same network untrained; two minutes
//! on two cores.

use std::path::PathBuf;

use clap::Parser;
use tl::ssl::ViewOptions;
use tl::train::{Keep, Progress, Silent};
use tl::{PretrainRequest, Recipe, Request, embedded, prepare, prepare_pretraining};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// simclr, byol, simsiam, barlow_twins, vicreg or dino
    #[arg(long, default_value = "simclr")]
    method: String,
    /// Times that every image is looked at without its label
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    /// Labels of each class
    #[arg(long, default_value_t = 10)]
    shots: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the run goes; without it the next free number under runs/
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Prints what stays.
struct Lines;

impl Progress for Lines {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, _: &str) {}
    fn end(&mut self) {}
    fn say(&mut self, line: &str) {
        println!("{line}");
    }
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;

    let mut request = PretrainRequest::new(embedded::fashion_mnist()?, "fashion_mnist", &device);
    request.options.method = arguments.method;
    request.options.network = "resnet10".into();
    request.options.image_size = Some(28);
    request.options.epochs = arguments.epochs;
    request.options.batch_size = 256;
    // Large parts, and colours that vary far: grey clothes are told apart by their brightness otherwise.
    request.options.views = ViewOptions { min_scale: Some(0.5), jitter: Some(2.0) };
    request.options.temperature = (request.options.method == "simclr").then_some(0.2);
    request.options.seed = arguments.seed;
    request.out = arguments.out;
    let mut prepared = prepare_pretraining(request)?;
    let folder = prepared.claim()?;
    prepared.fit(&mut Lines)?;
    println!("{} holds the network and a report", folder.display());

    let pretrained = folder.to_string_lossy();
    for (name, source) in [("untrained", "random"), ("pre-trained", &*pretrained)] {
        let mut request = Request::new(embedded::fashion_mnist()?, "fashion_mnist", &device);
        let options = &mut request.options;
        options.network = "resnet10".into();
        options.weights = source.to_string();
        options.image_size = Some(28);
        options.shots = Some(arguments.shots);
        // No label but the few: none chooses an epoch.
        options.split = [1.0, 0.0, 0.0];
        options.settings.keep = Keep::Last;
        options.settings.seed = arguments.seed;
        options.tuning.recipe = Recipe::Finetune;
        options.tuning.epochs = Some(40);
        let found = prepare(request)?.train(None, &mut Silent)?;
        if let Some(test) = found.test {
            let [low, high] = test.interval;
            println!(
                "{name}, {} labels of each class: {:.3} of {} test images right, 95 % interval {low:.3} to {high:.3}",
                arguments.shots, test.accuracy, test.n
            );
        }
    }
    Ok(())
}
