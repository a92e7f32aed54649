//! `tl finetune --seeds K`: several runs that differ in their seed, and how much they differ.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tl::Request;
use tl::folder::next_folder;
use tl::record::RUN_FILE;
use tl::train::files::write_bytes;
use tl::train::metrics::{Evaluation, Regression, mean_and_deviation};
use tl::{RunRecord, Status};

use crate::failure::Failure;
use crate::finetune::{fit, resume_all};
use crate::finetune_flags::Finetune;
use crate::finetune_summary::{Figures, Outcome};
use crate::output;

/// A figure over all runs.
#[derive(Serialize)]
struct Spread {
    mean: f64,
    /// The sample deviation; 0 of one run.
    deviation: f64,
}

/// Over all runs, by what they answer with.
#[derive(Serialize)]
#[serde(untagged)]
enum Spreads {
    Classes {
        accuracy: Spread,
        macro_f1: Spread,
        loss: Spread,
    },
    Numbers {
        /// Nothing where it is not defined for a run.
        r2: Option<Spread>,
        root_mean_squared_error: Spread,
    },
}

/// `summary.json`, and what `--json` prints.
#[derive(Serialize)]
struct Summary {
    command: String,
    seeds: Vec<u64>,
    /// The part that was measured.
    part: &'static str,
    #[serde(flatten)]
    figures: Spreads,
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
        outcomes.push(Outcome::new(&fit(request, &resume, &mut verb.machine.display())?));
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

fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let values: Vec<f64> = values.into_iter().collect();
    let (mean, deviation) = mean_and_deviation(&values);
    Spread { mean, deviation }
}

impl Summary {
    fn new(command: String, runs: Vec<Outcome>) -> Result<Self, Failure> {
        let nothing = || Failure::input("no run has a test or a validation part to be measured on");
        let part = runs.first().and_then(Outcome::measured).ok_or_else(nothing)?.0;
        let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
        let found = || runs.iter().filter_map(|run| Some(run.measured()?.1));
        let numbers: Vec<&Regression> = found().filter_map(Figures::numbers).collect();
        let classes: Vec<&Evaluation> = found().filter_map(Figures::classes).collect();
        let of_classes =
            |figure: fn(&Evaluation) -> f64| spread(classes.iter().map(|it| figure(it)));
        let figures = match numbers.is_empty() {
            true => Spreads::Classes {
                accuracy: of_classes(|found| found.accuracy),
                macro_f1: of_classes(|found| found.macro_f1),
                loss: of_classes(|found| found.loss),
            },
            false => {
                let r2: Option<Vec<f64>> = numbers.iter().map(|found| found.r2).collect();
                let errors = numbers.iter().map(|found| found.root_mean_squared_error);
                let root_mean_squared_error = spread(errors);
                Spreads::Numbers { r2: r2.map(spread), root_mean_squared_error }
            }
        };
        Ok(Self {
            command,
            seeds: runs.iter().map(|run| run.seed).collect(),
            part,
            figures,
            seconds: spread(seconds),
            runs,
        })
    }

    /// The same for a person.
    fn text(&self, out: &Path) -> String {
        let table = match &self.figures {
            Spreads::Classes { accuracy, macro_f1, .. } => self.of_classes(accuracy, macro_f1),
            Spreads::Numbers { r2, root_mean_squared_error } => {
                self.of_numbers(r2.as_ref(), root_mean_squared_error)
            }
        };
        table
            + &format!(
                " · {:.1} ± {:.1} s\nruns: {}/seed-N · {}\n",
                self.seconds.mean,
                self.seconds.deviation,
                out.display(),
                out.join("summary.json").display()
            )
    }

    fn of_classes(&self, accuracy: &Spread, macro_f1: &Spread) -> String {
        let mut text = format!("seed  {} accuracy  95 % interval     n  kept\n", self.part);
        let wide = self.part.len() + " accuracy".len();
        for run in &self.runs {
            if let Some(found) = run.measured().and_then(|(_, found)| found.classes()) {
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
            "{} accuracy {:.1} ± {:.1} % (mean ± deviation of {} seeds) · macro F1 {:.3} ± {:.3}",
            self.part,
            100.0 * accuracy.mean,
            100.0 * accuracy.deviation,
            self.runs.len(),
            macro_f1.mean,
            macro_f1.deviation,
        )
    }

    fn of_numbers(&self, r2: Option<&Spread>, error: &Spread) -> String {
        let mut text = String::new();
        for run in &self.runs {
            if let Some(found) = run.measured().and_then(|(_, found)| found.numbers()) {
                let kept = run.kept.as_deref().unwrap_or("nothing");
                text += &format!("seed {}: {} {found}; kept: {kept}\n", run.seed, self.part);
            }
        }
        let r2 = r2.map_or("–".to_string(), |it| format!("{:.3} ± {:.3}", it.mean, it.deviation));
        text + &format!(
            "{} R² {r2} (mean ± deviation of {} seeds) · root mean squared error {:.4} ± {:.4}",
            self.part,
            self.runs.len(),
            error.mean,
            error.deviation
        )
    }
}
