//! A cell of the table and what was recorded for it.

use std::fmt;

use serde::Deserialize;

use crate::table::cell::Entry;

/// One method at one number of images per class with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Cell {
    pub method: String,
    pub shots: usize,
    pub seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.method, self.shots, self.seed)
    }
}

/// What was recorded for a cell.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub cell: Cell,
    /// On the test part of `n` images.
    pub accuracy: f64,
    #[serde(alias = "validation")]
    pub validation_accuracy: f64,
    pub n: u64,
    pub trained_parameters: Option<u64>,
    /// Of fitting.
    #[serde(default)]
    pub seconds: f64,
    /// Seconds since the beginning and validation accuracy, epoch by epoch.
    #[serde(default)]
    pub course: Vec<(f64, f64)>,
    /// Of the machine that made the cell.
    pub cores: Option<u64>,
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
    /// A small record for tests, as accurate on the validation part as on the test part.
    pub fn example(method: &str, shots: usize, seed: u64, accuracy: f64) -> Self {
        Self {
            cell: Cell { method: method.into(), shots, seed },
            accuracy,
            validation_accuracy: accuracy,
            n: 1000,
            trained_parameters: Some(7),
            seconds: 20.0,
            course: Vec::new(),
            cores: Some(2),
        }
    }
}
