//! `tl compare`: finished runs side by side.

use std::path::PathBuf;

use clap::Args;
use tl::runs::{SideBySide, runs_in};

use crate::failure::Failure;
use crate::finetune::words;
use crate::output;

/// Show finished runs side by side: what was tuned how, how good it is, and which is the best by the validation part
///
/// Runs that differ in the seed alone have their mean and sample deviation beneath them. Runs that were measured on different
/// validation or test parts have different letters: their figures say nothing about each other. The test part marks none as the best:
/// what it chose it could not measure any more. Of an adaptation the validation figure is the score that chose, without target labels.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl compare runs/1 runs/2 runs/3            a table
  tl compare runs/                           all finished runs in it
  tl compare runs/4                          where runs/4 holds a run for each seed, or the links of a chain
  tl compare runs/1 runs/2 --out compared    also compared/report.html, with the course of validation
  tl compare runs/ --json                    all figures as one object")]
pub struct Compare {
    /// Folders of runs, or folders that hold some: of several seeds, of a chain, runs/
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,

    /// Also write report.html into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print one object of JSON to standard output
    #[arg(long)]
    pub json: bool,
}

pub fn run(verb: &Compare) -> Result<(), Failure> {
    let found = runs_in(&verb.runs)?;
    output::notes(&found.notes);
    let compared = SideBySide::of(found.runs);
    let page = match &verb.out {
        Some(out) => Some(compared.write_page(out, &output::command_line(&words()))?),
        None => None,
    };
    if verb.json {
        return output::object(&compared);
    }
    let mut text = output::table(&SideBySide::columns(), &compared.rows());
    for line in compared.sentences() {
        text += &format!("{line}\n");
    }
    if let Some(page) = page {
        text += &format!("report: {}\n", page.display());
    }
    output::print(&text)
}
