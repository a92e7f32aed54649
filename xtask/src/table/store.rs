//! The lines of a table on disk.

use std::path::PathBuf;

use serde_json::Value;

use super::Table;
use super::cell::{Entry, parse};
use crate::shell::{During, Outcome, read, root, write};

/// What is recorded of a table, each record with its line as it stands in the file.
pub struct Store<T: Table> {
    folder: PathBuf,
    kept: Vec<(T::Record, String)>,
}

impl<T: Table> Store<T> {
    /// Reads docs/tables/NAME.jsonl, where it is.
    ///
    /// # Errors
    /// When a line is no record.
    pub fn open() -> Outcome<Self> {
        let mut store = Self { folder: root().join("docs").join("tables"), kept: Vec::new() };
        let path = store.file(".jsonl");
        if path.is_file() {
            store.kept = parse(&read(&path)?)?;
        }
        Ok(store)
    }

    /// The file of the table with this ending.
    pub fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}{ending}", T::NAME))
    }

    /// Whether a cell is recorded.
    pub fn holds(&self, cell: &T::Cell) -> bool {
        self.kept.iter().any(|(record, _)| record.cell() == cell)
    }

    /// The records in the order of the table's cells.
    pub fn records(&self) -> Vec<T::Record>
    where
        T::Record: Clone,
    {
        self.kept.iter().map(|(record, _)| record.clone()).collect()
    }

    /// What another library gave for cells of the same kind, in NAME_pytorch.jsonl, where it is.
    ///
    /// # Errors
    /// When a line is no record.
    pub fn peers(&self) -> Outcome<Vec<T::Record>> {
        let path = self.file("_pytorch.jsonl");
        if !path.is_file() {
            return Ok(Vec::new());
        }
        Ok(parse(&read(&path)?)?.into_iter().map(|(record, _)| record).collect())
    }

    /// Takes in what was computed.
    ///
    /// # Errors
    /// When it is no record.
    pub fn add(&mut self, value: &Value) -> Outcome<()> {
        let record = serde_json::from_value(value.clone()).during("a cell")?;
        self.kept.push((record, value.to_string()));
        Ok(())
    }

    /// Writes all lines, in the order of the table's cells; those of cells that the table no longer has go last.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&mut self) -> Outcome<()> {
        let order = T::cells();
        let place = |record: &T::Record| {
            order.iter().position(|cell| cell == record.cell()).unwrap_or(order.len())
        };
        self.kept.sort_by_key(|(record, _)| place(record));
        let lines: String = self.kept.iter().map(|(_, line)| format!("{line}\n")).collect();
        write(&self.file(".jsonl"), lines.as_bytes())
    }
}
