//! `tl inspect`: what a weights file holds.

use std::path::PathBuf;

use clap::Args;
use tl::models::weights::inspect;

use crate::failure::Failure;
use crate::output;

/// Show what a weights file holds: names, shapes, which network it looks like, whether it was trained
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl inspect resnet50.pth
  tl inspect model.safetensors --json
  tl inspect runs/1                  the model of a run")]
pub struct Inspect {
    /// A safetensors, PyTorch, burnpack, ONNX or npz file, or the folder of a run; nothing in it is ever executed
    pub file: PathBuf,

    /// Print one object of JSON to standard output
    #[arg(long)]
    pub json: bool,
}

pub fn run(verb: &Inspect) -> Result<(), Failure> {
    let found = inspect(&verb.file)?;
    if verb.json { output::object(&found) } else { output::print(&found.to_string()) }
}
