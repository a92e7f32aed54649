//! `cargo xtask table`: the tables of the docs, cell by cell.

mod adapt;
mod careful;
mod cell;
mod chain;
mod demo;
mod grey;
mod rank;
mod runner;
mod specific;
mod ssl;
mod store;
mod texts;
mod ways;

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::shell::{During, Failure, Outcome, cargo, read, root, say, watched, write};
use careful::Careful;
use cell::{Entry, Pattern};
use chain::Chain;
use rank::Rank;
use specific::Specific;
use store::Store;
use texts::Texts;
use ways::{Of, Ways};

/// Compute the missing cells of a table of the docs, and write its page.
///
/// A table is docs/tables/NAME.jsonl, one line of JSON for each cell: the command that made it, versions,
/// values, seconds. Only cells that are missing are computed, each is kept as soon as it is there, and
/// docs/tables/NAME.md is written from them at the end: an interrupted table goes on where it stopped. To
/// compute a cell again, delete its line.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask table demo --cells 'probe:5' --minutes 10\n  cargo xtask table adapt --cells 'uci::0'\n  cargo xtask table demo --verify-one"
)]
pub struct Arguments {
    /// The table: demo, adapt, ssl, texts, careful, chain, specific or rank
    name: String,
    /// Compute one cheap cell again and compare it with the recorded one
    #[arg(long, conflicts_with_all = ["cells", "minutes"])]
    verify_one: bool,
    /// Which cheap cell to verify; by default the day decides
    #[arg(long, value_name = "N", requires = "verify_one")]
    seed: Option<u64>,
    /// Only these cells, as METHOD:SHOTS:SEED (adapt: SHIFT:METHOD:SEED, ssl:
    /// NETWORK:METHOD:SHOTS:SEED, texts, careful and specific: TASK:WAY:SHOTS:SEED, chain: METHOD:SEED, choice:METHOD:STRENGTH, rank: DATA:CANDIDATE:SEED); `*` or nothing stands for any (`*:5`, `probe`)
    #[arg(long, value_name = "PATTERN")]
    cells: Option<String>,
    /// Begin no cell after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
}

/// A table of the docs: its cells, how they are computed, its page.
trait Table {
    const NAME: &'static str;
    /// Cells that took at most this long may be verified.
    const CHEAP_SECONDS: f64;
    type Cell: Clone + PartialEq + fmt::Display;
    type Record: Entry<Cell = Self::Cell>;

    /// The cells in their order.
    fn cells() -> Vec<Self::Cell>;

    /// The cells that are computed by one command; each alone by default.
    fn batches(missing: Vec<Self::Cell>) -> Vec<Vec<Self::Cell>> {
        missing.into_iter().map(|cell| vec![cell]).collect()
    }

    /// Runs the program for some cells; answers an object for each.
    ///
    /// # Errors
    /// When it fails, or prints something else.
    fn compute(cells: &[Self::Cell]) -> Outcome<Vec<Value>>;

    /// How far the accuracy of a cell may lie from the recorded one on another machine.
    fn tolerance(cell: &Self::Cell) -> f64;

    /// The page, from the table's records and those of a peer, where there are some.
    fn page(records: &[Self::Record], peers: &[Self::Record]) -> String;
}

/// Computes or verifies what `arguments` name.
///
/// # Errors
/// When the table is unknown, the program fails, or a verified cell differs.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    match arguments.name.as_str() {
        demo::Demo::NAME => carry_out::<demo::Demo>(arguments),
        adapt::Adapt::NAME => carry_out::<adapt::Adapt>(arguments),
        ssl::Ssl::NAME => carry_out::<ssl::Ssl>(arguments),
        Texts::NAME => carry_out::<Of<Texts>>(arguments),
        Careful::NAME => carry_out::<Of<Careful>>(arguments),
        Chain::NAME => carry_out::<Chain>(arguments),
        Specific::NAME => carry_out::<Of<Specific>>(arguments),
        Rank::NAME => carry_out::<Rank>(arguments),
        name => Err(Failure::new(format!(
            "no table \"{name}\"; there are demo, adapt, ssl, texts, careful, chain, specific and rank"
        ))),
    }
}

/// Computes one of the cheap cells of the table of `tl demo` again and compares.
///
/// # Errors
/// When no cheap cell is recorded, or the accuracy is not what was recorded.
pub fn verify_demo() -> Outcome<()> {
    verify_one::<demo::Demo>(None)
}

fn carry_out<T: Table>(arguments: &Arguments) -> Outcome<()> {
    if arguments.verify_one {
        return verify_one::<T>(arguments.seed);
    }
    let pattern = arguments.cells.as_deref().map(Pattern::new);
    let wanted = |cell: &T::Cell| pattern.as_ref().is_none_or(|pattern| pattern.matches(cell));
    let asked: Vec<T::Cell> = T::cells().into_iter().filter(wanted).collect();
    if let (true, Some(cells)) = (asked.is_empty(), &arguments.cells) {
        return Err(Failure::new(format!("the table {} has no cell {cells}", T::NAME)));
    }
    let mut store = Store::<T>::open()?;
    let missing: Vec<T::Cell> = asked.into_iter().filter(|cell| !store.holds(cell)).collect();
    if !missing.is_empty() {
        build()?;
    }
    let start = Instant::now();
    let limit = arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes.max(0.0) * 60.0));
    let mut left = missing.len();
    for batch in T::batches(missing) {
        if limit.is_some_and(|limit| start.elapsed() >= limit) {
            say(format_args!("{left} cells are left for another time"));
            break;
        }
        left -= batch.len();
        for value in compute::<T>(&batch)? {
            store.add(&value)?;
        }
        store.keep()?;
    }
    let records = store.records();
    write(&store.file(".md"), T::page(&records, &store.peers()?).as_bytes())?;
    say(format_args!(
        "{}: {} of {} cells",
        store.file(".md").display(),
        records.len(),
        T::cells().len()
    ));
    Ok(())
}

fn verify_one<T: Table>(seed: Option<u64>) -> Outcome<()> {
    let mut cheap = Store::<T>::open()?.records();
    cheap.retain(|record| record.stands_alone() && record.seconds() <= T::CHEAP_SECONDS);
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let choice = seed.unwrap_or(today) % cheap.len().max(1) as u64;
    let Some(recorded) = cheap.get(choice as usize) else {
        return Err(Failure::new(format!(
            "docs/tables/{}.jsonl holds no cell of {} s or less",
            T::NAME,
            T::CHEAP_SECONDS
        )));
    };
    build()?;
    let cell = recorded.cell();
    let computed = compute::<T>(std::slice::from_ref(cell))?;
    let computed: T::Record = match &computed[..] {
        [one] => serde_json::from_value(one.clone()).during("a cell")?,
        _ => return Err(Failure::new(format!("{cell} came out {} times", computed.len()))),
    };
    let tolerance = T::tolerance(cell);
    say(format_args!(
        "{cell}: recorded {:.3}, computed {:.3} (may differ by {tolerance})",
        recorded.accuracy(),
        computed.accuracy()
    ));
    let near = (recorded.accuracy() - computed.accuracy()).abs() <= tolerance;
    if near && recorded.n() == computed.n() {
        return Ok(());
    }
    Err(Failure::new(format!("{cell} is no longer what the table says")))
}

/// The cells of one command, each of which must be what was asked for.
fn compute<T: Table>(cells: &[T::Cell]) -> Outcome<Vec<Value>> {
    let found = T::compute(cells)?;
    for (index, cell) in cells.iter().enumerate() {
        let record: T::Record = match found.get(index) {
            Some(value) => serde_json::from_value(value.clone()).during("a cell")?,
            None => return Err(Failure::new(format!("the program printed nothing of {cell}"))),
        };
        if record.cell() != cell {
            return Err(Failure::new(format!("the program printed {} for {cell}", record.cell())));
        }
        say(format_args!("{cell}: {:.3} in {:.0} s", record.accuracy(), record.seconds()));
    }
    Ok(found)
}

/// Builds the program with the features of the whole workspace, as tests do: nothing is built twice.
fn build() -> Outcome<()> {
    watched(cargo(&["build", "--release", "--workspace", "--bin", "tl"])).map(|_| ())
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
    fn an_unknown_table_or_cell_is_an_error() {
        let run = |name: &str, cells: Option<&str>| {
            let cells = cells.map(str::to_string);
            let name = name.to_string();
            run(&Arguments { name, verify_one: false, seed: None, cells, minutes: None })
        };
        assert!(run("nonsense", None).is_err());
        for table in ["demo", "adapt", "chain", "specific"] {
            let message = run(table, Some("nonsense")).unwrap_err().to_string();
            assert!(message.contains("has no cell nonsense"), "{message}");
        }
    }

    #[test]
    fn the_version_of_burn_is_that_of_the_lock_file() {
        assert!(burn_version().unwrap().starts_with("0."));
    }
}
