//! Tables of several ways to a model: tasks, each with its ways, with few labels and many, over seeds.

mod page;
mod spam;
mod task;

use std::fmt;
use std::marker::PhantomData;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Table;
use super::cell::Entry;
use super::runner::{Places, noted};
use crate::assets::{chosen, fetched, put_text_encoder};
use crate::shell::{During, Failure, Outcome, cache, target};
pub use task::{Asked, Before, Data, Task, Way, Ways, way};
use task::{BEFORE, ENCODER};

/// The large files of a run.
const LARGE: [&str; 2] = ["model.safetensors", "checkpoint.safetensors"];

/// How far a figure may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.05;

/// One way at one task with so many training examples of each class (0 for all) and one seed.
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
    /// The accuracy on the validation part.
    #[serde(default)]
    validation: Option<f64>,
    #[serde(default)]
    commands: Vec<String>,
    /// The runs that were made first, by the cell that needed them first.
    #[serde(default)]
    made: Vec<Made>,
    n: u64,
    seconds: f64,
}

/// A run that others begin from, as it came out on the test part of its own data.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Made {
    name: String,
    value: f64,
    n: u64,
    seconds: f64,
}

impl Made {
    /// What was printed of a fitting; nothing of what measures no accuracy.
    fn of(name: &str, answer: &Value, seconds: f64) -> Option<Self> {
        let test = &answer["test"];
        let (value, n) = (test["accuracy"].as_f64()?, test["n"].as_u64()?);
        Some(Self { name: name.to_string(), value, n, seconds })
    }
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

    /// What begins from another run needs that first.
    fn stands_alone(&self) -> bool {
        !self.commands.iter().any(|command| command.contains(BEFORE))
    }
}

/// The table of these ways.
pub struct Of<W>(PhantomData<W>);

impl<W: Ways> Table for Of<W> {
    const NAME: &'static str = W::NAME;
    const CHEAP_SECONDS: f64 = 60.0;
    type Cell = Cell;
    type Record = Record;

    /// Seed by seed, so that the table grows evenly.
    fn cells() -> Vec<Cell> {
        let most = W::TASKS.iter().map(|task| task.seeds).max().unwrap_or(0);
        let mut cells = Vec::new();
        for seed in 0..most {
            for task in W::TASKS.iter().filter(|task| seed < task.seeds) {
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
        cells.iter().map(compute::<W>).collect()
    }

    fn tolerance(_: &Cell) -> f64 {
        TOLERANCE
    }

    fn page(records: &[Record], peers: &[Record]) -> String {
        page::page::<W>(records, peers)
    }
}

fn found<W: Ways>(cell: &Cell) -> Outcome<(&'static Task, &'static Way)> {
    let task = W::TASKS.iter().find(|task| task.name == cell.task);
    let way = task.and_then(|task| task.ways.iter().find(|way| way.name == cell.way));
    let missing = || Failure::new(format!("no cell {cell}"));
    Ok((task.ok_or_else(missing)?, way.ok_or_else(missing)?))
}

/// Runs the program for one cell.
fn compute<W: Ways>(cell: &Cell) -> Outcome<Value> {
    let (task, way) = found::<W>(cell)?;
    let folder = target().join("table").join(W::NAME);
    std::fs::create_dir_all(&folder).during("cannot make a folder")?;
    W::make(&folder)?;
    if way.words.contains(ENCODER) {
        put_text_encoder(&folder.join("MiniLM"))?;
    }
    let mut places = Places::default().with("$TABLE", &folder);
    if let Some(name) = task.data.asset() {
        let cache = cache()?;
        for asset in chosen(&[name.to_string()])? {
            let file = fetched(&asset, &cache)?;
            if let Data::Spam { .. } = task.data {
                spam::put(&file, &folder.join("spam.jsonl"))?;
            }
        }
        places = places.with("$TL_CACHE", &cache);
    }
    let started = Instant::now();
    let mut commands = Vec::new();
    let mut made = Vec::new();
    for before in way.before {
        if !folder.join("before").join(before.makes).join("model.safetensors").exists() {
            let began = Instant::now();
            let words = format!("{} --out {BEFORE}{} --resume", before.words, before.makes);
            let (answer, command) = places.run(&words, &[])?;
            made.extend(Made::of(before.makes, &answer, began.elapsed().as_secs_f64().round()));
            commands.push(command);
        }
    }
    let mut words = format!("{} {} --seed {}", way.words, task.words, cell.seed);
    words = words.replacen("DATA", &task.data.word(), 1);
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
        put("validation", answer["validation"]["accuracy"].clone());
        put("trained_parameters", answer["trained_parameters"].clone());
    } else {
        put("value", answer["linear"].clone());
        put("words", answer["words"].clone());
        put("n", answer["n"].clone());
    }
    if !made.is_empty() {
        put("made", json!(made));
    }
    noted(cell, fields, ("commands", json!(commands)), started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::careful::Careful;
    use super::super::specific::Specific;
    use super::super::texts::Texts;
    use super::*;
    use crate::shell::root;

    fn check<W: Ways>() {
        let cells = Of::<W>::cells();
        let mut names: Vec<String> = cells.iter().map(Cell::to_string).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cells.len());
        for cell in &cells {
            let (task, way) = found::<W>(cell).unwrap();
            assert!(way.words.contains("DATA"), "{cell}");
            let known = |asset: &str| chosen(&[asset.to_string()]).is_ok();
            assert!(task.data.asset().is_none_or(known), "{cell}");
            if let Data::Own(folder) = task.data {
                assert!(root().join(folder).is_dir(), "{cell}");
            }
            for before in way.before {
                assert!(way.words.contains(&format!("{BEFORE}{}", before.makes)), "{cell}");
            }
        }
    }

    #[test]
    fn every_cell_has_its_own_name_and_a_way() {
        check::<Texts>();
        check::<Careful>();
        check::<Specific>();
    }

    #[test]
    fn what_begins_from_another_run_does_not_stand_alone() {
        let record = |command: &str| -> Record {
            let line = json!({
                "task": "movie", "way": "all", "shots": 0, "seed": 0, "value": 0.5, "n": 9, "seconds": 1.0,
                "commands": [command]
            });
            serde_json::from_value(line).unwrap()
        };
        assert!(record("tl finetune x --weights $TABLE/MiniLM").stands_alone());
        assert!(!record("tl finetune x --weights $TABLE/before/movie").stands_alone());
    }
}
