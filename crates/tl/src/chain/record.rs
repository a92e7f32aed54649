//! `chain.json`: what a chain came to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::figures::{average_accuracy, backward_transfer, forgetting, forward_transfer};
use super::{Begin, Cell, Kept};
use crate::adapters::ADAPTER_FOLDER;
use crate::finetune::IMPORTANCE_FILE;
use crate::record::write_json;
use crate::{Error, RunRecord};

/// Its file in the chain's folder.
pub const CHAIN_FILE: &str = "chain.json";

/// The version of its written form.
const SCHEMA: u32 = 1;

/// Bytes that are kept for tasks that were learnt, beside one network and the heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The examples of earlier tasks that the last one was shown again, as a network's input.
    pub examples: u64,
    /// The newest file of how much each weight matters, in which those before it are added up.
    pub importance: u64,
    /// The adapters of all tasks, where each has its own.
    pub adapters: u64,
}

/// A chain that was carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainRecord {
    pub schema: u32,
    pub begin: Begin,
    /// The tasks in order.
    pub names: Vec<String>,
    /// `matrix[t][k]`, the accuracy on the test part of task `k` after task `t`, with the head of task `k`.
    pub matrix: Vec<Vec<f64>>,
    /// The same where the task is not known: among the classes of all tasks up to `t`.
    pub single_head: Vec<Vec<f64>>,
    /// The 95 % intervals of the last row of `matrix`.
    pub intervals: Vec<[f64; 2]>,
    /// Test examples of each task.
    pub n: Vec<u64>,
    /// The mean of the last row of `matrix`.
    pub average_accuracy: f64,
    /// The same of `single_head`.
    pub average_single_head: f64,
    /// These three are of the matrix with heads; nothing of one task, or without probes.
    pub backward_transfer: Option<f64>,
    pub forward_transfer: Option<f64>,
    pub forgetting: Option<f64>,
    /// What a probe reaches on each task before it is learnt, with the network so far and with the chain's first.
    pub probe_before: Vec<Option<f64>>,
    pub probe_base: Vec<Option<f64>>,
    /// Whether no answer for an earlier task ever changed a bit.
    pub unchanged: bool,
    /// The same of each task alone.
    pub unchanged_tasks: Vec<bool>,
    pub memory_bytes: u64,
    pub memory: Memory,
    /// Of all fittings, those before an interruption included.
    pub seconds: f64,
    /// The folders of the runs, in the chain's folder.
    pub runs: Vec<String>,
}

impl ChainRecord {
    /// Of a chain whose links lie in these folders of `folder`.
    pub(super) fn of(kept: &Kept, folder: &Path, runs: Vec<String>) -> Result<Self, Error> {
        let figures = |of: fn(&Cell) -> f64| -> Vec<Vec<f64>> {
            kept.rows.iter().map(|row| row.cells.iter().map(of).collect()).collect()
        };
        let (matrix, single_head) =
            (figures(|cell| cell.accuracy), figures(|cell| cell.single_head));
        let probes: Vec<[Option<f64>; 2]> =
            kept.probes.iter().map(|found| [found.before, found.base]).collect();
        let count = kept.rows.len();
        let unchanged_tasks: Vec<bool> =
            (0..count).map(|task| (task..count).all(|row| kept.unchanged(row, task))).collect();
        let folders: Vec<PathBuf> = runs.iter().map(|run| folder.join(run)).collect();
        let mut memory = Memory::of(kept.asked.begin, &folders);
        let mut seconds = 0.0;
        for run in &folders {
            let record = RunRecord::read(run)?;
            seconds += record.seconds;
            memory.examples = record.earlier.iter().map(|task| task.bytes).sum();
        }
        let last: &[Cell] = kept.rows.last().map(|row| row.cells.as_slice()).unwrap_or_default();
        Ok(Self {
            schema: SCHEMA,
            begin: kept.asked.begin,
            names: kept.asked.tasks.iter().map(|task| task.name.clone()).collect(),
            average_accuracy: average_accuracy(&matrix).unwrap_or_default(),
            average_single_head: average_accuracy(&single_head).unwrap_or_default(),
            backward_transfer: backward_transfer(&matrix),
            forward_transfer: forward_transfer(&probes),
            forgetting: forgetting(&matrix),
            matrix,
            single_head,
            intervals: last.iter().map(|cell| cell.interval).collect(),
            n: last.iter().map(|cell| cell.n).collect(),
            probe_before: kept.probes.iter().map(|found| found.before).collect(),
            probe_base: kept.probes.iter().map(|found| found.base).collect(),
            unchanged: unchanged_tasks.iter().all(|unchanged| *unchanged),
            unchanged_tasks,
            memory_bytes: memory.total(),
            memory,
            seconds,
            runs,
        })
    }

    /// Writes it into the chain's folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        write_json(&folder.join(CHAIN_FILE), self)
    }
}

impl Memory {
    fn of(begin: Begin, runs: &[PathBuf]) -> Self {
        let importance = runs.iter().rev().map(|run| bytes(&run.join(IMPORTANCE_FILE)));
        let importance = importance.into_iter().find(|bytes| *bytes > 0).unwrap_or(0);
        let adapters = match begin {
            Begin::Previous => 0,
            Begin::Base => runs.iter().map(|run| bytes_in(&run.join(ADAPTER_FOLDER))).sum(),
        };
        Self { examples: 0, importance, adapters }
    }

    /// All of it.
    pub fn total(self) -> u64 {
        let Self { examples, importance, adapters } = self;
        examples + importance + adapters
    }
}

/// The size of a file; 0 where there is none.
fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// The size of all files of a folder; 0 where there is none.
fn bytes_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| bytes(&file.path())).sum()
}
