//! Sentiment: a published text encoder learns from sentences with labels; beside it a head on its frozen vectors.
//!
//! ```text
//! cargo run --release -p examples --example sentiment -- --weights MiniLM --data rated:tweets_GroundTruth.txt
//! ```
//!
//! `MiniLM` is a folder with config.json, tokenizer.json and model.safetensors (all-MiniLM-L6-v2); `cargo xtask assets`
//! brings its files and the tweets. A table such as reviews.csv, with columns text and label, does as well.
//!
//! Expected: about .91 for the head on frozen vectors and .96 fine-tuned (672 tweets; the printed 95 % interval is
//! about ± .02), in about four minutes on two cores.

use clap::Parser;
use tl::core::TokenPooling;
use tl::train::{Keep, Silent};
use tl::{Examples, Recipe, Request, prepare};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// A table, JSON lines, a folder of texts, or `rated:` and a file of rated sentences
    #[arg(long)]
    data: String,
    /// bert, roberta or distilbert
    #[arg(long, default_value = "bert")]
    model: String,
    /// Its folder
    #[arg(long)]
    weights: String,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let texts = Examples::texts(&arguments.data, &Default::default(), true)?;
    texts.notes().iter().for_each(|note| println!("{note}"));

    // Frozen vectors are best as the mean of all pieces; a classifier of the origin's stands on the first.
    for (name, recipe, pooling) in [
        ("a head on frozen vectors", Recipe::Probe, Some(TokenPooling::Mean)),
        ("fine-tuned", Recipe::Finetune, None),
    ] {
        let mut request = Request::new(texts.clone(), &arguments.data, &device);
        let options = &mut request.options;
        options.network.clone_from(&arguments.model);
        options.weights.clone_from(&arguments.weights);
        options.patches.pooling = pooling;
        options.tuning.recipe = recipe;
        options.settings.seed = arguments.seed;
        options.settings.keep = Keep::Last;
        options.split = [0.8, 0.0, 0.2];
        if recipe == Recipe::Probe {
            // The strength of the head's regularisation is chosen on texts of their own.
            options.split = [0.7, 0.1, 0.2];
        }
        if let Some(test) = prepare(request)?.train(None, &mut Silent)?.test {
            let [low, high] = test.interval;
            println!(
                "{name}: {:.3} of {} test texts right, 95 % interval {low:.3} to {high:.3}, AUROC {:.3}",
                test.accuracy,
                test.n,
                test.auroc.unwrap_or(f64::NAN)
            );
        }
    }
    Ok(())
}
