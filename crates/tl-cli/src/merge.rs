//! `tl merge`: a base and its adapters in one weights file.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// Write the weights of a run in one file, its adapters merged into them; or those of adapters that others made
///
/// The file has the names of the network's origin, which opens it without any adapter. Where the run's
/// model.safetensors was removed, the weights that it began with are loaded anew. Of a folder in PEFT's format the base is
/// what its adapter_config.json names. Bottlenecks and prompts are no change of weights and are refused.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl merge runs/1 --out whole.safetensors
  tl merge adapters/ --out whole.safetensors                      adapter_config.json names the base
  tl merge adapter:adapters/,base=gpt2/ --out whole.safetensors   this is the base
  tl merge runs/1 --out whole.safetensors --json")]
pub struct Merge {
    /// The folder of a finished run, or of adapters in PEFT's format
    pub run: PathBuf,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    run: &'a str,
    file: &'a str,
    bytes: u64,
}

pub fn run(verb: &Merge) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    tl::foreign::merge_into(&verb.run, &verb.out, &device)?;
    let bytes = std::fs::metadata(&verb.out).map_or(0, |file| file.len());
    let (run, file) = (verb.run.to_string_lossy(), verb.out.to_string_lossy());
    if verb.machine.json {
        return output::object(&Answer { run: &run, file: &file, bytes });
    }
    output::print(&format!("{file}: {:.1} MB", bytes as f64 / 1e6))
}
