//! Topics by LoRA: a published text encoder stays as it is, and low-rank paths beside a few of its layers learn to tell
//! twenty newsgroups apart; with --all beside it the same fitting of all weights.
//!
//! ```text
//! cargo run --release -p examples --example topics_lora -- --weights MiniLM --data 20newsgroups-train.tab
//! ```
//!
//! `MiniLM` is a folder with config.json, tokenizer.json and model.safetensors (all-MiniLM-L6-v2); `cargo xtask assets`
//! brings its files and the messages.
//!
//! Expected with ten messages of each topic: .36 % of the parameters trained, .415 ± .03 of 1,130 test messages right where
//! chance is .05, in about eight minutes on two busy cores. More messages (--shots) give more and take longer.

use clap::Parser;
use tl::data::text::Columns;
use tl::train::{Keep, Silent};
use tl::{Examples, Recipe, Request, prepare};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Arguments {
    /// flex, ndarray, wgpu or cuda, as far as they were built in with --features
    #[arg(long, default_value = "flex")]
    device: String,
    /// A table of messages and their topics
    #[arg(long)]
    data: String,
    #[arg(long, default_value = "Text")]
    text_column: String,
    #[arg(long, default_value = "Category")]
    label_column: String,
    /// The folder of a BERT
    #[arg(long)]
    weights: String,
    /// Messages of each topic to learn from
    #[arg(long, default_value_t = 10)]
    shots: usize,
    /// Which adapters
    #[arg(long, default_value = "lora:rank=8,alpha=16,targets=query+value")]
    adapter: tl::peft::AdapterConfig,
    /// Fit all weights as well
    #[arg(long)]
    all: bool,
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let device = tl::device(&arguments.device)?;
    let (text, label) = (arguments.text_column.clone(), arguments.label_column.clone());
    let columns = Columns { text, label, ..Columns::default() };
    let messages = Examples::texts(&arguments.data, &columns, true)?;
    messages.notes().iter().for_each(|note| println!("{note}"));

    let ways = [("adapters", Some(arguments.adapter.clone())), ("all weights", None)];
    for (name, adapter) in ways.into_iter().take(1 + usize::from(arguments.all)) {
        let mut request = Request::new(messages.clone(), &arguments.data, &device);
        let options = &mut request.options;
        options.network = "bert".into();
        options.weights.clone_from(&arguments.weights);
        options.text.columns = columns.clone();
        options.tuning.recipe = if adapter.is_some() { Recipe::Lora } else { Recipe::Finetune };
        options.tuning.adapter = adapter;
        options.tuning.epochs = Some(5);
        options.shots = Some(arguments.shots);
        options.settings.seed = arguments.seed;
        options.settings.keep = Keep::Last;
        options.split = [0.9, 0.0, 0.1];
        let prepared = prepare(request)?;
        let phase = prepared.report.phases.first();
        let (trained, total) = phase.map_or((0, 1), |phase| (phase.trainable(), phase.total()));
        let outcome = prepared.train(None, &mut Silent)?;
        let seconds: f64 = outcome.rows.iter().map(|row| row.seconds).sum();
        if let Some(test) = outcome.test {
            let [low, high] = test.interval;
            println!(
                "{name}: {trained} of {total} parameters trained ({:.2} %) in {seconds:.0} s; {:.3} of {} test messages \
                 right, 95 % interval {low:.3} to {high:.3}",
                100.0 * trained as f64 / total as f64,
                test.accuracy,
                test.n
            );
        }
    }
    Ok(())
}
