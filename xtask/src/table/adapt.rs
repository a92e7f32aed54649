//! The table of `tl adapt`: methods on shifts of domain, chosen without target labels, with the oracle beside.

mod page;

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Arguments, Table, burn_version};
use crate::shell::{
    During, Failure, Outcome, cache, program, quietly, read, root, say, target, write,
};

/// The methods of the table; the network and the budget are the same for all.
const METHODS: [&str; 11] =
    ["source", "dann", "cdan", "mcd", "coral", "dan", "mcc", "adabn", "tent", "shot", "fda"];
const SEEDS: u64 = 3;
/// Cells that took at most this long may be verified.
const CHEAP_SECONDS: f64 = 90.0;
/// How far an accuracy may lie from the recorded one on another machine: training by gradients takes another path there.
const TOLERANCE: f64 = 0.08;

/// A shift of domain and all that is fixed for it, once and for every method.
struct Shift {
    name: &'static str,
    title: &'static str,
    /// The words of the command; `$TL_CACHE` stands for the folder of fetched assets.
    words: &'static str,
}

/// The first is the development shift.
const SHIFTS: [Shift; 3] = [
    Shift {
        name: "uci",
        title: "MNIST → UCI digits",
        words: "--source mnist:$TL_CACHE --target uci:$TL_CACHE --model small_conv --weights random --shots 200 \
                --source-epochs 4 --epochs 6",
    },
    Shift {
        name: "blend",
        title: "MNIST → MNIST blended with photos",
        words: "--source mnist:$TL_CACHE --target-shift blend@assets/photos --model small_conv --weights random \
                --shots 200 --source-epochs 4 --epochs 6",
    },
    Shift {
        name: "night",
        title: "Fashion-MNIST by day → by night",
        words: "--source assets/fashion_mnist --target-shift night --model mobilenet_v2 --image-size 48 --shots 40 \
                --source-epochs 2 --epochs 4",
    },
];

/// One method on one shift with one seed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Cell {
    shift: String,
    method: String,
    seed: u64,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.shift, self.method, self.seed)
    }
}

/// What was recorded for a cell. Accuracies are the oracle's: measured on target labels, they chose nothing.
#[derive(Clone, Debug, Deserialize)]
struct Record {
    #[serde(flatten)]
    cell: Cell,
    /// Of the epoch that the validator chose.
    accuracy: f64,
    n: u64,
    /// Of the best and the worst epoch of the method.
    best_epoch: f64,
    worst_epoch: f64,
    validator: String,
    /// The validator's score of that epoch.
    score: Option<f64>,
    #[serde(default)]
    seconds: f64,
    cores: Option<u64>,
    #[serde(skip)]
    line: String,
}

/// The cells in their order: seed by seed, so that the table grows evenly.
fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for seed in 0..SEEDS {
        for Shift { name, .. } in SHIFTS {
            cells.extend(METHODS.map(|method| Cell {
                shift: name.to_string(),
                method: method.to_string(),
                seed,
            }));
        }
    }
    cells
}

/// Computes the missing cells that `arguments` name, or verifies one.
///
/// # Errors
/// When the program fails, or a verified cell differs.
pub fn run(table: &Table, arguments: &Arguments) -> Outcome<()> {
    let mut records = records(table)?;
    if arguments.verify_one {
        return verify_one(table, &records, arguments.seed);
    }
    let pattern: Vec<&str> = arguments.cells.as_deref().unwrap_or("").split(':').collect();
    let wanted = |cell: &Cell| {
        let parts = [cell.shift.clone(), cell.method.clone(), cell.seed.to_string()];
        let free = |wanted: &str| wanted.is_empty() || wanted == "*";
        pattern.iter().zip(parts).all(|(wanted, part)| free(wanted) || *wanted == part)
    };
    let there = |cell: &Cell| records.iter().any(|record| record.cell == *cell);
    let missing: Vec<Cell> =
        cells().into_iter().filter(|cell| wanted(cell) && !there(cell)).collect();
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
        let record = compute(cell)?;
        say(format_args!("{cell}: {:.3} in {:.0} s", record.accuracy, record.seconds));
        records.push(record);
        keep(table, &mut records)?;
    }
    let path = table.file(".md");
    write(&path, page::page(&records).as_bytes())?;
    say(format_args!("{}: {} of {} cells", path.display(), records.len(), cells().len()));
    Ok(())
}

fn verify_one(table: &Table, records: &[Record], seed: Option<u64>) -> Outcome<()> {
    let cheap: Vec<&Record> =
        records.iter().filter(|record| record.seconds <= CHEAP_SECONDS).collect();
    let today = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
    let choice = seed.unwrap_or(today) % cheap.len().max(1) as u64;
    let Some(recorded) = cheap.get(choice as usize) else {
        return Err(Failure::new(format!(
            "docs/tables/adapt.jsonl holds no cell of {CHEAP_SECONDS} s or less"
        )));
    };
    table.build()?;
    let computed = compute(&recorded.cell)?;
    say(format_args!(
        "{}: recorded {:.3}, computed {:.3} (may differ by {TOLERANCE})",
        recorded.cell, recorded.accuracy, computed.accuracy
    ));
    let near = (recorded.accuracy - computed.accuracy).abs() <= TOLERANCE;
    if near && recorded.n == computed.n {
        return Ok(());
    }
    Err(Failure::new(format!("{} is no longer what the table says", recorded.cell)))
}

fn records(table: &Table) -> Outcome<Vec<Record>> {
    let path = table.file(".jsonl");
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = read(&path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let record: Record = serde_json::from_str(line)
                .during(format_args!("line {} of the table", index + 1))?;
            Ok(Record { line: line.to_string(), ..record })
        })
        .collect()
}

fn keep(table: &Table, records: &mut [Record]) -> Outcome<()> {
    let order = cells();
    records.sort_by_key(|record| order.iter().position(|cell| *cell == record.cell));
    let lines: String = records.iter().map(|record| format!("{}\n", record.line)).collect();
    write(&table.file(".jsonl"), lines.as_bytes())
}

/// Runs the program for one cell, in a folder that is removed.
fn compute(cell: &Cell) -> Outcome<Record> {
    let known = SHIFTS.iter().find(|shift| shift.name == cell.shift);
    let shift = known.ok_or_else(|| Failure::new(format!("no shift \"{}\"", cell.shift)))?;
    let out = target().join("table").join(cell.to_string().replace(':', "-"));
    let _ = std::fs::remove_dir_all(&out);
    let words =
        format!("adapt {} --method {} --seed {} --json", shift.words, cell.method, cell.seed);
    let shown = format!("tl {words}");
    say(format_args!("$ {shown}"));
    let cache = match words.contains("$TL_CACHE") {
        true => cache()?.to_string_lossy().into_owned(),
        false => String::new(),
    };
    let mut given: Vec<String> =
        words.split_whitespace().map(|word| word.replace("$TL_CACHE", &cache)).collect();
    given.extend(["--out".to_string(), out.to_string_lossy().into_owned()]);
    let tl = target().join("release").join("tl");
    let started = Instant::now();
    let mut command = program(&tl.to_string_lossy(), &given);
    command.current_dir(root());
    let output = quietly(command);
    let _ = std::fs::remove_dir_all(&out);
    let seconds = started.elapsed().as_secs_f64();
    let value: Value =
        serde_json::from_str(output?.trim()).during(format_args!("what `{shown}` printed"))?;
    let line = cell_line(cell, &value, &shown, seconds)?;
    let record: Record = serde_json::from_value(line.clone()).during("a cell")?;
    Ok(Record { line: line.to_string(), ..record })
}

/// What is kept of what the program printed.
fn cell_line(cell: &Cell, value: &Value, shown: &str, seconds: f64) -> Outcome<Value> {
    let candidate = &value["candidates"][0];
    let oracle = &candidate["oracle"];
    let validator = value["validator"].as_str().unwrap_or_default();
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_string(), value);
    put("shift", json!(cell.shift));
    put("method", json!(cell.method));
    put("seed", json!(cell.seed));
    for name in ["accuracy", "interval", "n", "best_epoch", "worst_epoch"] {
        put(name, oracle[name].clone());
    }
    for name in ["epoch", "epochs", "scores", "a_distance", "warnings"] {
        put(name, candidate[name].clone());
    }
    put("validator", json!(validator));
    put("score", candidate["scores"][validator].clone());
    put("seconds", json!((10.0 * seconds).round() / 10.0));
    put("cores", json!(std::thread::available_parallelism().map_or(1, usize::from)));
    put("command", json!(shown));
    put("versions", json!({ "tl": env!("CARGO_PKG_VERSION"), "burn": burn_version()? }));
    Ok(Value::Object(fields))
}
