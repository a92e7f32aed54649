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
use crate::shell::{During, Failure, Outcome, target, write};
use methods::{METHODS, Method};

const SEEDS: u64 = 3;
/// How far an accuracy may lie from the recorded one on another machine.
const TOLERANCE: f64 = 0.08;

/// One method with one seed, which draws the training images, the heads and the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    method: String,
    seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.method, self.seed)
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
    unchanged: Value,
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

    /// Whether everything stayed as it was; nothing where it was not looked at.
    fn is_unchanged(&self) -> Option<bool> {
        fn all(value: &Value) -> Option<bool> {
            match value {
                Value::Bool(same) => Some(*same),
                Value::Array(parts) => {
                    let known: Vec<bool> = parts.iter().filter_map(all).collect();
                    (!known.is_empty()).then(|| known.into_iter().all(|same| same))
                }
                _ => None,
            }
        }
        all(&self.unchanged)
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

    /// Seed by seed, so that the table grows evenly.
    fn cells() -> Vec<Cell> {
        let of =
            |seed| METHODS.iter().map(move |method| Cell { method: method.name.to_string(), seed });
        (0..SEEDS).flat_map(of).collect()
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
    std::fs::create_dir_all(&folder).during("cannot make a folder")?;
    let n = tasks::put(&folder)?;
    let started = Instant::now();
    let name = cell.to_string().replace(':', "-");
    let chain = method(cell)?.chain(&folder.to_string_lossy(), cell.seed);
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
    fn example(method: &str, seed: u64, learnt: f64, lost: f64) -> Self {
        let line = json!({
            "method": method, "seed": seed, "matrix": [[0.9], [0.9 - lost, learnt]], "single_head": [[0.9], [0.5, 0.25]],
            "average_accuracy": (0.9 - lost + learnt) / 2.0, "backward_transfer": -lost, "forward_transfer": null,
            "forgetting": lost, "unchanged": false, "memory_bytes": 2_000_000, "n": 100, "seconds": 60.0, "cores": 2
        });
        serde_json::from_value(line).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_has_a_method_and_the_seeds_come_one_after_another() {
        let cells = Chain::cells();
        assert_eq!(cells.len(), METHODS.len() * 3);
        assert!(cells.iter().all(|cell| method(cell).is_ok()));
        assert_eq!((cells[0].to_string(), cells[METHODS.len()].seed), ("plain:0".to_string(), 1));
        assert!(method(&Cell { method: "nonsense".into(), seed: 0 }).is_err());
    }

    #[test]
    fn a_new_task_counts_when_it_was_just_learnt_and_an_untold_one_at_the_end() {
        let record = Record::example("plain", 0, 0.7, 0.3);
        assert!((record.learnt().unwrap() - 0.8).abs() < 1e-12);
        assert!((record.untold().unwrap() - 0.375).abs() < 1e-12);
    }

    #[test]
    fn one_task_that_changed_is_a_change() {
        let mut record = Record::example("lora", 0, 0.7, 0.0);
        for (value, same) in [
            (json!(true), Some(true)),
            (json!([true, true]), Some(true)),
            (json!([[true], [true, false]]), Some(false)),
            (json!(null), None),
            (json!([]), None),
        ] {
            record.unchanged = value.clone();
            assert_eq!(record.is_unchanged(), same, "{value}");
        }
    }
}
