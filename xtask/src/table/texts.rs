//! The table of networks of texts: sentiment, topics and entities, in several ways.

mod page;
mod plan;
mod spam;

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Table;
use super::cell::Entry;
use super::runner::{Places, noted};
use crate::assets::{chosen, fetched, put_text_encoder};
use crate::shell::{During, Failure, Outcome, cache, target};
use plan::{TASKS, Task, Way};

/// The large files of a run.
const LARGE: [&str; 2] = ["model.safetensors", "checkpoint.safetensors"];

/// How far a figure may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.05;

/// One way at one task with so many training texts of each class (0 for all) and one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    task: String,
    way: String,
    shots: usize,
    seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}:{}", self.task, self.way, self.shots, self.seed)
    }
}

/// What was recorded for a cell, all on the test part.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// Accuracy; of tagged words the F1 of entities.
    value: f64,
    /// Of a probing: logistic regression on the words, without a network.
    #[serde(default)]
    words: Option<f64>,
    /// Of a fitting.
    #[serde(default)]
    trained_parameters: Option<u64>,
    n: u64,
    seconds: f64,
}

impl Entry for Record {
    type Cell = Cell;

    fn cell(&self) -> &Cell {
        &self.cell
    }

    fn accuracy(&self) -> f64 {
        self.value
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }

    /// What follows from a pre-training on the texts needs it first.
    fn stands_alone(&self) -> bool {
        found(&self.cell).is_ok_and(|(_, way)| !way.words.contains(plan::CONTINUED))
    }
}

/// The table of networks of texts.
pub struct Texts;

impl Table for Texts {
    const NAME: &'static str = "texts";
    const CHEAP_SECONDS: f64 = 60.0;
    type Cell = Cell;
    type Record = Record;

    /// Seed by seed, so that the table grows evenly.
    fn cells() -> Vec<Cell> {
        let most = TASKS.iter().map(|task| task.seeds).max().unwrap_or(0);
        let mut cells = Vec::new();
        for seed in 0..most {
            for task in TASKS.iter().filter(|task| seed < task.seeds) {
                for &shots in task.shots {
                    cells.extend(task.ways.iter().map(|way| Cell {
                        task: task.name.to_string(),
                        way: way.name.to_string(),
                        shots,
                        seed,
                    }));
                }
            }
        }
        cells
    }

    fn compute(cells: &[Cell]) -> Outcome<Vec<Value>> {
        cells.iter().map(compute).collect()
    }

    fn tolerance(_: &Cell) -> f64 {
        TOLERANCE
    }

    fn page(records: &[Record], peers: &[Record]) -> String {
        page::page(records, peers)
    }
}

fn found(cell: &Cell) -> Outcome<(&'static Task, &'static Way)> {
    let task = TASKS.iter().find(|task| task.name == cell.task);
    let way = task.and_then(|task| task.ways.iter().find(|way| way.name == cell.way));
    let missing = || Failure::new(format!("no cell {cell}"));
    Ok((task.ok_or_else(missing)?, way.ok_or_else(missing)?))
}

/// Runs the program for one cell.
fn compute(cell: &Cell) -> Outcome<Value> {
    let (task, way) = found(cell)?;
    let folder = target().join("table").join("texts");
    std::fs::create_dir_all(&folder).during("cannot make a folder")?;
    put_text_encoder(&folder.join("MiniLM"))?;
    let cache = cache()?;
    for asset in chosen(&[task.asset.to_string()])? {
        let file = fetched(&asset, &cache)?;
        if let Some(made) = task.made {
            spam::put(&file, &folder.join(made))?;
        }
    }
    let places = Places::default().with("$TL_CACHE", &cache).with("$TABLE", &folder);
    let started = Instant::now();
    let mut commands = Vec::new();
    for before in way.before {
        if !folder.join(before.makes).join("model.safetensors").exists() {
            let words = format!("{} --out $TABLE/{} --resume", before.words, before.makes);
            commands.push(places.run(&words, &[])?.1);
        }
    }
    let mut words = format!("{} {} --seed {}", way.words, task.words, cell.seed);
    let place = match task.made {
        Some(made) => format!("$TABLE/{made}"),
        None => format!("$TL_CACHE/{}", task.asset),
    };
    words = words.replacen("DATA", &format!("{}{place}", task.prefix), 1);
    if cell.shots > 0 {
        words += &format!(" --shots {}", cell.shots);
    }
    let out = folder.join(cell.to_string().replace(':', "-"));
    let _ = std::fs::remove_dir_all(&out);
    let fits = words.starts_with("finetune");
    let place = out.to_string_lossy();
    let more: &[&str] = if fits { &["--out", &place] } else { &[] };
    let outcome = places.run(&words, more);
    // What is small stays: the same recipe can be run elsewhere on the same split.
    for name in LARGE {
        let _ = std::fs::remove_file(out.join(name));
    }
    let (answer, command) = outcome?;
    commands.push(command);
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_string(), value);
    if fits {
        let test = &answer["test"];
        let entities = &test["entities"]["micro"]["f1"];
        put("value", if entities.is_null() { &test["accuracy"] } else { entities }.clone());
        put("n", test["n"].clone());
        put("trained_parameters", answer["trained_parameters"].clone());
    } else {
        put("value", answer["linear"].clone());
        put("words", answer["words"].clone());
        put("n", answer["n"].clone());
    }
    noted(cell, fields, ("commands", json!(commands)), started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_its_own_name_and_a_way() {
        let cells = Texts::cells();
        let mut names: Vec<String> = cells.iter().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cells.len());
        for cell in &cells {
            let (task, way) = found(cell).unwrap();
            assert!(way.words.contains("DATA"), "{cell}");
            assert!(chosen(&[task.asset.to_string()]).is_ok(), "{cell}");
        }
    }
}
