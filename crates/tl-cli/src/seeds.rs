//! `tl finetune --seeds K`: several runs that differ in their seed, and how much they differ.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tl::Request;
use tl::folder::next_folder;
use tl::record::RUN_FILE;
use tl::train::files::write_bytes;
use tl::train::metrics::mean_and_deviation;
use tl::{RunRecord, Status};

use crate::failure::Failure;
use crate::finetune::{fit, resume_all};
use crate::finetune_flags::Finetune;
use crate::finetune_summary::Outcome;
use crate::output;
use crate::progress::Display;

/// A figure over all runs.
#[derive(Serialize)]
struct Spread {
    mean: f64,
    /// The sample deviation; 0 of one run.
    deviation: f64,
}

/// `summary.json`, and what `--json` prints.
#[derive(Serialize)]
struct Summary {
    command: String,
    seeds: Vec<u64>,
    /// The part that was measured.
    part: &'static str,
    accuracy: Spread,
    macro_f1: Spread,
    loss: Spread,
    seconds: Spread,
    runs: Vec<Outcome>,
}

/// The last of `count` seeds from `first` on.
pub fn last_seed(first: u64, count: u64) -> Result<u64, Failure> {
    first.checked_add(count - 1).ok_or_else(|| {
        Failure::input(format!(
            "--seed {first} leaves no room for {count} seeds; give a smaller one"
        ))
    })
}

/// The folder of several runs: the one that was asked for, or the next free one once `check` found nothing wrong.
pub fn folder_of_runs(
    out: Option<&Path>,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<PathBuf, Failure> {
    match out {
        Some(out) if out.join(RUN_FILE).exists() => Err(Failure::input(format!(
            "{} holds a single run; choose another --out for several seeds",
            out.display()
        ))),
        Some(out) => Ok(out.to_path_buf()),
        None => {
            check()?;
            Ok(next_folder(Path::new("runs"))?)
        }
    }
}

/// Writes `summary.json` into the folder of several runs.
pub fn write_summary(out: &Path, summary: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(summary)
        .map_err(|reason| Failure::input(format!("summary.json cannot be written: {reason}")))?;
    Ok(write_bytes(&out.join("summary.json"), text.as_bytes())?)
}

/// Makes `count` runs in folders `seed-N` of one folder.
pub fn run(verb: &Finetune, request: Request, count: u64) -> Result<(), Failure> {
    let first = request.options.settings.seed;
    let last = last_seed(first, count)?;
    let out =
        folder_of_runs(request.out.as_deref(), || Ok(tl::prepare(request.clone()).map(drop)?))?;
    let resume = resume_all(verb, &out);
    let mut outcomes = Vec::new();
    for seed in first..=last {
        let mut request = request.clone();
        request.options.settings.seed = seed;
        let folder = out.join(format!("seed-{seed}"));
        request.out = Some(folder.clone());
        if let Some(record) = finished(&request, &folder) {
            output::tell(&format!("seed {seed}: finished already"));
            outcomes.push(Outcome::of(&folder, &record));
            continue;
        }
        output::tell(&format!("seed {seed}, {} of {count}", seed - first + 1));
        outcomes.push(Outcome::new(&fit(request, &resume, &mut Display::new())?));
    }
    let summary = Summary::new(request.command, outcomes)?;
    write_summary(&out, &summary)?;
    if verb.machine.json { output::object(&summary) } else { output::print(&summary.text(&out)) }
}

/// The record of a run that a resume need not touch: finished, with the same options and data.
fn finished(request: &Request, folder: &Path) -> Option<RunRecord> {
    let record = RunRecord::read(folder).ok().filter(|_| request.resume)?;
    let same = record.options == request.options
        && record.data.fingerprint == request.examples.items().fingerprint()
        && record.status == Status::Finished;
    same.then_some(record)
}

impl Summary {
    fn new(command: String, runs: Vec<Outcome>) -> Result<Self, Failure> {
        let nothing = || Failure::input("no run has a test or a validation part to be measured on");
        let part = runs.first().and_then(Outcome::measured).ok_or_else(nothing)?.0;
        let spread = |figure: &dyn Fn(&Outcome) -> f64| {
            let values: Vec<f64> = runs.iter().map(figure).collect();
            let (mean, deviation) = mean_and_deviation(&values);
            Spread { mean, deviation }
        };
        let of = |run: &Outcome| run.measured().map(|(_, found)| found.clone());
        Ok(Self {
            command,
            seeds: runs.iter().map(|run| run.seed).collect(),
            part,
            accuracy: spread(&|run| of(run).map_or(f64::NAN, |found| found.accuracy)),
            macro_f1: spread(&|run| of(run).map_or(f64::NAN, |found| found.macro_f1)),
            loss: spread(&|run| of(run).map_or(f64::NAN, |found| found.loss)),
            seconds: spread(&|run| run.seconds),
            runs,
        })
    }

    /// The same for a person.
    fn text(&self, out: &Path) -> String {
        let mut text = format!("seed  {} accuracy  95 % interval     n  kept\n", self.part);
        let wide = self.part.len() + " accuracy".len();
        for run in &self.runs {
            if let Some((_, found)) = run.measured() {
                text += &format!(
                    "{:>4}  {:>wide$}  {:>5.1}–{:>5.1} %  {:>6}  {}\n",
                    run.seed,
                    format!("{:.1} %", 100.0 * found.accuracy),
                    100.0 * found.interval[0],
                    100.0 * found.interval[1],
                    found.n,
                    run.kept.as_deref().unwrap_or("nothing")
                );
            }
        }
        text + &format!(
            "{} accuracy {:.1} ± {:.1} % (mean ± deviation of {} seeds) · macro F1 {:.3} ± {:.3} · {:.1} ± {:.1} s\n\
             runs: {}/seed-N · {}\n",
            self.part,
            100.0 * self.accuracy.mean,
            100.0 * self.accuracy.deviation,
            self.runs.len(),
            self.macro_f1.mean,
            self.macro_f1.deviation,
            self.seconds.mean,
            self.seconds.deviation,
            out.display(),
            out.join("summary.json").display()
        )
    }
}
