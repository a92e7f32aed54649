//! `tl generate`: a language model goes on with a text.

use std::time::Instant;

use clap::Args;
use serde::Serialize;
use tl::language::Written;
use tl::{Sampling, Writer};

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// Go on with a text: a fitted or published gpt2 says what comes next
///
/// Without --temperature the likeliest piece is taken each time. The text ends after --max-tokens pieces, at the piece
/// that ends a text, or where the network has no more positions.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl generate runs/1 --prompt \"It was a dark\"
  tl generate gpt2/ --prompt \"It was a dark\" --temperature 0.8 --top-p 0.9 --seed 3
  tl generate hub:openai-community/gpt2/model.safetensors --prompt \"It was a dark\" --max-tokens 100")]
pub struct Generate {
    /// The folder of a run, or one with config.json, tokenizer.json and weights, or of adapters in PEFT's format, or
    /// hub:owner/repo/file
    pub source: String,

    /// The text to go on with; an empty one begins anew
    #[arg(long, value_name = "TEXT")]
    pub prompt: String,

    /// The most pieces that are added
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 50)]
    pub max_tokens: usize,

    /// What logits are divided by before one is drawn; 0 takes the likeliest
    #[arg(long, value_name = "T", allow_negative_numbers = true, default_value_t = 0.0)]
    pub temperature: f64,

    /// Draw from the fewest likeliest pieces that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true, default_value_t = 1.0)]
    pub top_p: f64,

    /// What is drawn follows from this number
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,

    /// Compute the whole text anew for each piece, for comparison
    #[arg(long, help_heading = "Machine")]
    pub no_cache: bool,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    prompt: &'a str,
    #[serde(flatten)]
    written: &'a Written,
    seed: u64,
    seconds: f64,
}

pub fn run(verb: &Generate) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    let sampling = Sampling { temperature: verb.temperature, top_p: verb.top_p, seed: verb.seed };
    sampling.validate()?;
    let writer = Writer::open(&verb.source, &device)?;
    let started = Instant::now();
    let written = writer.write(&verb.prompt, verb.max_tokens, sampling, !verb.no_cache)?;
    let seconds = started.elapsed().as_secs_f64();
    if verb.machine.json {
        let (prompt, seed) = (verb.prompt.as_str(), verb.seed);
        return output::object(&Answer { prompt, written: &written, seed, seconds });
    }
    output::print(&format!("{}{}\n", verb.prompt, written.continuation))
}
