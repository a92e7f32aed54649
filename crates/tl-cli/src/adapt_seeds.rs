//! `tl adapt --seeds K`: several adaptations that differ in their seed, and how much they differ.

use std::path::Path;

use serde::Serialize;
use tl::train::metrics::mean_and_deviation;
use tl::{AdaptRequest, RunRecord, Status, prepare_adaptation};

use crate::adapt::fit;
use crate::adapt_flags::Adapt;
use crate::adapt_summary::{Outcome, interval};
use crate::failure::Failure;
use crate::finetune::resume_words;
use crate::output;
use crate::seeds::{folder_of_runs, last_seed, write_summary};

/// `summary.json`, and what `--json` prints.
#[derive(Serialize)]
struct Summary {
    command: String,
    seeds: Vec<u64>,
    validator: &'static str,
    /// Mean and sample deviation of the chosen weights' accuracy on target labels, which chose nothing.
    oracle: Option<[f64; 2]>,
    /// The mean of what the best epoch of any method would have given more.
    gap_to_best_epoch: Option<f64>,
    runs: Vec<Outcome>,
}

/// Makes `count` runs in folders `seed-N` of one folder.
pub fn run(verb: &Adapt, request: AdaptRequest, count: u64) -> Result<(), Failure> {
    let first = request.options.settings.seed;
    let last = last_seed(first, count)?;
    let out = folder_of_runs(request.out.as_deref(), || {
        Ok(prepare_adaptation(request.clone()).map(drop)?)
    })?;
    let resume = resume_words(verb.run.out.is_some(), verb.run.resume);
    let resume = |_: &Path| resume(&out);
    let mut runs = Vec::new();
    for seed in first..=last {
        let mut request = request.clone();
        request.options.settings.seed = seed;
        let folder = out.join(format!("seed-{seed}"));
        request.out = Some(folder.clone());
        let record = match finished(&request, &folder) {
            Some(record) => {
                output::tell(&format!("seed {seed}: finished already"));
                record
            }
            None => {
                output::tell(&format!("seed {seed}, {} of {count}", seed - first + 1));
                fit(request, &resume, &mut verb.machine.display())?.record
            }
        };
        let outcome = Outcome::new(&folder, &record)?;
        if verb.compare.is_some() {
            outcome.write_table(&folder)?;
        }
        runs.push(outcome);
    }
    let summary = Summary::new(request.command, runs);
    write_summary(&out, &summary)?;
    if verb.machine.json { output::object(&summary) } else { output::print(&summary.text(&out)) }
}

/// The record of a run that a resume need not touch: finished, with the same options and source.
fn finished(request: &AdaptRequest, folder: &Path) -> Option<RunRecord> {
    let record = RunRecord::read(folder).ok().filter(|_| request.resume)?;
    let same = record.adaptation.as_ref().is_some_and(|found| found.options == request.options)
        && record.data.fingerprint == request.source.items().fingerprint()
        && record.status == Status::Finished;
    same.then_some(record)
}

impl Summary {
    fn new(command: String, runs: Vec<Outcome>) -> Self {
        let accuracies: Vec<f64> =
            runs.iter().filter_map(|run| Some(run.oracle.as_ref()?.accuracy)).collect();
        let gaps: Vec<f64> = runs
            .iter()
            .filter_map(|run| {
                let best =
                    run.candidates.iter().filter_map(|one| Some(one.oracle.as_ref()?.best_epoch));
                Some(best.fold(f64::NAN, f64::max) - run.oracle.as_ref()?.accuracy)
            })
            .collect();
        let spread = |values: &[f64]| (!values.is_empty()).then(|| mean_and_deviation(values));
        Self {
            command,
            seeds: runs.iter().map(|run| run.seed).collect(),
            validator: runs.first().map_or("", |run| run.validator),
            oracle: spread(&accuracies).map(|(mean, deviation)| [mean, deviation]),
            gap_to_best_epoch: spread(&gaps).map(|(mean, _)| mean),
            runs,
        }
    }

    /// The same for a person.
    fn text(&self, out: &Path) -> String {
        let mut text = format!("epochs chosen by {}, without target labels\n", self.validator);
        text += "seed  method         epoch  oracle\n";
        for run in &self.runs {
            let oracle = run.oracle.as_ref().map_or("–".to_string(), interval);
            text += &format!("{:>4}  {:14} {:>5}  {oracle}\n", run.seed, run.method, run.epoch);
        }
        if let (Some([mean, deviation]), Some(gap)) = (self.oracle, self.gap_to_best_epoch) {
            text += &format!(
                "oracle {:.1} ± {:.1} % (mean ± deviation of {} seeds); the best epoch of any method has {:.1} points more\n",
                100.0 * mean,
                100.0 * deviation,
                self.runs.len(),
                100.0 * gap
            );
        }
        text + &format!("runs: {0}/seed-N · {0}/summary.json\n", out.display())
    }
}
