//! The table of `tl demo --full`.

mod agreement;
mod choice;
mod reach;

mod record;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use super::cell::mean_and_deviation;
use super::runner::{Places, noted};
use crate::shell::{Failure, Outcome};
use record::{Cell, Record};

const SHOTS: [usize; 3] = [5, 20, 100];
const SEEDS: u64 = 3;
const SCRATCH: &str = "scratch";

/// Names in cells, and in words.
const METHODS: [(&str, &str); 7] = [
    ("raw", "raw pixels, logistic regression"),
    (SCRATCH, "the same network from scratch"),
    ("probe", "probe: frozen features, logistic regression"),
    ("finetune", "fine-tuning, every stage"),
    ("layer_decay", "fine-tuning + layer-wise decay"),
    ("gradual", "fine-tuning + gradual unfreezing"),
    ("all", "fine-tuning + both"),
];

const PEERS: [(&str, &str); 5] = [
    ("raw", "PyTorch: raw pixels, scikit-learn"),
    (SCRATCH, "PyTorch: the same network from scratch"),
    ("features", "PyTorch: frozen features, scikit-learn"),
    ("finetune_frozen_statistics", "PyTorch: fine-tuning, norm statistics frozen"),
    ("finetune", "PyTorch: fine-tuning, norm statistics moving"),
];

/// What fine-tuning brings over simpler ways.
pub struct Demo;

impl Table for Demo {
    const NAME: &'static str = "demo";
    const CHEAP_SECONDS: f64 = 60.0;
    type Cell = Cell;
    type Record = Record;

    /// The cheap ones first.
    fn cells() -> Vec<Cell> {
        let mut cells = Vec::new();
        for shots in SHOTS {
            for seed in 0..SEEDS {
                cells.extend(METHODS.map(|(method, _)| Cell {
                    method: method.to_string(),
                    shots,
                    seed,
                }));
            }
        }
        cells
    }

    fn compute(cells: &[Cell]) -> Outcome<Vec<Value>> {
        cells.iter().map(compute).collect()
    }

    /// A convex problem gives the same answers but for a few images; training by gradients takes another path.
    fn tolerance(cell: &Cell) -> f64 {
        match cell.method.as_str() {
            "raw" | "probe" => 0.005,
            _ => 0.04,
        }
    }

    fn page(records: &[Record], peers: &[Record]) -> String {
        page(records, peers)
    }
}

fn compute(cell: &Cell) -> Outcome<Value> {
    let (value, command) = Places::default().run(&format!("demo --full --cell {cell}"), &[])?;
    // A table of one cell may wrap it.
    let value = match value.get("cells").and_then(Value::as_array).map(Vec::as_slice) {
        Some([one]) => one.clone(),
        _ => value,
    };
    let Value::Object(fields) = value else {
        return Err(Failure::new(format!("`{command}` printed no object")));
    };
    let seconds = fields.get("seconds").and_then(Value::as_f64).unwrap_or(0.0);
    noted(&json!({}), fields, ("command", json!(command)), seconds)
}

/// The page in Markdown.
fn page(records: &[Record], peers: &[Record]) -> String {
    let mut text = made(records) + &accuracies(records, peers);
    if !records.is_empty() {
        text += &choice::section(records);
        text += &seconds_of_fitting(records);
        text += &reach::section(records);
        text += &agreement::section(records, peers);
    }
    text
}

/// By which command, on what, and how much of it is there.
fn made(records: &[Record]) -> String {
    let minutes = records.iter().map(|record| record.seconds).sum::<f64>() / 60.0;
    let cores: BTreeSet<u64> = records.iter().filter_map(|record| record.cores).collect();
    let cores: Vec<String> = cores.iter().map(u64::to_string).collect();
    let mut text = "Made by `cargo xtask table demo`".to_string();
    if !cores.is_empty() {
        text += &format!(
            ". Times are on {} cores; fitting took {minutes:.0} minutes in all",
            cores.join(" or ")
        );
    }
    let missing = Demo::cells().iter().filter(|cell| find(records, cell).is_none()).count();
    if missing > 0 {
        text += &format!(". {missing} of {} cells are not computed yet", Demo::cells().len());
    }
    text + ".\n\n"
}

fn accuracies(records: &[Record], peers: &[Record]) -> String {
    let mut text = format!(
        "## Accuracy\n\nOn the 1,000 test images: mean ± sample deviation over {SEEDS} seeds; here and below, a number \
         of seeds in brackets where fewer are computed yet.\n\n"
    ) + &heading("method", &["trained parameters"]);
    for (method, title) in METHODS {
        let cells = each(|shots| {
            let values: Vec<f64> =
                of(records, method, shots).map(|record| record.accuracy).collect();
            summary(&values, accuracy)
        });
        text += &format!("| {title} |{cells} {} |\n", parameters(records, method));
    }
    text += &format!(
        "| **chosen on the validation part** |{} |\n",
        each(|shots| choice::accuracy_of(records, shots))
    );
    for (method, title) in PEERS {
        if peers.iter().any(|record| record.cell.method == method) {
            let cells = each(|shots| {
                let values: Vec<f64> =
                    of(peers, method, shots).map(|record| record.accuracy).collect();
                summary(&values, accuracy)
            });
            text += &format!("| {title} |{cells} |\n");
        }
    }
    text
}

fn seconds_of_fitting(records: &[Record]) -> String {
    let mut text = "\n## Seconds of fitting\n\nValidation included; mean ± sample deviation.\n\n"
        .to_string()
        + &heading("method", &[]);
    for (method, title) in METHODS {
        let cells = each(|shots| {
            let values: Vec<f64> =
                of(records, method, shots).map(|record| record.seconds).collect();
            summary(&values, seconds)
        });
        text += &format!("| {title} |{cells}\n");
    }
    text
}

/// The first two lines of a table with a column for each number of images per class.
fn heading(first: &str, further: &[&str]) -> String {
    let shots = SHOTS.map(|shots| format!("{shots} per class"));
    let columns: Vec<&str> = std::iter::once(first)
        .chain(shots.iter().map(String::as_str))
        .chain(further.iter().copied())
        .collect();
    format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len()))
}

/// What `cell` says for each number of images per class, as the rest of a row.
fn each(cell: impl Fn(usize) -> String) -> String {
    SHOTS.iter().map(|shots| format!(" {} |", cell(*shots))).collect()
}

/// Mean and deviation as `show` writes them, with the number of values where seeds are missing.
fn summary(values: &[f64], show: fn(f64, Option<f64>) -> String) -> String {
    match mean_and_deviation(values) {
        None => "–".to_string(),
        Some((mean, deviation)) => show(mean, deviation) + &brackets(values.len()),
    }
}

/// The number of seeds, where some are missing.
fn brackets(seeds: usize) -> String {
    if seeds == SEEDS as usize { String::new() } else { format!(" ({seeds})") }
}

fn find<'a>(records: &'a [Record], cell: &Cell) -> Option<&'a Record> {
    records.iter().find(|record| record.cell == *cell)
}

/// The record of a method, seed by seed; seeds that are missing are left out.
fn of<'a>(records: &'a [Record], method: &str, shots: usize) -> impl Iterator<Item = &'a Record> {
    (0..SEEDS)
        .filter_map(move |seed| find(records, &Cell { method: method.to_string(), shots, seed }))
}

fn accuracy(mean: f64, deviation: Option<f64>) -> String {
    match deviation {
        Some(deviation) => format!("{mean:.3} ± {deviation:.3}"),
        None => format!("{mean:.3}"),
    }
}

fn seconds(mean: f64, deviation: Option<f64>) -> String {
    let digits = match mean {
        ..1.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    match deviation {
        Some(deviation) => format!("{mean:.digits$} ± {deviation:.digits$}"),
        None => format!("{mean:.digits$}"),
    }
}

fn parameters(records: &[Record], method: &str) -> String {
    let most = records
        .iter()
        .filter(|record| record.cell.method == method)
        .filter_map(|record| record.trained_parameters)
        .max();
    most.map_or_else(|| "–".to_string(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probes() -> Vec<Record> {
        let accuracies = [0.6, 0.7, 0.8].iter().zip(0..);
        let records = accuracies.map(|(accuracy, seed)| Record {
            seconds: 20.0 + seed as f64,
            ..Record::example("probe", 5, seed, *accuracy)
        });
        records.collect()
    }

    fn row<'a>(section: &'a str, start: &str) -> &'a str {
        section.lines().find(|line| line.starts_with(start)).unwrap()
    }

    #[test]
    fn the_page_holds_mean_and_deviation_and_says_how_many_seeds() {
        let mut records = probes();
        let text = page(&records, &[]);
        let line = row(&text, "| probe");
        assert!(line.ends_with("| 0.700 ± 0.100 | – | – | 7 |"), "{line}");
        records.pop();
        let text = page(&records, &[]);
        let line = row(&text, "| probe");
        assert!(line.contains("| 0.650 ± 0.071 (2) |"), "{line}");
    }

    #[test]
    fn the_seconds_of_fitting_have_a_mean_and_a_deviation() {
        let text = seconds_of_fitting(&probes());
        assert!(row(&text, "| probe").ends_with("| 21.0 ± 1.0 | – | – |"), "{text}");
        assert_eq!(seconds(0.046, None), "0.05");
        assert_eq!(seconds(123.4, Some(1.2)), "123 ± 1");
    }

    #[test]
    fn the_head_of_the_page_names_command_cores_and_missing_cells() {
        let text = made(&probes());
        for part in ["`cargo xtask table demo`", "on 2 cores", " 1 minutes", "60 of 63 cells"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!made(&[]).contains("cores"));
    }

    #[test]
    fn every_row_of_a_table_has_as_many_columns_as_its_heading() {
        let mut columns = None;
        for line in page(&probes(), &probes()).lines() {
            let bars = line.matches('|').count();
            if bars == 0 {
                columns = None;
                continue;
            }
            let heading = *columns.get_or_insert(bars);
            assert_eq!(bars, heading, "{line}");
        }
    }
}
