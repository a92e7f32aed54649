//! `tl models`: the networks, what each costs, and where its weights are from.

use clap::Args;
use serde::Serialize;
use tl::models::weights::KnownWeights;
use tl::registry::{ModelDetail, ModelEntry, ModelInput, describe, matching, measure};

use crate::failure::Failure;
use crate::flags::Machine;
use crate::output;

/// List the networks: parameters, multiply-adds, and the published weights that fit them
///
/// Parameters and multiply-adds are counted by the shapes of the network's own layers, at the input that its weights expect
/// (224 pixels as a rule; of a text 128 pieces), with the head of the known weights where they have one. A WORD chooses networks
/// by a part of their name, of what they work on (images, texts), or of their weights' origin, file or licence; the whole name of
/// a network shows its stages, and with --json also every tensor that is read from a weights file.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tl models                            all of them
  tl models resnet                     those whose name holds it
  tl models resnet50                   one in detail: stages, names, weights
  tl models texts
  tl models resnet18 mobilenet_v2 --measure     images per second on this machine, frozen
  tl models --json")]
pub struct Models {
    /// The name of a network, or a part of what is said of some
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,

    /// Time each network, frozen, on this machine: random weights, a batch to set up and then some 2 seconds
    #[arg(long)]
    pub measure: bool,

    /// Images or texts in a batch that is timed
    #[arg(long, value_name = "N", default_value_t = 16, requires = "measure", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch_size: u16,

    #[command(flatten)]
    pub machine: Machine,
}

/// What `--json` prints of several.
#[derive(Serialize)]
struct All<'a> {
    models: Vec<&'a ModelEntry>,
}

pub fn run(verb: &Models) -> Result<(), Failure> {
    let whole = match verb.words.as_slice() {
        [word] if tl::networks().contains(&word.as_str()) => Some(word),
        _ => None,
    };
    let names = match whole {
        Some(word) => vec![word.as_str()],
        None => matching(&verb.words)?,
    };
    let device = verb.machine.start()?;
    let mut progress = verb.machine.display();
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let mut detail = describe(name, &device)?;
        if verb.measure {
            let batch = usize::from(verb.batch_size);
            detail.entry.pace = Some(measure(name, batch, &device, &mut progress)?);
        }
        found.push(detail);
    }
    match (whole, found.as_slice(), verb.machine.json) {
        (Some(_), [one], true) => output::object(one),
        (Some(_), [one], false) => output::print(&in_detail(one)),
        (_, all, json) => {
            let entries: Vec<&ModelEntry> = all.iter().map(|detail| &detail.entry).collect();
            match json {
                true => output::object(&All { models: entries }),
                false => output::print(&listed(&entries, verb.measure)),
            }
        }
    }
}

/// A row for each network and each of its weights.
fn listed(entries: &[&ModelEntry], measured: bool) -> String {
    let mut columns = vec!["network", "input#", "parameters#", "multiply-adds#"];
    if measured {
        columns.push("per second#");
    }
    columns.extend(WEIGHTS);
    let mut rows = Vec::new();
    for entry in entries {
        let mut first = vec![
            entry.name.to_string(),
            match entry.input {
                ModelInput::Images { size, .. } => format!("{size} px"),
                ModelInput::Texts { pieces, .. } => format!("{pieces} pieces"),
            },
            output::thousands(entry.parameters),
            amount(entry.multiply_adds),
        ];
        if measured {
            first.push(pace(entry));
        }
        let width = first.len();
        let mut begin = Some(first);
        let mut push = |known: Vec<String>| {
            let begin = begin.take().unwrap_or_else(|| vec![String::new(); width]);
            rows.push([begin, known].concat());
        };
        entry.weights.iter().for_each(|known| push(weights(known)));
        if entry.weights.is_empty() {
            push(["–", "", "", ""].map(String::from).to_vec());
        }
    }
    output::table(&columns, &rows)
}

const WEIGHTS: [&str; 4] = ["weights", "from", "licence", "MB#"];

fn weights(known: &KnownWeights) -> Vec<String> {
    let size = known.megabytes.map_or("–".to_string(), |size| format!("{size:.1}"));
    [known.file, known.origin, known.licence].map(String::from).into_iter().chain([size]).collect()
}

fn pace(entry: &ModelEntry) -> String {
    entry.pace.map_or(String::new(), |pace| format!("{:.1}", pace.per_second))
}

/// `1.81 G`, or `12.3 M` of what is small.
fn amount(number: u64) -> String {
    match number as f64 {
        number if number >= 1e8 => format!("{:.2} G", number / 1e9),
        number => format!("{:.1} M", number / 1e6),
    }
}

fn in_detail(detail: &ModelDetail) -> String {
    let entry = &detail.entry;
    let mut text = format!("{}: ", entry.name);
    text += &match &entry.input {
        ModelInput::Images { size, smallest, mean, std, .. } => format!(
            "images of {size}×{size} pixels, from {smallest}; mean {}, deviation {}\n",
            listing(mean),
            listing(std)
        ),
        ModelInput::Texts { vocabulary, longest, pieces } => format!(
            "texts of up to {} pieces out of {}; counted for {pieces}\n",
            output::thousands(*longest as u64),
            output::thousands(*vocabulary as u64)
        ),
    };
    text += &format!(
        "{} parameters, {} multiply-adds",
        output::thousands(entry.parameters),
        amount(entry.multiply_adds)
    );
    text += &match entry.classes {
        0 => ", without a head\n\n".to_string(),
        classes => {
            format!(", with a head of {} classes\n\n", output::thousands(classes as u64))
        }
    };
    let stage = |stage: &tl::registry::ModelStage| {
        let output: Vec<String> = stage.output.iter().map(usize::to_string).collect();
        vec![
            stage.name.clone(),
            output::thousands(stage.parameters),
            amount(stage.multiply_adds),
            output.join("×"),
            stage.names.len().to_string(),
            stage.names.first().map_or(String::new(), |(name, _)| name.clone()),
        ]
    };
    let rows: Vec<Vec<String>> = detail.stages.iter().map(stage).collect();
    let columns = ["stage", "parameters#", "multiply-adds#", "output#", "tensors#", "first name"];
    text += &output::table(&columns, &rows);
    if let Some(pace) = entry.pace {
        text += &format!(
            "\n{:.1} {} per second, frozen, {} batches of {}\n",
            pace.per_second,
            entry.input.noun(),
            pace.batches,
            pace.batch_size
        );
    }
    if !entry.weights.is_empty() {
        let row = |known: &KnownWeights| {
            let prepared = known.images.map_or(String::new(), |it| {
                let filter = if it.bicubic { "bicubic" } else { "bilinear" };
                format!("{} px, middle {} px, {filter}", it.resize, it.crop)
            });
            [vec![known.name.to_string()], weights(known), vec![prepared]].concat()
        };
        let rows: Vec<Vec<String>> = entry.weights.iter().map(row).collect();
        let columns = ["name", "weights", "from", "licence", "MB#", "evaluated at"];
        text += &format!("\n{}", output::table(&columns, &rows));
    }
    text
}

fn listing(values: &[f32]) -> String {
    values.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
}
