//! From day to night without a label of the night: several methods from one network trained by day, and the one that is picked
//! without target labels.
//!
//! ```text
//! cargo run --release -p examples --example day_to_night -- --device flex
//! ```
//!
//! Expected: more classes are found by night than before, at some cost to those that were found by day's rules already;
//! half a minute on two cores. docs/tables/adapt.md shows the same shift with more images. Network and images are part of
//! the program; the night is made from the day's images by formula.

use clap::Parser;
use tl::adapt::TargetData;
use tl::data::Shift;
use tl::prelude::*;
use tl::{AdaptOptions, AdaptRequest, adapt, embedded};

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// What becomes of the day's images: night, fog, rain, scanner, accent, with a severity as in night:0.7
    #[arg(long, default_value = "night")]
    shift: Shift,
    /// Training images of each class
    #[arg(long, default_value_t = 40)]
    shots: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let target = TargetData::Shift(arguments.shift);
    let mut request =
        AdaptRequest::new(embedded::fashion_mnist()?, "Fashion-MNIST", target, &device);
    request.options = AdaptOptions {
        methods: ["source", "adabn", "coral", "dann"].map(String::from).to_vec(),
        image_size: Some(48),
        shots: Some(arguments.shots),
        source_epochs: Some(2),
        epochs: Some(4),
        ..AdaptOptions::default()
    };
    request.options.settings.seed = arguments.seed;
    let run = adapt(request, &mut Lines)?;
    let Some(found) = &run.record.adaptation else { return Ok(()) };

    println!("\nmethod  chosen epoch  {}  oracle", found.validator.name());
    for candidate in &found.candidates {
        let score = candidate.scores.get(found.validator).unwrap_or(f64::NAN);
        let oracle = candidate.oracle.as_ref().map_or(f64::NAN, |oracle| oracle.accuracy);
        println!("{:6}  {:12}  {score:.4}  {oracle:.3}", candidate.method, candidate.epoch);
    }
    println!("picked without target labels: {}", found.method);
    for class in &found.classes {
        if let Some([before, after]) = class.oracle_recall {
            println!("  {:12} found by night: {before:.2} before, {after:.2} after", class.class);
        }
    }
    println!("the run: {}, its report: report.html there", run.folder.display());
    Ok(())
}
