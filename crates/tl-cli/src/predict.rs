//! `tl predict`: what a run answers for images.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use tl::Run;
use tl::data::{DataError, Images, Item, Skipped};
use tl::predict::{Prediction, predictions};

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;
use crate::progress::Display;

/// Label images: the most probable class of each and its probability
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl predict runs/1 new.jpg
  tl predict runs/1 holidays/ garden.png --json

--json prints {\"predictions\": [{\"file\", \"label\", \"probability\", \"probabilities\", \"logits\"}], \"labels\", \"skipped\"};
probabilities and logits stand in the order of the labels.")]
pub struct Predict {
    /// The folder of a finished run
    pub run: PathBuf,

    /// Images, or folders of images
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long)]
    pub strict: bool,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    predictions: &'a [Prediction],
    labels: &'a [String],
    skipped: &'a [Skipped],
}

pub fn run(verb: &Predict) -> Result<(), Failure> {
    let device = verb.machine.start()?;
    let run = Run::open(&verb.run, &device)?;
    let images = gather(&verb.files)?;
    let count = images.len();
    let loader = run.loader(images, verb.machine.threads(), verb.strict)?;
    let items: Vec<usize> = (0..count).collect();
    let found = run.predict(&loader, &items, &device, &mut Display::new())?;
    let answers = predictions(&found, loader.images(), &run.record.labels);
    let skipped = loader.skipped();
    if let (true, Some(first)) = (answers.is_empty(), skipped.first()) {
        return Err(Failure::input(format!(
            "none of the images could be read, {count} in all; the first is {}: {}",
            first.name, first.reason
        )));
    }
    if verb.machine.json {
        let labels = &run.record.labels;
        return output::object(&Answer { predictions: &answers, labels, skipped: &skipped });
    }
    if !skipped.is_empty() {
        output::tell(output::skipped(&skipped).trim_end());
    }
    let name = |answer: &Prediction| answer.file.chars().count();
    let label = |answer: &Prediction| answer.label.chars().count();
    let wide = answers.iter().map(name).max().unwrap_or(0);
    let narrow = answers.iter().map(label).max().unwrap_or(0);
    let lines = answers.iter().map(|answer| {
        let Prediction { file, label, probability, .. } = answer;
        format!("{file:wide$}  {label:narrow$}  {:5.1} %\n", 100.0 * probability)
    });
    output::print(&lines.collect::<String>())
}

/// The images of all files and folders, each under a name that leads to it.
fn gather(paths: &[PathBuf]) -> Result<Images, DataError> {
    let mut items: Vec<Item> = Vec::new();
    for path in paths {
        if !path.is_dir() {
            items.extend(Images::from_files(std::slice::from_ref(path))?.items);
            continue;
        }
        let folder = path.to_string_lossy();
        let folder = folder.trim_end_matches(['/', std::path::MAIN_SEPARATOR]);
        let mut found = Images::open(path)?.items;
        for item in &mut found {
            item.name = format!("{folder}/{}", item.name);
            item.label = None;
        }
        items.append(&mut found);
    }
    Ok(Images { classes: Vec::new(), items, notes: Vec::new() })
}
