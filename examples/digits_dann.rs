//! Domain-adversarial training on digits: labels from MNIST, none from the UCI digits, which were written by other hands and
//! scanned at 8 × 8 pixels.
//!
//! ```text
//! cargo xtask assets                  # fetches the digits, among others, once
//! cargo run --release -p examples --example digits_dann -- --device flex
//! ```
//!
//! Expected: .877 of the 359 target test images with DANN, .836 after as many epochs on the source alone; half a minute on two cores.
//! The epoch is chosen without a label of the target; the oracle, which looks at them, is printed beside. docs/tables/adapt.md
//! says what does better.

use std::path::PathBuf;

use clap::Parser;
use tl::adapt::{TargetData, open_images};
use tl::prelude::*;
use tl::{AdaptOptions, AdaptRequest, Examples, adapt};

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// The folder with the digits [default: that of `cargo xtask assets`]
    #[arg(long)]
    digits: Option<PathBuf>,
    /// Training images of each class
    #[arg(long, default_value_t = 200)]
    shots: usize,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Where `cargo xtask assets` puts files.
fn cache() -> PathBuf {
    let set =
        |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("TL_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("tl")))
        .or_else(|| Some(set("HOME")?.join(".cache").join("tl")))
        .unwrap_or_default()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let folder = arguments.digits.unwrap_or_else(cache);
    let source = open_images(&format!("mnist:{}", folder.display()))?;
    let target = Examples::from(open_images(&format!("uci:{}", folder.display()))?);

    // The baseline and DANN go on from the same epochs on the source, with the same budget.
    for method in ["source", "dann"] {
        let data = TargetData::Given { examples: target.clone(), name: "UCI digits".to_string() };
        let mut request = AdaptRequest::new(source.clone(), "MNIST", data, &device);
        request.options = AdaptOptions {
            network: "small_conv".to_string(),
            weights: "random".to_string(),
            methods: vec![method.to_string()],
            shots: Some(arguments.shots),
            source_epochs: Some(4),
            epochs: Some(6),
            ..AdaptOptions::default()
        };
        request.options.settings.seed = arguments.seed;
        let run = adapt(request, &mut Lines)?;
        let Some(found) = &run.record.adaptation else { continue };
        for candidate in &found.candidates {
            println!(
                "{method}: epoch {} of {} by {}",
                candidate.epoch,
                candidate.epochs,
                found.validator.name()
            );
            if let Some(oracle) = &candidate.oracle {
                let [low, high] = oracle.interval;
                println!(
                    "  oracle: {:.3} of {} target test images right, 95 % interval {low:.3} to {high:.3}",
                    oracle.accuracy, oracle.n
                );
            }
            if let [Some(before), Some(after)] = candidate.a_distance {
                println!("  A-distance: {before:.2} before, {after:.2} after");
            }
        }
        println!("  report: {}", run.folder.join("report.html").display());
    }
    Ok(())
}
