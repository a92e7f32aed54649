//! `tl predict`: what a run answers for images or texts.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use tl::burn::tensor::Device;
use tl::data::text::{Columns, Sentence, Tagged, TextItem, Texts, words};
use tl::data::{DataError, Images, Item, Skipped};
use tl::entities::{Entity, TextEntities, entities};
use tl::numbers::{NumberPrediction, number_predictions};
use tl::predict::{Prediction, predictions_at};
use tl::record::Preprocessing;
use tl::several::{SeveralPrediction, several_predictions};
use tl::{Examples, Run, TextOptions};

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// Label images or texts: the most probable class of each and its probability, or the number of each text
///
/// A run on texts takes files with a text on each line, or tables like the one that it was fitted on; their lines
/// are named by their numbers.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl predict runs/1 new.jpg
  tl predict runs/1 holidays/ garden.png --json
  tl predict runs/1 new.jpg --calibrated    as sure as it is right, by its validation part
  tl predict runs/2 lines.txt

--json prints {\"predictions\": [{\"file\", \"label\", \"probability\", \"probabilities\", \"logits\"}], \"labels\", \"skipped\"};
probabilities and logits stand in the order of the labels. Of a run on words with tags it prints the entities of each line:
{\"predictions\": [{\"file\", \"text\", \"entities\": [{\"label\", \"start\", \"end\", \"text\", \"probability\"}]}], \"labels\"}; start and end
count characters. Of a run that answers with numbers it prints {\"predictions\": [{\"file\", \"number\"}], \"labels\"}, with what the
number is called for a label. Of a run with several labels it prints {\"predictions\": [{\"file\", \"labels\", \"probabilities\",
\"logits\"}], \"labels\", \"skipped\"}, with the labels above 0.5.")]
pub struct Predict {
    /// The folder of a finished run, or of adapters in PEFT's format (adapter:FOLDER,base=SRC on another base)
    pub run: PathBuf,

    /// Images, folders or tables of images; files of texts
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Make an image that cannot be read an error instead of skipping it
    #[arg(long)]
    pub strict: bool,

    /// Give probabilities at the temperature that the run fitted on its validation part; no label changes
    #[arg(long)]
    pub calibrated: bool,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints of a run on words with tags.
#[derive(Serialize)]
struct EntityAnswer<'a> {
    predictions: &'a [TextEntities],
    labels: &'a [String],
}

/// What `--json` prints of a run of numbers.
#[derive(Serialize)]
struct NumberAnswer<'a> {
    predictions: &'a [NumberPrediction],
    labels: &'a [String],
}

/// What `--json` prints of a run of several labels.
#[derive(Serialize)]
struct SeveralAnswer<'a> {
    predictions: &'a [SeveralPrediction],
    labels: &'a [String],
    skipped: &'a [Skipped],
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
    let temperature = if verb.calibrated { run.record.temperature()? } else { 1.0 };
    if let Preprocessing::Texts(TextOptions { tokens: true, .. }) = &run.record.preprocess {
        return find_entities(verb, &run, &device);
    }
    let examples: Examples = match &run.record.preprocess {
        Preprocessing::Images(_) => gather(&verb.files, &run.record.options.text.columns)?.into(),
        Preprocessing::Texts(options) => gather_texts(&verb.files, &options.columns)?.into(),
    };
    let data = run.dataset(&examples, verb.machine.threads(), verb.strict)?;
    output::notes(&data.notes());
    let count = data.items().count();
    let items: Vec<usize> = (0..count).collect();
    let found = run.predict(&*data, &items, &device, &mut verb.machine.display())?;
    if data.numbers().is_some() {
        return tell_numbers(&number_predictions(&found, data.items()), &run, verb.machine.json);
    }
    let skipped = data.skipped();
    if run.record.several.is_some() && (!found.items.is_empty() || skipped.is_empty()) {
        let answers = several_predictions(&found, data.items(), &run.record.labels);
        return tell_several(&answers, &run, &skipped, verb.machine.json);
    }
    let answers = predictions_at(&found, data.items(), &run.record.labels, temperature);
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

/// A line for each image: its labels above 0.5, the most probable first.
fn tell_several(
    answers: &[SeveralPrediction],
    run: &Run,
    skipped: &[Skipped],
    json: bool,
) -> Result<(), Failure> {
    let labels = &run.record.labels;
    if json {
        return output::object(&SeveralAnswer { predictions: answers, labels, skipped });
    }
    if !skipped.is_empty() {
        output::tell(output::skipped(skipped).trim_end());
    }
    let wide = answers.iter().map(|answer| answer.file.chars().count()).max().unwrap_or(0);
    let line = |answer: &SeveralPrediction| {
        let found = answer.found(labels);
        let found: Vec<String> =
            found.iter().map(|(label, share)| format!("{label} {:.1} %", 100.0 * share)).collect();
        let found = if found.is_empty() { "–".to_string() } else { found.join(", ") };
        format!("{:wide$}  {found}\n", answer.file)
    };
    output::print(&answers.iter().map(line).collect::<String>())
}

/// A line for each text.
fn tell_numbers(answers: &[NumberPrediction], run: &Run, json: bool) -> Result<(), Failure> {
    if json {
        let labels = &run.record.labels;
        return output::object(&NumberAnswer { predictions: answers, labels });
    }
    let wide = answers.iter().map(|answer| answer.file.chars().count()).max().unwrap_or(0);
    let line = |answer: &NumberPrediction| format!("{:wide$}  {}\n", answer.file, answer.number);
    output::print(&answers.iter().map(line).collect::<String>())
}

/// The entities in the lines of all files.
fn find_entities(verb: &Predict, run: &Run, device: &Device) -> Result<(), Failure> {
    let mut lines = Tagged::default();
    for path in &verb.files {
        let found = Texts::open(path, &Columns::default(), false)?;
        lines.items.extend(found.items.into_iter().map(|it| {
            let name = match verb.files.len() {
                1 => it.name,
                _ => format!("{}:{}", path.display(), it.name),
            };
            let words = words(&it.text);
            Sentence { name, text: it.text, words, tags: Vec::new(), part: None }
        }));
    }
    let examples: Examples = lines.into();
    let data = run.dataset(&examples, verb.machine.threads(), verb.strict)?;
    output::notes(&data.notes());
    let items: Vec<usize> = (0..data.items().count()).collect();
    let found = run.predict(&*data, &items, device, &mut verb.machine.display())?;
    let (Some(answers), Examples::Tagged(tagged)) = (data.answers(), &examples) else {
        return Err(Failure::input(
            "the run does not answer for words; fit one with --task tokens",
        ));
    };
    let texts = entities(&found, tagged, answers, &run.record.labels);
    if verb.machine.json {
        let labels = &run.record.labels;
        return output::object(&EntityAnswer { predictions: &texts, labels });
    }
    let line = |text: &TextEntities, it: &Entity| {
        let (name, place) = (&text.file, format!("{}–{}", it.start, it.end));
        format!("{name}  {place:>9}  {:5.1} %  {}  {}\n", 100.0 * it.probability, it.label, it.text)
    };
    let lines = texts.iter().flat_map(|text| text.entities.iter().map(move |it| line(text, it)));
    output::print(&lines.collect::<String>())
}

/// The texts of all files; where there are several, each text's name begins with its file's.
fn gather_texts(paths: &[PathBuf], columns: &Columns) -> Result<Texts, DataError> {
    let mut all = Texts::default();
    for path in paths {
        let found = Texts::open(path, columns, false)?;
        all.items.extend(found.items.into_iter().map(|item| {
            let name = match paths.len() {
                1 => item.name,
                _ => format!("{}:{}", path.display(), item.name),
            };
            TextItem { name, label: None, ..item }
        }));
    }
    Ok(all)
}

/// The images of a table, each under a name that leads to it.
fn of_table(path: &Path, columns: &Columns) -> Result<Vec<Item>, DataError> {
    // Of images that are to be labelled no column of labels or groups is needed.
    let columns = Columns { group: None, separator: None, labels: Vec::new(), ..columns.clone() };
    let mut found = Images::from_table(path, &columns, false)?.items;
    let folder = path.parent().unwrap_or(Path::new(""));
    for item in &mut found {
        item.name = folder.join(&item.name).to_string_lossy().into_owned();
        item.label = None;
    }
    Ok(found)
}

/// The images of all files and folders, each under a name that leads to it.
fn gather(paths: &[PathBuf], columns: &Columns) -> Result<Images, DataError> {
    let mut items: Vec<Item> = Vec::new();
    for path in paths {
        if Images::is_table(path) {
            items.extend(of_table(path, columns)?);
            continue;
        }
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
