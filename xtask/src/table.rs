//! `cargo xtask table`: the tables of the docs, cell by cell.

mod adapt;
mod cell;
mod demo;
mod ssl;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::shell::{
    During, Failure, Outcome, cargo, line, program, quietly, read, root, say, target, watched,
    write,
};
use cell::{Cell, Pattern, Record};

/// Compute the missing cells of a table of the docs, and write its page.
///
/// A table is docs/tables/NAME.jsonl, one line of JSON for each cell: the command that made it, versions,
/// values, seconds. Only cells that are missing are computed, each is kept as soon as it is there, and
/// docs/tables/NAME.md is written from them at the end: an interrupted table goes on where it stopped. To
/// compute a cell again, delete its line.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask table demo --cells 'probe:5' --minutes 10\n  cargo xtask table demo --verify-one"
)]
pub struct Arguments {
    /// The table: demo, adapt or ssl
    name: String,
    /// Compute one cheap cell again and compare it with the recorded one
    #[arg(long, conflicts_with_all = ["cells", "minutes"])]
    verify_one: bool,
    /// Which cheap cell to verify; by default the day decides
    #[arg(long, value_name = "N", requires = "verify_one")]
    seed: Option<u64>,
    /// Only these cells, as METHOD:SHOTS:SEED (adapt: SHIFT:METHOD:SEED, ssl:
    /// NETWORK:METHOD:SHOTS:SEED); `*` or nothing stands for any (`*:5`, `probe`)
    #[arg(long, value_name = "PATTERN")]
    cells: Option<String>,
    /// Begin no cell after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
}

/// Computes or verifies what `arguments` name.
///
/// # Errors
/// When the table is unknown, the program fails, or a verified cell differs.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    if arguments.name == "ssl" {
        return ssl::run(&Table::open("ssl")?, arguments);
    }
    if arguments.name == "adapt" {
        return adapt::run(&Table::open("adapt")?, arguments);
    }
    if arguments.verify_one {
        return verify_one(&arguments.name, arguments.seed);
    }
    let table = Table::open(&arguments.name)?;
    let pattern = arguments.cells.as_deref().map(str::parse::<Pattern>).transpose();
    let pattern = pattern.map_err(Failure::new)?;
    let mut records = table.records()?;
    let wanted = |cell: &Cell| pattern.as_ref().is_none_or(|pattern| pattern.matches(cell));
    let there = |cell: &Cell| records.iter().any(|record| record.cell == *cell);
    let missing: Vec<Cell> =
        demo::cells().into_iter().filter(|cell| wanted(cell) && !there(cell)).collect();
    if !missing.is_empty() {
        table.build()?;
    }
    let start = Instant::now();
    let limit = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
    for (index, cell) in missing.iter().enumerate() {
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            say(format_args!("{} cells are left for another time", missing.len() - index));
            break;
        }
        let record = table.compute(cell)?;
        say(format_args!("{cell}: {:.3} in {:.0} s", record.accuracy, record.seconds));
        records.push(record);
        table.keep(&mut records)?;
    }
    table.render(&records)
}

/// Computes one of the cheap cells of table `name` again and compares.
///
/// # Errors
/// When no cheap cell is recorded, or the accuracy is not what was recorded.
pub fn verify_one(name: &str, seed: Option<u64>) -> Outcome<()> {
    let table = Table::open(name)?;
    let mut cheap = table.records()?;
    cheap.retain(|record| record.seconds <= demo::CHEAP_SECONDS);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let choice = seed.unwrap_or(today);
    let Some(recorded) = cheap.get((choice % cheap.len().max(1) as u64) as usize) else {
        return Err(Failure::new(format!(
            "docs/tables/{name}.jsonl holds no cell of {} s or less",
            demo::CHEAP_SECONDS
        )));
    };
    table.build()?;
    let computed = table.compute(&recorded.cell)?;
    let tolerance = demo::tolerance(&recorded.cell);
    say(format_args!(
        "{}: recorded {:.3}, computed {:.3} (may differ by {tolerance})",
        recorded.cell, recorded.accuracy, computed.accuracy
    ));
    let agree =
        (recorded.accuracy - computed.accuracy).abs() <= tolerance && recorded.n == computed.n;
    if agree {
        Ok(())
    } else {
        Err(Failure::new(format!("{} is no longer what the table says", recorded.cell)))
    }
}

/// A table on disk.
struct Table {
    folder: PathBuf,
    name: String,
}

impl Table {
    fn open(name: &str) -> Outcome<Self> {
        if !["demo", "adapt", "ssl"].contains(&name) {
            return Err(Failure::new(format!(
                "no table \"{name}\"; there are demo, adapt and ssl"
            )));
        }
        Ok(Self { folder: root().join("docs").join("tables"), name: name.to_string() })
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.folder.join(format!("{}{ending}", self.name))
    }

    fn records(&self) -> Outcome<Vec<Record>> {
        let path = self.file(".jsonl");
        if path.is_file() { cell::parse(&read(&path)?) } else { Ok(Vec::new()) }
    }

    fn keep(&self, records: &mut [Record]) -> Outcome<()> {
        let order = demo::cells();
        records.sort_by_key(|record| order.iter().position(|cell| *cell == record.cell));
        let lines: String = records.iter().map(|record| format!("{}\n", record.line)).collect();
        write(&self.file(".jsonl"), lines.as_bytes())
    }

    fn build(&self) -> Outcome<()> {
        watched(cargo(&["build", "--release", "--package", "tl-cli"])).map(|_| ())
    }

    fn compute(&self, cell: &Cell) -> Outcome<Record> {
        let command = self.command(cell);
        let shown = line(&command);
        say(format_args!("$ {shown}"));
        let output = quietly(command)?;
        // One object on standard output; a table of one cell may wrap it.
        let value: Value =
            serde_json::from_str(output.trim()).during(format_args!("what `{shown}` printed"))?;
        let mut value = match value.get("cells").and_then(Value::as_array).map(Vec::as_slice) {
            Some([one]) => one.clone(),
            _ => value,
        };
        let fields = value
            .as_object_mut()
            .ok_or_else(|| Failure::new(format!("`{shown}` printed no object")))?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        fields.insert("command".into(), json!(shown));
        fields.insert("cores".into(), json!(cores));
        fields.insert(
            "versions".into(),
            json!({ "tl": env!("CARGO_PKG_VERSION"), "burn": burn_version()? }),
        );
        let record = Record::of(&value)?;
        if record.cell != *cell {
            return Err(Failure::new(format!("`{shown}` printed the cell {}", record.cell)));
        }
        Ok(record)
    }

    fn command(&self, cell: &Cell) -> Command {
        let tl = target().join("release").join("tl");
        program(&tl.to_string_lossy(), &["demo", "--full", "--cell", &cell.to_string(), "--json"])
    }

    fn render(&self, records: &[Record]) -> Outcome<()> {
        let peer = self.file("_pytorch.jsonl");
        let peers = if peer.is_file() { cell::parse(&read(&peer)?)? } else { Vec::new() };
        let path = self.file(".md");
        write(&path, demo::page(records, &peers).as_bytes())?;
        let total = demo::cells().len();
        say(format_args!("{}: {} of {total} cells", path.display(), records.len()));
        Ok(())
    }
}

/// The version of Burn in the lock file.
pub(crate) fn burn_version() -> Outcome<String> {
    let lock: toml::Table =
        toml::from_str(&read(&root().join("Cargo.lock"))?).during("Cargo.lock")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let burn = packages
        .into_iter()
        .flatten()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some("burn"));
    let version = burn.and_then(|package| package.get("version")).and_then(toml::Value::as_str);
    version.map(str::to_string).ok_or_else(|| Failure::new("Cargo.lock names no burn"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_table_is_an_error() {
        assert!(Table::open("nonsense").is_err());
    }

    #[test]
    fn the_version_of_burn_is_that_of_the_lock_file() {
        assert!(burn_version().unwrap().starts_with("0."));
    }
}
