//! Named entities: a published text encoder learns to tag the words of sentences; beside it a head on its frozen layers.
//!
//! ```text
//! cargo run --release -p examples --example named_entities -- --weights MiniLM --data wnut16-train.txt
//! ```
//!
//! `MiniLM` is a folder with config.json, tokenizer.json and model.safetensors (all-MiniLM-L6-v2); `cargo xtask assets`
//! brings its files and the tweets. Any file with a word and its tag a line (CoNLL, BIO, BIOES) does as well.
//!
//! Expected with seed 0 (223 entities in 359 tweets; the printed 95 % interval is about ± .065): an F1 of .323 of the head on frozen layers, .483
//! of everything, which begins at that head; some six minutes on two cores.

use std::path::PathBuf;

use clap::Parser;
use tl::core::TokenPooling;
use tl::data::text::Tagged;
use tl::train::Silent;
use tl::{Recipe, Request, prepare};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// A file with a word and its tag a line
    #[arg(long)]
    data: PathBuf,
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
    let sentences = Tagged::open(&arguments.data)?;
    sentences.notes.iter().for_each(|note| println!("{note}"));
    println!("types: {}", sentences.types().join(", "));

    for (name, recipe) in [("frozen", Recipe::Probe), ("fine-tuned", Recipe::Auto)] {
        let data = arguments.data.to_string_lossy();
        let mut request = Request::new(sentences.clone(), &data, &device);
        let options = &mut request.options;
        options.network.clone_from(&arguments.model);
        options.weights.clone_from(&arguments.weights);
        // Every piece answers for itself, and the first one of a word for the word.
        options.text.tokens = true;
        options.patches.pooling = Some(TokenPooling::Each);
        options.tuning.recipe = recipe;
        if recipe == Recipe::Auto {
            options.tuning.epochs = Some(8);
            options.tuning.learning_rate = Some(1e-3);
        }
        options.settings.seed = arguments.seed;
        let found = prepare(request)?.train(None, &mut Silent)?.test;
        let Some(entities) = found.and_then(|test| test.entities) else { continue };
        let ([low, high], all) = (entities.interval, &entities.usual);
        println!("{name}: F1 {:.3} of {} entities, {low:.3} to {high:.3}", all.micro.f1, all.n);
        for kind in &all.per_type {
            println!("  {:12} {:.3} of {}", kind.label, kind.f1, kind.n);
        }
    }
    Ok(())
}
