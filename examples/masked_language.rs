//! Hidden words: a published text encoder goes on learning from sentences without labels.
//!
//! ```text
//! cargo run --release -p examples --example masked_language -- --weights MiniLM --data rated:tweets_GroundTruth.txt
//! ```
//!
//! `MiniLM` is a folder with config.json, tokenizer.json and model.safetensors (all-MiniLM-L6-v2); `cargo xtask assets` brings
//! its files and the tweets, whose ratings are not read. A text on each line, a table or JSON lines do as well.
//!
//! Expected: the perplexity of hidden pieces falls from epoch to epoch, on 420 of 4,200 tweets from 228 to 119 and 98 (95 % interval 79
//! to 123), since the file holds nothing that predicts pieces and that has to be learnt first; the mask in the sentence becomes a word such
//! as `excited`. About eight minutes on two busy cores.

use clap::Parser;
use tl::core::{Activation, Pass, Pieces};
use tl::data::text::{Texts, Tokenizer};
use tl::ssl::methods::MaskedLanguage;
use tl::train::Lines;
use tl::train::metrics::argmax;
use tl::{Examples, LanguageRun, Recipe, Request, prepare_language};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// A text on each line, a table or JSON lines with a column text, a folder of .txt files, or `rated:` and a file of
    /// rated sentences
    #[arg(long)]
    data: String,
    /// bert, roberta or distilbert
    #[arg(long, default_value = "bert")]
    model: String,
    /// A folder, hub:owner/repo/model.safetensors, or random:FOLDER
    #[arg(long)]
    weights: String,
    #[arg(long, default_value_t = 3)]
    epochs: usize,
    /// Three tenths of it reach the network
    #[arg(long, default_value_t = 1e-3)]
    rate: f64,
    /// With the tokenizer's mask in it
    #[arg(long, default_value = "I am so [MASK] today!")]
    sentence: String,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let texts = Examples::texts(&arguments.data, &Default::default(), false)?;
    texts.notes().iter().for_each(|note| println!("{note}"));

    let mut request = Request::new(texts, &arguments.data, &device);
    let options = &mut request.options;
    options.network.clone_from(&arguments.model);
    options.weights.clone_from(&arguments.weights);
    options.text.masked = Some(MaskedLanguage::default());
    options.tuning.recipe = Recipe::Finetune;
    options.tuning.epochs = Some(arguments.epochs);
    options.tuning.learning_rate = Some(arguments.rate);
    options.split = [0.9, 0.1, 0.0];
    options.settings.seed = arguments.seed;
    let run = prepare_language(request)?.fit(&mut Lines)?;
    if let Some(found) = run.record.language.as_ref().and_then(|found| found.validation) {
        println!("{found}");
    }
    println!("{}", filled_in(&run, &arguments.sentence)?);
    let folder = run.folder.display();
    println!(
        "fit a classifier with: tl finetune DATA --model {} --weights {folder}",
        arguments.model
    );
    Ok(())
}

/// The sentence with the likeliest piece at each mask.
fn filled_in(run: &LanguageRun, sentence: &str) -> Result<String, Failure> {
    let tokenizer = Tokenizer::open(&run.folder.join("tokenizer.json"))?;
    let mut encoded = tokenizer.encode(&Texts::lines(sentence).into(), 128)?;
    let Some(row) = encoded.rows.pop() else { return Ok(String::new()) };
    let places = (0..row.ids.len()).filter(|at| Some(row.ids[*at]) == tokenizer.mask());
    let asked: Vec<usize> = places.collect();
    if asked.is_empty() {
        return Ok("nothing is hidden in the sentence".into());
    }
    let text = Pieces { ids: row.ids.clone(), segments: row.segments, asked: asked.clone() };
    let logits = run.model.forward(Activation::Texts(vec![text]), Pass::default())?;
    let width = logits.dims()[1];
    let mut ids = row.ids;
    for (place, logits) in
        asked.into_iter().zip(Activation::Vector(logits).into_rows()?.chunks(width))
    {
        ids[place] = argmax(logits) as u32;
    }
    Ok(tokenizer.text(&ids)?)
}
