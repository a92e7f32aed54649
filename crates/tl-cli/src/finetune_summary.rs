//! What `tl finetune` prints: before, after, and instead of a run.

use std::path::Path;

use serde::Serialize;
use tl::core::TrainableReport;
use tl::data::Skipped;
use tl::train::metrics::Evaluation;
use tl::{Prepared, Run, RunRecord};

use crate::class_counts::{ClassCounts, table};
use crate::failure::Failure;
use crate::output;

/// A finished run, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub run: String,
    pub seed: u64,
    pub network: String,
    /// On the test part, measured once.
    pub test: Option<Evaluation>,
    pub validation: Option<Evaluation>,
    /// Which weights were kept.
    pub kept: Option<String>,
    pub trained_parameters: u64,
    pub steps: u64,
    pub seconds: f64,
    pub skipped: Vec<Skipped>,
    pub report: String,
}

impl Outcome {
    pub fn new(run: &Run) -> Self {
        Self::of(&run.folder, &run.record)
    }

    /// Of the run with this record in `folder`.
    pub fn of(folder: &Path, record: &RunRecord) -> Self {
        Self {
            run: folder.to_string_lossy().into_owned(),
            seed: record.options.settings.seed,
            network: record.network.clone(),
            test: record.test.clone(),
            validation: record.validation.clone(),
            kept: record.kept.clone(),
            trained_parameters: record
                .trainable_report
                .as_ref()
                .map_or(0, TrainableReport::trainable),
            steps: record.steps,
            seconds: record.seconds,
            skipped: record.skipped.clone(),
            report: folder.join("report.html").to_string_lossy().into_owned(),
        }
    }

    /// The part that speaks for new data: test where there is one, else validation.
    pub fn measured(&self) -> Option<(&'static str, &Evaluation)> {
        let test = self.test.as_ref().map(|found| ("test", found));
        test.or(self.validation.as_ref().map(|found| ("validation", found)))
    }

    /// The same for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (part, found) in [("test", &self.test), ("validation", &self.validation)] {
            if let Some(found) = found.as_ref().and_then(|it| it.entities.as_ref()) {
                let score = output::share(found.usual.micro.f1, found.interval, found.usual.n);
                text += &format!("{part} F1 of entities {score}\n");
            }
        }
        if let Some(found) = &self.test {
            text += &format!("test accuracy {}\n", output::accuracy(found));
        }
        if let Some(found) = &self.validation {
            text += &format!("validation accuracy {}\n", output::accuracy(found));
        }
        if self.test.is_none() {
            text += "no test part: no figure here speaks for new data\n";
        }
        text += &format!(
            "kept: {} · {} parameters trained · {} steps · {:.1} s\n",
            self.kept.as_deref().unwrap_or("nothing"),
            output::thousands(self.trained_parameters),
            self.steps,
            self.seconds
        );
        text += &output::skipped(&self.skipped);
        text + &format!("run: {} · report: {}\n", self.run, self.report)
    }
}

/// One line before the work begins.
pub fn headline(prepared: &Prepared, folder: &Path) -> String {
    let RunRecord { network, options, data, labels, device, preprocess, .. } = &prepared.record;
    format!(
        "{network} ({}) on {device}: {} classes, {} training, {} validation and {} test {}; run: {}",
        options.weights,
        labels.len(),
        data.train,
        data.validation,
        data.test,
        preprocess.noun(),
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
    classes: Vec<ClassCounts<'a>>,
    notes: Vec<String>,
    trainable_report: &'a TrainableReport,
    load_report: &'a Option<tl::models::weights::LoadReport>,
}

/// What would be done, without doing it.
pub fn dry_run(prepared: &Prepared, json: bool) -> Result<(), Failure> {
    let Prepared { data, split, report, record, .. } = prepared;
    let classes = ClassCounts::all(data.items(), split);
    let notes = [split.notes(), data.notes()].concat();
    if json {
        return output::object(&DryRun {
            dry_run: true,
            network: &record.network,
            weights: &record.options.weights,
            preprocess: &record.preprocess,
            classes,
            notes,
            trainable_report: report,
            load_report: &record.load_report,
        });
    }
    let mut text = format!(
        "{} ({}), {}, on {}\n\n{}",
        record.network,
        record.options.weights,
        record.preprocess,
        record.device,
        table(&classes)
    );
    for note in &notes {
        text += &format!("note: {note}\n");
    }
    if let Some(load) = &record.load_report {
        text += &format!("\n{}\n", load.to_string().trim_end());
    }
    output::print(&format!("{text}\n{report}\nnothing was written\n"))
}
