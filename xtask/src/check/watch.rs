//! A fitting by the program, watched from outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::shell::{During, Failure, Outcome, cargo, line, program, read, say, target, watched};

/// The time between two looks at a program.
const EVERY: Duration = Duration::from_millis(1);

/// What a fitting wrote of an epoch and what was seen when it did.
pub struct Epoch {
    pub row: Row,
    /// Since the program was started.
    pub seconds: f64,
    /// Bytes that the program held.
    pub resident: Option<u64>,
}

/// What is read of a line of `metrics.jsonl`.
#[derive(Clone, Deserialize)]
pub struct Row {
    pub seconds: f64,
    pub resident_mb: Option<f64>,
}

/// A fitting that ended well.
pub struct Fitting {
    pub epochs: Vec<Epoch>,
    /// The most bytes that the program ever held.
    pub peak: Option<u64>,
    /// The folder of the run.
    pub run: PathBuf,
}

/// The program `tl`, built as the README says.
///
/// # Errors
/// When it does not build.
pub fn tl() -> Outcome<PathBuf> {
    watched(cargo(&["build", "--release"]))?;
    Ok(target().join("release").join(format!("tl{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs `tl finetune` on `data` with more `words`; the run goes into the folder `run`.
///
/// # Errors
/// When the program cannot be started or does not end well.
pub fn fit(tl: &Path, data: &Path, run: &Path, words: &[&str]) -> Outcome<Fitting> {
    let mut command = program(&tl.to_string_lossy(), &["finetune"]);
    command.arg(data).arg("--out").arg(run).args(words);
    let shown = line(&command);
    say(format_args!("$ {shown}"));
    let told = run.with_extension("log");
    let log = File::create(&told).during(format_args!("cannot write {}", told.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let started = Instant::now();
    let mut child = command.spawn().during(format_args!("cannot start `{shown}`"))?;
    let mut fitting = Fitting { epochs: Vec::new(), peak: None, run: run.to_path_buf() };
    let status = loop {
        let ended = child.try_wait().during(format_args!("waiting for `{shown}`"))?;
        // The program replaces the file whole: what is read is never half a line.
        let rows = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
        for text in rows.lines().skip(fitting.epochs.len()) {
            let row: Row = serde_json::from_str(text).during("metrics.jsonl")?;
            let (seconds, resident) = (started.elapsed().as_secs_f64(), held(child.id(), "VmRSS"));
            fitting.epochs.push(Epoch { row, seconds, resident });
        }
        fitting.peak = held(child.id(), "VmHWM").or(fitting.peak);
        if let Some(status) = ended {
            break status;
        }
        std::thread::sleep(EVERY);
    };
    if !status.success() {
        let told = read(&told)?;
        let last = told.lines().last().unwrap_or("no message");
        return Err(Failure::new(format!("`{shown}` ended with {status}: {last}")));
    }
    Ok(fitting)
}

/// What Linux says about a program's memory, in bytes; nothing elsewhere, or once the program has ended.
fn held(program: u32, what: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{program}/status")).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'))?;
    Some(rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
