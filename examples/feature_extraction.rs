//! Feature extraction: the embedded MobileNetV2 turns images into vectors, and a linear head on them is
//! fitted to convergence.
//!
//! ```text
//! cargo run --release -p examples --example feature_extraction -- --device flex
//! ```
//!
//! Expected: about .80 of the 1,000 test images right at 20 images per class (the printed 95 % interval
//! is about ± .025), in about 15 seconds on two cores.

use clap::Parser;
use tl::data::{Loader, Preprocess};
use tl::models::Classifier;
use tl::train::logistic::{Examples, Options, fit_chosen};
use tl::train::metrics::Evaluation;
use tl::{Network, embed, embedded, pretrained};

type Failure = Box<dyn std::error::Error>;

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

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;

    // The images, and which of them are for what. The test part is looked at once, at the end.
    let images = std::sync::Arc::new(embedded::fashion_mnist()?);
    let split = images.split([1.0, 0.0, 0.0], arguments.seed)?;
    let split = split.shots(&*images, arguments.shots, arguments.seed)?;

    // The network with its pretrained weights; its own head is not used.
    let found = pretrained("mobilenet_v2", "embedded", None, false, arguments.seed, &device)?;
    let loader = Loader::new(images.clone(), Preprocess::imagenet(128, 128), 0, true)?;

    let [train, validation, test] = [&split.train, &split.validation, &split.test]
        .map(|part| features(&found.model, &loader, part, &device));
    let (train, validation, test) = (train?, validation?, test?);

    // How strongly the head is regularised is chosen on the validation part.
    let chosen = fit_chosen(
        Examples { features: &train.0, labels: &train.1 },
        Examples { features: &validation.0, labels: &validation.1 },
        images.classes.len(),
        &[1e-3, 1e-2, 0.1, 1.0, 10.0],
        &Options::default(),
    )?;
    let result = Evaluation::from_logits(&images.classes, &chosen.head.logits(&test.0), &test.1)?;
    println!(
        "{} images per class: {:.3} of {} test images right, 95 % interval {:.3} to {:.3} (C = {})",
        arguments.shots,
        result.accuracy,
        result.n,
        result.interval[0],
        result.interval[1],
        chosen.c
    );
    Ok(())
}

/// Vectors and labels of some images.
fn features(
    model: &Classifier<Network>,
    loader: &Loader,
    part: &[usize],
    device: &tl::burn::tensor::Device,
) -> Result<(Vec<f32>, Vec<usize>), Failure> {
    let vectors =
        embed::embed_items(&model.backbone, loader, part, 32, device, &mut tl::train::Silent)?;
    let labels = part.iter().filter_map(|&item| loader.images().items[item].label).collect();
    Ok((vectors.values, labels))
}
