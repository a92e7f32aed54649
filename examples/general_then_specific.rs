//! From the general to the specific: a small residual network learns eight kinds of clothes from random weights, then sandals and
//! sneakers, which it has never seen, from a few labels; beside it the same network learns them from random weights.
//!
//! ```text
//! cargo run --release -p examples --example general_then_specific -- --device flex
//! ```
//!
//! Expected (one run): the general network is right on .86 of its images; from five labels of each class the two new ones come to .79 from it
//! and to .80 from random weights, of 182 images: a general network of 300 images of each class does not help here. One minute on one
//! core. docs/src/general_then_specific.md does the same with all of Fashion-MNIST, more seeds and digits.

use std::path::PathBuf;

use clap::Parser;
use tl::burn::tensor::Device;
use tl::prelude::*;
use tl::train::Keep;
use tl::{embedded, prepare};

type Failure = Box<dyn std::error::Error>;

/// What the general network never sees; of shoes it knows ankle boots alone.
const SPECIFIC: [&str; 2] = ["Sandal", "Sneaker"];

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// Labels of each of the two specific classes
    #[arg(long, default_value_t = 5)]
    shots: usize,
    /// Times that the general network goes through its 2,400 images
    #[arg(long, default_value_t = 20)]
    epochs: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Where the general run goes; without it the next free number under runs/
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Fitting every stage of the small network on `images` from `weights`.
fn small(images: Images, name: &str, weights: &str, device: &Device, seed: u64) -> Request {
    let mut request = Request::new(images, name, device);
    let options = &mut request.options;
    options.network = "resnet10".into();
    options.image_size = Some(28);
    options.weights = weights.into();
    options.tuning.recipe = Recipe::Finetune;
    options.settings.seed = seed;
    request
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = device(&arguments.device)?;
    let clothes = embedded::fashion_mnist()?;
    let (specific, general): (Vec<String>, Vec<String>) =
        clothes.classes.iter().cloned().partition(|class| SPECIFIC.contains(&class.as_str()));

    // Once, from many labels. The run's folder is a source of weights.
    let images = clothes.only(&general)?;
    let mut request = small(images, "eight kinds", "random", &device, arguments.seed);
    request.options.tuning.epochs = Some(arguments.epochs);
    request.options.tuning.learning_rate = Some(3e-3);
    request.options.settings.batch_size = 64;
    request.out = arguments.out;
    let run = finetune(request, &mut Lines)?;
    if let Some(test) = run.test() {
        println!("general: {:.3} of {} test images right", test.accuracy, test.n);
    }

    // Then, from few, what it never saw.
    let known = run.folder.to_string_lossy().into_owned();
    for (name, weights) in [("from random weights", "random"), ("from the general run", &*known)] {
        let images = clothes.only(&specific)?;
        let mut request = small(images, "two kinds", weights, &device, arguments.seed);
        let options = &mut request.options;
        options.shots = Some(arguments.shots);
        // No label but the few: none chooses an epoch.
        options.split = [1.0, 0.0, 0.0];
        options.settings.keep = Keep::Last;
        options.tuning.epochs = Some(60);
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
