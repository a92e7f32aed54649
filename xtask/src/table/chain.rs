//! The table of `tl chain`: five tasks one after another, and what keeps the earlier ones.

mod methods;
mod page;
mod tasks;
mod verdict;

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Table;
use super::cell::Entry;
use super::runner::{Places, noted};
use crate::shell::{Failure, Outcome, target, write};
use methods::{METHODS, Method};

const SEEDS: u64 = 3;
/// How far an accuracy may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.08;

/// One method with one seed, which draws the training images, the heads and the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    method: String,
    /// The term that holds what was learnt.
    term: Option<String>,
    /// Measured on training images that were set apart: so a strength is chosen.
    #[serde(default)]
    choice: bool,
    seed: u64,
}

impl Cell {
    fn of(method: &Method, seed: u64) -> Self {
        let (name, term) = (method.name.to_string(), method.term.map(str::to_string));
        Self { method: name, term, choice: false, seed }
    }

    /// A trial of `term`, or of none, on images set apart.
    fn trial(method: &Method, term: Option<&str>) -> Self {
        Self { term: term.map(str::to_string), choice: true, ..Self::of(method, 0) }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, term, choice, seed } = self;
        match (choice, term.as_deref().and_then(|term| term.split_once(':'))) {
            (false, _) => write!(out, "{method}:{seed}"),
            (true, Some((_, numbers))) => write!(out, "choice:{method}:{numbers}"),
            (true, None) => write!(out, "choice:{method}"),
        }
    }
}

/// What was recorded for a chain, all on test parts.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// After each task the accuracies on it and all before it, each with its own head.
    matrix: Vec<Vec<f64>>,
    /// The same where the task is not told.
    #[serde(default)]
    single_head: Option<Vec<Vec<f64>>>,
    average_accuracy: f64,
    #[serde(default)]
    backward_transfer: Option<f64>,
    #[serde(default)]
    forward_transfer: Option<f64>,
    #[serde(default)]
    forgetting: Option<f64>,
    /// Whether the answers for earlier tasks are the same bits at the end.
    #[serde(default)]
    unchanged: Option<bool>,
    /// What is carried from task to task beside the network.
    #[serde(default)]
    memory_bytes: Option<u64>,
    /// Images of the five test parts.
    n: u64,
    seconds: f64,
    #[serde(default)]
    cores: Option<u64>,
}

impl Record {
    /// The mean accuracy on each task just after it was learnt.
    fn learnt(&self) -> Option<f64> {
        mean(self.matrix.iter().filter_map(|row| row.last().copied()))
    }

    /// The mean accuracy at the end where the task is not told.
    fn untold(&self) -> Option<f64> {
        mean(self.single_head.as_ref()?.last()?.iter().copied())
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    super::cell::mean_and_deviation(&values.collect::<Vec<_>>()).map(|(mean, _)| mean)
}

impl Entry for Record {
    type Cell = Cell;

    fn cell(&self) -> &Cell {
        &self.cell
    }

    fn accuracy(&self) -> f64 {
        self.average_accuracy
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

/// The table of `tl chain`.
pub struct Chain;

impl Table for Chain {
    const NAME: &'static str = "chain";
    const CHEAP_SECONDS: f64 = 120.0;
    type Cell = Cell;
    type Record = Record;

    /// Trials first, then seed by seed, so that the table grows evenly.
    fn cells() -> Vec<Cell> {
        let own = |seed| METHODS.iter().map(move |method| Cell::of(method, seed));
        trials().into_iter().chain((0..SEEDS).flat_map(own)).collect()
    }

    fn compute(cells: &[Cell]) -> Outcome<Vec<Value>> {
        cells.iter().map(compute).collect()
    }

    fn tolerance(_: &Cell) -> f64 {
        TOLERANCE
    }

    fn page(records: &[Record], _: &[Record]) -> String {
        page::page(records)
    }
}

/// Plain tuning, and every term that is tried.
fn trials() -> Vec<Cell> {
    let plain = METHODS.iter().filter(|method| method.name == methods::PLAIN);
    let plain = plain.map(|method| Cell::trial(method, None));
    let of = |method: &'static Method| {
        method.tried.iter().map(move |term| Cell::trial(method, Some(term)))
    };
    plain.chain(METHODS.iter().flat_map(of)).collect()
}

fn method(cell: &Cell) -> Outcome<&'static Method> {
    let found = METHODS.iter().find(|method| method.name == cell.method);
    found.ok_or_else(|| Failure::new(format!("no method \"{}\"", cell.method)))
}

/// What is taken from the answer of `tl chain`.
const FIELDS: [&str; 8] = [
    "matrix",
    "single_head",
    "average_accuracy",
    "backward_transfer",
    "forward_transfer",
    "forgetting",
    "unchanged",
    "memory_bytes",
];

/// Runs the program for one cell.
fn compute(cell: &Cell) -> Outcome<Value> {
    let folder = target().join("table").join(Chain::NAME);
    let (place, counts) = match cell.choice {
        false => (folder.join("data"), tasks::COUNTS),
        true => (folder.join("apart"), tasks::APART),
    };
    let n = tasks::put(&place, counts)?;
    let started = Instant::now();
    let name = cell.to_string().replace([':', '=', ','], "-");
    let chain = method(cell)?.chain(&place.to_string_lossy(), cell.term.as_deref(), cell.seed);
    write(&folder.join(format!("{name}.toml")), chain.as_bytes())?;
    let out = folder.join(&name);
    let _ = std::fs::remove_dir_all(&out);
    let places = Places::default().with("$TABLE", &folder);
    let outcome =
        places.run(&format!("chain $TABLE/{name}.toml"), &["--out", &out.to_string_lossy()]);
    // Five networks: the chain's file stays, and makes them again.
    let _ = std::fs::remove_dir_all(&out);
    let (answer, command) = outcome?;
    let mut fields = Map::new();
    for name in FIELDS {
        fields.insert(name.to_string(), answer[name].clone());
    }
    fields.insert("n".to_string(), json!(n));
    noted(cell, fields, ("commands", json!([command])), started.elapsed().as_secs_f64())
}

#[cfg(test)]
impl Record {
    /// A chain of two tasks: the first learnt to .9, the second to `learnt`, and the first lost `lost` by it.
    fn example(name: &str, seed: u64, learnt: f64, lost: f64) -> Self {
        let line = json!({
            "method": name, "term": null, "seed": seed, "matrix": [[0.9], [0.9 - lost, learnt]],
            "single_head": [[0.9], [0.5, 0.25]], "average_accuracy": (0.9 - lost + learnt) / 2.0,
            "backward_transfer": -lost, "forward_transfer": null, "forgetting": lost, "unchanged": false,
            "memory_bytes": 2_000_000, "n": 100, "seconds": 60.0, "cores": 2
        });
        let mut record: Self = serde_json::from_value(line).unwrap();
        let known = method(&record.cell).unwrap();
        record.cell = Cell::of(known, seed);
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_method_and_a_name_of_its_own_and_trials_come_first() {
        let cells = Chain::cells();
        let trials = trials();
        // Plain tuning, and three strengths of five methods.
        assert_eq!(trials.len(), 1 + 5 * 3);
        assert_eq!(cells.len(), trials.len() + METHODS.len() * 3);
        assert!(cells.iter().all(|cell| method(cell).is_ok()));
        let mut names: Vec<String> = cells.iter().map(Cell::to_string).collect();
        assert_eq!(
            names[..3],
            ["choice:plain", "choice:l2_sp:strength=0.1", "choice:l2_sp:strength=1"]
        );
        assert_eq!(names[trials.len()], "plain:0");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), cells.len());
        assert!(method(&Cell { method: "nonsense".into(), ..cells[0].clone() }).is_err());
    }

    #[test]
    fn a_cell_with_another_strength_is_another_cell() {
        let known = Record::example("ewc", 0, 0.7, 0.3).cell;
        let other = Cell { term: Some("ewc:strength=7".into()), ..known.clone() };
        assert_ne!(known, other);
        assert!(Chain::cells().contains(&known) && !Chain::cells().contains(&other));
    }

    #[test]
    fn a_new_task_counts_when_it_was_just_learnt_and_an_untold_one_at_the_end() {
        let record = Record::example("plain", 0, 0.7, 0.3);
        assert!((record.learnt().unwrap() - 0.8).abs() < 1e-12);
        assert!((record.untold().unwrap() - 0.375).abs() < 1e-12);
    }
}
