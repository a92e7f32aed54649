//! `cargo xtask bench`: how fast we are, beside those who do the same.
//!
//! `rows` says what is measured, `sides` starts the programs that do it, `measure` lets them take turns,
//! `found` and `growth` hold the numbers, `page` writes them down; `images` makes a folder to decode. Our program is in `ours`, the peers'
//! is `peers.py`; both speak the lines of `request`.

mod found;
mod growth;
mod images;
mod machine;
mod measure;
mod median;
mod page;
mod request;
mod rows;
mod sides;

use std::path::PathBuf;

use crate::shell::{During, Failure, Outcome, root, write};
use found::Found;
use growth::{Axis, Growth};
use measure::Meter;
use page::Circumstances;
use rows::{Quantity, Row};
use sides::{Starter, Who};

/// Measure speed and memory, side by side with PyTorch and ONNX Runtime, and write the page of the docs.
///
/// Each side is a process of its own; they take turns, so that what slows the machine slows both. A
/// number is the median over the rounds; a ratio is ours over the peer's of the same run. A whole run
/// takes more than half an hour on a quiet machine and writes docs/benchmarks.md.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  cargo xtask bench --rows resnet18-step\n  cargo xtask bench --peers VENV --json bench.json\n\nThe peers' environment:\n  python3 -m venv VENV && VENV/bin/pip install -r xtask/src/bench/peers.txt"
)]
pub struct Arguments {
    /// The Python environment that has the peers; without it only ours run
    #[arg(long, value_name = "VENV")]
    peers: Option<PathBuf>,
    /// Only the rows whose name or title matches (`--list` names them)
    #[arg(long, value_name = "REGEX")]
    rows: Option<String>,
    /// Name the rows and measure nothing
    #[arg(long)]
    list: bool,
    /// Threads of each side
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
    /// Turns of each side in a row
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The least seconds of a turn
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
    /// Write the rows as a list
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure growth with batch, size and threads also for chosen rows
    #[arg(long)]
    growth: bool,
    /// Write docs/benchmarks.md also for chosen rows
    #[arg(long)]
    write: bool,
}

/// Measures what `arguments` name.
///
/// # Errors
/// A pattern that matches nothing, peers that are absent or have other versions, a program that ends.
pub fn run(arguments: &Arguments) -> Outcome<()> {
    let pattern = arguments.rows.as_deref().map(pattern).transpose()?;
    let rows = rows::matching(pattern.as_ref());
    if arguments.list || rows.is_empty() {
        return list(rows);
    }
    if rows.iter().any(|row| row.request.work == request::Work::Decode) {
        images::make()?;
    }
    let whole = pattern.is_none();
    let threads = usize::from(arguments.threads);
    let load = machine::load();
    let starter = Starter::new(arguments.peers.as_deref())?;
    let mut meter = Meter::new(starter, usize::from(arguments.rounds), arguments.seconds);
    let ours = machine::ours()?;
    let peers = if meter.starter.has_peers() {
        machine::peers(meter.side(Who::Peers, threads)?)?
    } else {
        println!("no peers: only ours run (--peers VENV)");
        Vec::new()
    };
    for (name, version) in ours.iter().chain(&peers) {
        println!("{name} {version}");
    }
    println!("{}\n{}", machine::machine(), found::head());
    let mut found = Vec::new();
    for row in &rows {
        let measured = found::measure(&mut meter, row.clone(), threads)?;
        println!("{}", found::line(&measured));
        found.push(measured);
        if let Some(path) = &arguments.json {
            write(path, page::json(&found).as_bytes())?;
        }
    }
    println!("{}", summary(&found));
    let growths =
        if whole || arguments.growth { grow(&mut meter, &rows, threads)? } else { Vec::new() };
    let disturbance = meter.disturbance();
    println!("waiting sides used {:.1} % of a core", 100.0 * disturbance);
    if whole || arguments.write {
        let about = Circumstances {
            date: machine::today(),
            command: command(arguments),
            machine: machine::machine(),
            threads,
            rounds: meter.rounds,
            ours,
            peers,
            load,
            disturbance,
        };
        let path = root().join("docs").join("benchmarks.md");
        write(&path, page::page(&about, &found, &growths).as_bytes())?;
        println!("{}", path.display());
    }
    Ok(())
}

fn pattern(text: &str) -> Outcome<regex::Regex> {
    regex::RegexBuilder::new(text)
        .case_insensitive(true)
        .build()
        .during(format_args!("--rows {text}"))
}

/// Names `rows`; with none of them, all, as a failure.
fn list(rows: Vec<Row>) -> Outcome<()> {
    let names = |rows: &[Row]| {
        let lines: Vec<String> =
            rows.iter().map(|row| format!("  {:<28} {}", row.name, row.title)).collect();
        lines.join("\n")
    };
    if rows.is_empty() {
        let all = names(&rows::all());
        return Err(Failure::new(format!("--rows matches none of these:\n{all}")));
    }
    println!("{}", names(&rows));
    Ok(())
}

/// Measures how the rows grow that are shown so.
fn grow(meter: &mut Meter, rows: &[Row], threads: usize) -> Outcome<Vec<Growth>> {
    let mut growths = Vec::new();
    for row in rows.iter().filter(|row| row.grows) {
        let axes: &[Axis] = match row.quantity {
            // More threads need no other memory to speak of.
            Quantity::Memory => &[Axis::Batch, Axis::Size],
            Quantity::Rate | Quantity::Time if threads == 1 => &[Axis::Batch, Axis::Size],
            Quantity::Rate | Quantity::Time => &Axis::ALL,
        };
        for &axis in axes {
            let growth = growth::measure(meter, row, axis, threads)?;
            println!("{}", growth.line());
            growths.push(growth);
        }
    }
    Ok(growths)
}

/// How many rows reach what is asked of them.
fn summary(found: &[Found]) -> String {
    let verdicts: Vec<bool> = found.iter().filter_map(Found::holds).collect();
    let holding = verdicts.iter().filter(|holds| **holds).count();
    format!("{holding} of {} rows reach what is asked of them", verdicts.len())
}

/// The command as it is shown in the docs: where the peers lie is the machine's own affair.
fn command(arguments: &Arguments) -> String {
    let mut command = "cargo xtask bench".to_string();
    if arguments.peers.is_some() {
        command += " --peers VENV";
    }
    if let Some(rows) = &arguments.rows {
        command += &format!(" --rows '{rows}'");
    }
    command + &format!(" --threads {} --rounds {}", arguments.threads, arguments.rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_matches_nothing_lists_the_rows() {
        let failure = list(rows::matching(Some(&pattern("nonsense").unwrap()))).unwrap_err();
        assert!(failure.to_string().contains("resnet18-step"), "{failure}");
        assert!(pattern("(").is_err());
        assert!(!rows::matching(Some(&pattern("RESNET-18").unwrap())).is_empty());
    }

    #[test]
    fn rows_without_a_peer_count_neither_way() {
        use found::tests::found;
        let rows = [
            found("resnet18-step", Ok(60.0), &[Ok(60.0), Ok(50.0)]),
            found("resnet50-step", Ok(1.0), &[Ok(60.0), Ok(50.0)]),
            found("mobilenet_v2-step", Ok(1.0), &[]),
        ];
        assert_eq!(summary(&rows), "1 of 2 rows reach what is asked of them");
    }
}
