//! What `tl finetune` prints: before, after, and instead of a run.

use std::path::Path;

use serde::Serialize;
use tl::core::TrainableReport;
use tl::data::Skipped;
use tl::numbers::NumbersRecord;
use tl::several::SeveralRecord;
use tl::train::metrics::{Evaluation, Regression, SeveralLabels};
use tl::{Prepared, Run, RunRecord};

use crate::output;

/// How good a run is, by what it answers with.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Figures {
    Classes(Box<Evaluation>),
    Numbers(Regression),
    Several(SeveralLabels),
}

impl Figures {
    /// Of classes.
    pub fn classes(&self) -> Option<&Evaluation> {
        match self {
            Self::Classes(found) => Some(found),
            Self::Numbers(_) | Self::Several(_) => None,
        }
    }

    /// Of numbers.
    pub fn numbers(&self) -> Option<&Regression> {
        match self {
            Self::Numbers(found) => Some(found),
            Self::Classes(_) | Self::Several(_) => None,
        }
    }

    /// The same of one part for a person.
    fn line(&self, part: &str) -> String {
        match self {
            Self::Classes(found) => format!("{part} accuracy {}\n", output::accuracy(found)),
            Self::Numbers(found) => format!("{part} {found}\n"),
            Self::Several(found) => format!("{part} {found}\n"),
        }
    }
}

/// A finished run, as `--json` prints it.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub run: String,
    pub seed: u64,
    pub network: String,
    /// On the test part, measured once.
    pub test: Option<Figures>,
    pub validation: Option<Figures>,
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
        let [test, validation] = match (&record.numbers, &record.several) {
            (None, Some(SeveralRecord { test, validation })) => {
                [test, validation].map(|part| part.clone().map(Figures::Several))
            }
            (Some(NumbersRecord { test, validation, .. }), _) => {
                [test, validation].map(|part| part.map(Figures::Numbers))
            }
            (None, None) => [&record.test, &record.validation]
                .map(|part| part.clone().map(|found| Figures::Classes(Box::new(found)))),
        };
        Self {
            run: folder.to_string_lossy().into_owned(),
            seed: record.options.settings.seed,
            network: record.network.clone(),
            test,
            validation,
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
    pub fn measured(&self) -> Option<(&'static str, &Figures)> {
        let test = self.test.as_ref().map(|found| ("test", found));
        test.or(self.validation.as_ref().map(|found| ("validation", found)))
    }

    /// The same for a person.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (part, found) in [("test", &self.test), ("validation", &self.validation)] {
            let entities = found.as_ref().and_then(|it| it.classes()?.entities.as_ref());
            if let Some(found) = entities {
                let score = output::share(found.usual.micro.f1, found.interval, found.usual.n);
                text += &format!("{part} F1 of entities {score}\n");
            }
        }
        for (part, found) in [("test", &self.test), ("validation", &self.validation)] {
            text += &found.as_ref().map_or(String::new(), |found| found.line(part));
        }
        if let Some((_, Figures::Classes(found))) = self.measured() {
            text += &output::figures(found);
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
    let answers = match options.text.numbers {
        true => "a number".to_string(),
        false => format!("{} classes", labels.len()),
    };
    format!(
        "{network} ({}) on {device}: {answers}, {} training, {} validation and {} test {}; run: {}",
        options.weights,
        data.train,
        data.validation,
        data.test,
        preprocess.noun(),
        folder.display()
    )
}

/// The earlier tasks that a run is held to, in a line; nothing where there is none.
pub fn earlier(prepared: &Prepared) -> Option<String> {
    let tasks = &prepared.record.earlier;
    let each = tasks.iter().map(|task| match task.examples {
        0 => format!("{} ({} classes)", task.run, task.classes),
        kept => format!("{} ({} classes, {kept} examples kept)", task.run, task.classes),
    });
    let each: Vec<String> = each.collect();
    let line = format!("held to earlier tasks: {}", each.join(", "));
    let bytes: u64 = tasks.iter().map(|task| task.bytes).sum();
    let room = if bytes > 0 { format!("; {:.1} kB", bytes as f64 / 1e3) } else { String::new() };
    (!tasks.is_empty()).then(|| line + &room)
}
