//! `tl export`: a run's network in a file of another library.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use tl::export::export_run;
use tl::models::Library;

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// Write the network of a run, its new head included, under the names of another library
///
/// The statistics of norms are written too, and the file is read again: it is equal bit for bit. A line says how it is opened
/// there. torchvision and timm load it strictly; burn's file has the names of torchvision's modules and the parameters of
/// Burn's own layers.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl export runs/1 --to torchvision                 runs/1/export-torchvision.safetensors
  tl export runs/1 --to timm --out photos.safetensors
  tl export runs/1 --to burn --out photos.bpk
  tl export runs/1 --to timm --json")]
pub struct Export {
    /// The folder of a finished run on images
    pub run: PathBuf,

    /// Whose names the file has
    #[arg(long, value_enum, value_name = "LIBRARY")]
    pub to: To,

    /// The file to write, else export-LIBRARY in the run's folder
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    #[command(flatten)]
    pub machine: Machine,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum To {
    Torchvision,
    Timm,
    Burn,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    file: &'a str,
    bytes: u64,
    open: &'a str,
}

pub fn run(verb: &Export) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    let library = match verb.to {
        To::Torchvision => Library::Torchvision,
        To::Timm => Library::Timm,
        To::Burn => Library::Burn,
    };
    let written = export_run(&verb.run, library, verb.out.as_deref(), &device)?;
    let bytes = std::fs::metadata(&written.file).map_or(0, |file| file.len());
    let file = written.file.to_string_lossy();
    if verb.machine.json {
        return output::object(&Answer { file: &file, bytes, open: &written.open });
    }
    output::print(&format!("{file}: {:.1} MB\n{}\n", bytes as f64 / 1e6, written.open))
}
