//! A cell of the table and what was recorded for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::table::cell::Entry;

/// One method on one shift with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub shift: String,
    pub method: String,
    pub seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.shift, self.method, self.seed)
    }
}

/// What was recorded for a cell. Accuracies are the oracle's: measured on target labels, they chose nothing.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub cell: Cell,
    /// Of the epoch that the validator chose.
    pub accuracy: f64,
    pub n: u64,
    /// Of the best and the worst epoch of the method.
    pub best_epoch: f64,
    pub worst_epoch: f64,
    /// What chose the epoch, and chooses the method.
    #[serde(default)]
    pub validator: String,
    /// What every validator says of that epoch.
    #[serde(default)]
    pub scores: BTreeMap<String, f64>,
    /// The validators whose scores the method trains on: they do not judge it.
    #[serde(default)]
    pub trains_on: Vec<String>,
    #[serde(default)]
    pub seconds: f64,
    pub cores: Option<u64>,
}

impl Record {
    /// The score by `validator`, where it may judge the method.
    pub fn judged_by(&self, validator: &str) -> Option<f64> {
        let own = self.trains_on.iter().any(|name| name == validator);
        self.scores.get(validator).copied().filter(|_| !own)
    }
}

impl Entry for Record {
    type Cell = Cell;

    fn cell(&self) -> &Cell {
        &self.cell
    }

    fn accuracy(&self) -> f64 {
        self.accuracy
    }

    fn n(&self) -> u64 {
        self.n
    }

    fn seconds(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
impl Record {
    /// A small record for tests.
    pub fn example(shift: &str, method: &str, seed: u64, accuracy: f64) -> Self {
        Self {
            cell: Cell { shift: shift.into(), method: method.into(), seed },
            accuracy,
            n: 100,
            best_epoch: accuracy + 0.1,
            worst_epoch: accuracy - 0.1,
            validator: "entropy".into(),
            scores: [("entropy".to_string(), 1.0)].into(),
            trains_on: Vec::new(),
            seconds: 10.0,
            cores: Some(2),
        }
    }
}
