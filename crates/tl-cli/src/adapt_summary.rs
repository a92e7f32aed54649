//! What `tl adapt` prints and writes beside a run: the choice, the oracle, both domains, the table of methods.

use std::path::Path;

use serde::Serialize;
use tl::adapt::{AdaptRecord, Candidate, ClassChange, LN_2_NOTE, OracleRecord, TargetRecord};
use tl::adaptation::Validator;
use tl::data::Skipped;
use tl::train::files::write_bytes;
use tl::{PreparedAdaptation, RunRecord};

use crate::class_counts::{ClassCounts, labelled, table};
use crate::failure::Failure;
use crate::output;

/// A finished adaptation, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub run: String,
    pub seed: u64,
    pub network: String,
    pub source: String,
    pub target: TargetRecord,
    /// What chose, without target labels.
    pub validator: &'static str,
    pub method: String,
    /// What chose the method among the candidates.
    pub chosen_by: Vec<&'static str>,
    #[serde(skip)]
    choice: String,
    /// Counted from 1 over the method's own epochs.
    pub epoch: usize,
    /// On target labels; it chose nothing.
    pub oracle: Option<OracleRecord>,
    pub a_distance: [Option<f64>; 2],
    pub warnings: Vec<String>,
    pub candidates: Vec<Candidate>,
    pub classes: Vec<ClassChange>,
    pub seconds: f64,
    pub skipped: Vec<Skipped>,
    pub report: String,
}

impl Outcome {
    /// Of the run with this record in `folder`.
    ///
    /// # Errors
    /// A record of a fitting, or of an adaptation that is not finished.
    pub fn new(folder: &Path, record: &RunRecord) -> Result<Self, Failure> {
        let found: Option<(&AdaptRecord, &Candidate)> =
            record.adaptation.as_ref().and_then(|found| Some((found, found.chosen()?)));
        let Some((found, chosen)) = found else {
            return Err(Failure::input(format!(
                "{} holds no finished adaptation; choose another --out",
                folder.display()
            )));
        };
        Ok(Self {
            run: folder.to_string_lossy().into_owned(),
            seed: found.options.settings.seed,
            network: record.network.clone(),
            source: record.data.path.clone(),
            target: found.target.clone(),
            validator: found.validator.name(),
            method: found.method.clone(),
            chosen_by: found.chosen_by().into_iter().map(Validator::name).collect(),
            choice: found.choice_in_words(),
            epoch: chosen.epoch,
            oracle: chosen.oracle.clone(),
            a_distance: chosen.a_distance,
            warnings: chosen.warnings.clone(),
            candidates: found.candidates.clone(),
            classes: found.classes.clone(),
            seconds: found.candidates.iter().map(|candidate| candidate.seconds).sum(),
            skipped: record.skipped.clone(),
            report: folder.join("report.html").to_string_lossy().into_owned(),
        })
    }

    fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.method == self.method)
    }

    /// The same for a person.
    pub fn text(&self) -> String {
        let mut text = if self.candidates.len() > 1 { self.table() + "\n" } else { String::new() };
        text += &format!("chosen: {} (no target label)\n", self.choice);
        text += &match &self.oracle {
            Some(oracle) => {
                let part = match self.target.own_test_part {
                    true => "the target's test part",
                    false => "the target images that were adapted to",
                };
                format!(
                    "oracle: {} on {part}; best epoch {:.1} %, worst {:.1} %\n",
                    interval(oracle),
                    100.0 * oracle.best_epoch,
                    100.0 * oracle.worst_epoch
                )
            }
            None => "oracle: none, the target has no labels that are looked at\n".to_string(),
        };
        let [before, after] = self.a_distance.map(|distance| match distance {
            Some(distance) => format!("{distance:.2}"),
            None => "unknown".into(),
        });
        text += &format!("A-distance: {before} before, {after} after (0 alike, 2 apart)\n");
        let note = |name| self.chosen().and_then(|chosen| chosen.notes.get(name));
        if let (Some(accuracy), Some(lambda)) = (note("domain_accuracy"), note("lambda")) {
            text += &format!(
                "domain classifier: accuracy {:.1} %, lambda {lambda:.3} in the last epoch\n  note: {LN_2_NOTE}\n",
                100.0 * accuracy
            );
        }
        text += &self.classes_text();
        for warning in &self.warnings {
            text += &format!("warning: {warning}\n");
        }
        text += &output::skipped(&self.skipped);
        text + &format!("run: {} · report: {} · {:.1} s\n", self.run, self.report, self.seconds)
    }

    fn classes_text(&self) -> String {
        /// More classes than these are told in the report alone.
        const SHOWN: usize = 20;
        let label = |class: &ClassChange| class.class.chars().count();
        let width = self.classes.iter().map(label).max().unwrap_or(0).max(5);
        let mut text = format!("\n{:width$}  predicted on the target", "class");
        let known = self.classes.iter().any(|class| class.oracle_recall.is_some());
        text += if known { "  oracle: found\n" } else { "\n" };
        for class in self.classes.iter().take(SHOWN) {
            let [before, after] = class.predicted;
            text += &format!("{:width$}  {before:>10} → {after}", class.class);
            text += &match class.oracle_recall {
                Some([found, now]) => format!(
                    "{:pad$}  {:>5.1} → {:>5.1} % ({:+.1})\n",
                    "",
                    100.0 * found,
                    100.0 * now,
                    100.0 * (now - found),
                    pad = 10 - after.to_string().len().min(10)
                ),
                None => "\n".to_string(),
            };
        }
        if self.classes.len() > SHOWN {
            text += &format!("and {} more classes, in the report\n", self.classes.len() - SHOWN);
        }
        text + "\n"
    }

    /// The methods side by side.
    pub fn table(&self) -> String {
        let validator = self.validator;
        let wide = validator.len().max(8);
        let mut text = format!(
            "{:14} epoch  {validator:>wide$}  {:>28}  best epoch  worst epoch  seconds\n",
            "method", "oracle"
        );
        for candidate in &self.candidates {
            let score = candidate.scores.0.iter().find(|(known, _)| known.name() == validator);
            let score = score.map_or("–".to_string(), |(known, score)| {
                match candidate.trains_on.contains(known) {
                    true => format!("({score:.4})"),
                    false => format!("{score:.4}"),
                }
            });
            let [oracle, best, worst] = match &candidate.oracle {
                Some(found) => [
                    format!(
                        "{:.1} % ({:.1}–{:.1}), n = {}",
                        100.0 * found.accuracy,
                        100.0 * found.interval[0],
                        100.0 * found.interval[1],
                        found.n
                    ),
                    format!("{:.1} %", 100.0 * found.best_epoch),
                    format!("{:.1} %", 100.0 * found.worst_epoch),
                ],
                None => ["–", "–", "–"].map(str::to_string),
            };
            let mark = if candidate.method == self.method { " *" } else { "" };
            let name = format!("{}{mark}", candidate.method);
            text += &format!(
                "{name:14} {:>5}  {score:>wide$}  {oracle:>28}  {best:>10}  {worst:>11}  {:>7.1}\n",
                candidate.epoch, candidate.seconds
            );
        }
        text +=
            "* chosen, without target labels; the oracle is measured on them and chose nothing\n";
        let set_aside = self.candidates.iter().any(|one| !one.trains_on.is_empty());
        if set_aside {
            text += "(score) the method trains on it, so that it does not judge the method\n";
        }
        text
    }

    /// Writes the table beside the run, as text and as JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_table(&self, folder: &Path) -> Result<(), Failure> {
        write_bytes(&folder.join("compare.txt"), self.table().as_bytes())?;
        let text = serde_json::to_string_pretty(&self.candidates).map_err(|reason| {
            Failure::input(format!("compare.json cannot be written: {reason}"))
        })?;
        Ok(write_bytes(&folder.join("compare.json"), text.as_bytes())?)
    }
}

/// `91.7 % (95 % interval 64.6–98.5 %, n = 12)`
pub fn interval(found: &OracleRecord) -> String {
    let [low, high] = found.interval;
    format!(
        "{:.1} % (95 % interval {:.1}–{:.1} %, n = {})",
        100.0 * found.accuracy,
        100.0 * low,
        100.0 * high,
        found.n
    )
}

/// One line before the work begins.
pub fn headline(prepared: &PreparedAdaptation, folder: &Path) -> String {
    let RunRecord { network, options, data, labels, device, .. } = &prepared.record;
    let (target, adapted, test) = prepared.target();
    let noun = prepared.record.preprocess.noun();
    format!(
        "{network} ({}) on {device}: {} classes; source {}: {} training and {} validation {noun}; target {target}: {adapted} \
         {noun} without labels, {test} for the oracle; methods: {}; run: {}",
        options.weights,
        labels.len(),
        data.path,
        data.train,
        data.validation,
        prepared.methods().join(", "),
        folder.display()
    )
}

/// What `--dry-run --json` prints.
#[derive(Serialize)]
struct DryRun<'a> {
    dry_run: bool,
    network: &'a str,
    weights: &'a str,
    preprocess: &'a tl::record::Preprocessing,
    source: &'a str,
    classes: Vec<ClassCounts<'a>>,
    target: &'a str,
    target_images: usize,
    /// Labelled images of the target that the oracle would be measured on.
    oracle_images: usize,
    methods: Vec<String>,
    notes: Vec<String>,
    trainable_report: &'a Option<tl::core::TrainableReport>,
    load_report: &'a Option<tl::models::weights::LoadReport>,
}

/// What would be done, without doing it.
pub fn dry_run(prepared: &PreparedAdaptation, json: bool) -> Result<(), Failure> {
    let record = &prepared.record;
    let (source, split) = prepared.source();
    let (target, target_images, oracle_images) = prepared.target();
    let notes: Vec<String> = prepared.notes.iter().cloned().chain(split.notes()).collect();
    let found = DryRun {
        dry_run: true,
        network: &record.network,
        weights: &record.options.weights,
        preprocess: &record.preprocess,
        source: &record.data.path,
        classes: ClassCounts::all(source, split),
        target,
        target_images,
        oracle_images,
        methods: prepared.methods(),
        notes,
        trainable_report: &record.trainable_report,
        load_report: &record.load_report,
    };
    if json {
        return output::object(&found);
    }
    let mut text = format!(
        "{} ({}), {}, on {}\n\nsource {}:\n{}\ntarget {target}: {target_images} {} without labels, \
         {oracle_images} for the oracle\nmethods: {}\n",
        found.network,
        found.weights,
        found.preprocess,
        record.device,
        found.source,
        table(&found.classes, labelled(source, split)),
        record.preprocess.noun(),
        found.methods.join(", ")
    );
    for note in &found.notes {
        text += &format!("note: {note}\n");
    }
    if let Some(load) = found.load_report {
        text += &format!("\n{}\n", load.to_string().trim_end());
    }
    if let Some(report) = found.trainable_report {
        text += &format!("\neach method trains:\n{report}\n");
    }
    output::print(&(text + "nothing was written\n"))
}
