//! A run in a line of a table.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use tl_adapt::Validator;
use tl_train::metrics::{Evaluation, Regression, SeveralLabels};
use tl_train::progress::METRICS;

use crate::language::Found;
use crate::{Recipe, RunRecord};

/// What a figure is counted in, and which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 1; more is better.
    Share,
    /// More is better.
    Number,
    /// Less is better.
    Falling,
}

/// What tells how good a pre-training's features are.
const NEIGHBOURS: &str = "k-NN accuracy";

/// How good a run is on one part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartFigure {
    /// `accuracy`, `F1 of entities`, `mAP`, `R²`, `perplexity` …
    pub name: String,
    pub value: f64,
    /// The 95 % interval, `[low, high]`.
    pub interval: Option<[f64; 2]>,
    /// Number of what was measured.
    pub n: Option<u64>,
    #[serde(skip)]
    pub unit: Unit,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunLine {
    /// Its folder.
    pub run: String,
    pub network: String,
    /// The recipe of a fitting, the method of an adaptation or a pre-training.
    pub method: String,
    /// What its data is called.
    pub data: String,
    /// Parameters of the phase that trains most.
    pub trained: Option<u64>,
    pub epochs: Option<usize>,
    pub seconds: f64,
    pub validation: Option<PartFigure>,
    pub test: Option<PartFigure>,
    pub seed: u64,
    /// Which weights were kept.
    pub kept: Option<String>,
    /// The validation figure by epoch.
    #[serde(skip)]
    pub curve: Vec<(u64, f64)>,
    /// Equal for runs with the same validation and test part of the same data.
    #[serde(skip)]
    pub parts: String,
    /// Equal for runs that differ in the seed alone.
    #[serde(skip)]
    pub setting: String,
}

impl RunLine {
    /// Of the run in `folder` with this record; what is not there is left open.
    pub fn of(folder: &Path, record: &RunRecord) -> Self {
        let rows = rows(folder);
        let planned = || record.plan.phases.iter().map(|phase| phase.epochs).sum();
        let phases = record.trainable_report.iter().flat_map(|report| &report.phases);
        let (validation, test) = figures(record);
        let options = &record.options;
        let seed = match &record.adaptation {
            Some(found) => found.options.settings.seed,
            None => options.settings.seed,
        };
        let data = match &record.adaptation {
            Some(found) => format!("{} to {}", record.data.path, found.target.path),
            None => record.data.path.clone(),
        };
        Self {
            run: folder.display().to_string(),
            network: record.network.clone(),
            method: method(record),
            data,
            trained: phases.map(|it| it.stages.iter().map(|row| row.trainable).sum()).max(),
            epochs: Some(if rows.is_empty() { planned() } else { rows.len() }),
            seconds: record.seconds,
            curve: curve(record, &rows, validation.as_ref()),
            validation,
            test,
            seed,
            kept: record.kept.clone(),
            parts: parts(folder, record, seed),
            setting: setting(record),
        }
    }
}

fn method(record: &RunRecord) -> String {
    if let Some(found) = &record.adaptation {
        return found.method.clone();
    }
    if let Some(found) = &record.pretraining {
        return found.options.method.clone();
    }
    let tuning = &record.options.tuning;
    let known = Recipe::ALL.iter().find(|(_, recipe)| *recipe == tuning.recipe);
    let name = known.map_or("", |(name, _)| name);
    match (&tuning.adapter, tuning.recipe) {
        (Some(adapter), Recipe::Lora) => adapter.to_string(),
        _ => name.to_string(),
    }
}

/// How good it is on the validation and on the test part. Of an adaptation: what chose, without target labels, and the oracle.
fn figures(record: &RunRecord) -> (Option<PartFigure>, Option<PartFigure>) {
    if let Some(adaptation) = &record.adaptation {
        let chosen = adaptation.chosen();
        let score = chosen.and_then(|it| judged(adaptation.validator, &it.scores));
        let oracle = chosen.and_then(|it| it.oracle.as_ref()).map(|it| PartFigure {
            interval: Some(it.interval),
            n: Some(it.n),
            ..PartFigure::new("oracle accuracy", it.accuracy, Unit::Share)
        });
        return (score, oracle);
    }
    if let Some(pretraining) = &record.pretraining {
        let near = pretraining.knn()[1].map(|value| PartFigure {
            n: Some(pretraining.probe[1] as u64),
            ..PartFigure::new(NEIGHBOURS, value, Unit::Share)
        });
        return (near, None);
    }
    if let Some(several) = &record.several {
        let of = |found: &Option<SeveralLabels>| found.as_ref().and_then(PartFigure::of_labels);
        return (of(&several.validation), of(&several.test));
    }
    let language = record.language.as_ref();
    let numbers = record.numbers.as_ref();
    let of = |measured: &Option<Evaluation>, found: Option<&Found>, number: Option<&Regression>| {
        let classes = measured.as_ref().map(PartFigure::of_classes);
        let texts = || found.map(PartFigure::of_texts);
        classes.or_else(texts).or_else(|| number.and_then(PartFigure::of_numbers))
    };
    (
        of(
            &record.validation,
            language.and_then(|it| it.validation.as_ref()),
            numbers.and_then(|it| it.validation.as_ref()),
        ),
        of(
            &record.test,
            language.and_then(|it| it.test.as_ref()),
            numbers.and_then(|it| it.test.as_ref()),
        ),
    )
}

/// The score of what chose, where it says something by itself: the ensemble ranks the candidates of one run.
fn judged(validator: Validator, scores: &tl_adapt::Scores) -> Option<PartFigure> {
    let unit = match validator {
        Validator::Ensemble => return None,
        Validator::SourceAccuracy => Unit::Share,
        _ => Unit::Number,
    };
    Some(PartFigure::new(validator.name(), scores.get(validator)?, unit))
}

impl PartFigure {
    fn new(name: &str, value: f64, unit: Unit) -> Self {
        Self { name: name.to_string(), value, interval: None, n: None, unit }
    }

    fn of_classes(found: &Evaluation) -> Self {
        match &found.entities {
            Some(entities) => Self {
                interval: Some(entities.interval),
                n: Some(entities.usual.n),
                ..Self::new("F1 of entities", entities.usual.micro.f1, Unit::Share)
            },
            None => Self {
                interval: Some(found.interval),
                n: Some(found.n),
                ..Self::new("accuracy", found.accuracy, Unit::Share)
            },
        }
    }

    fn of_texts(found: &Found) -> Self {
        match found {
            Found::Language(it) => Self {
                interval: it.interval,
                n: Some(it.n),
                ..Self::new("perplexity", it.perplexity, Unit::Falling)
            },
            Found::Pairs(it) => Self {
                interval: Some(it.interval),
                n: Some(it.n),
                ..Self::new("own text found first", it.first, Unit::Share)
            },
        }
    }

    fn of_numbers(found: &Regression) -> Option<Self> {
        Some(Self { n: Some(found.n), ..Self::new("R²", found.r2?, Unit::Number) })
    }

    fn of_labels(found: &SeveralLabels) -> Option<Self> {
        let value = found.mean_average_precision?;
        Some(Self { n: Some(found.n), ..Self::new("mAP", value, Unit::Number) })
    }

    /// Whether it is measured on the way to a network that answers, and not of one that does.
    pub fn is_provisional(&self) -> bool {
        self.name == NEIGHBOURS
    }

    /// Whether `value` is better than `other` by this figure.
    pub fn is_better(&self, value: f64, other: f64) -> bool {
        match self.unit {
            Unit::Share | Unit::Number => value > other,
            Unit::Falling => value < other,
        }
    }

    /// The value, its interval and n: `91.7 % (64.6–98.5 %, n = 12)`.
    pub fn text(&self) -> String {
        let mut more = Vec::new();
        if let Some([low, high]) = self.interval {
            more.push(match self.unit {
                Unit::Share => format!("{:.1}–{:.1} %", 100.0 * low, 100.0 * high),
                _ => format!("{low:.2}–{high:.2}"),
            });
        }
        more.extend(self.n.map(|n| format!("n = {n}")));
        let value = self.unit.text(self.value);
        if more.is_empty() { value } else { format!("{value} ({})", more.join(", ")) }
    }
}

impl Unit {
    /// A value by itself.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Share => format!("{:.1} %", 100.0 * value),
            Self::Number => format!("{value:.3}"),
            Self::Falling => format!("{value:.2}"),
        }
    }

    /// A mean and its deviation.
    pub fn spread(self, mean: f64, deviation: f64) -> String {
        match self {
            Self::Share => format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * deviation),
            Self::Number => format!("{mean:.3} ± {deviation:.3}"),
            Self::Falling => format!("{mean:.2} ± {deviation:.2}"),
        }
    }
}

/// The lines of `metrics.jsonl`; a line that is damaged is passed over.
fn rows(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(METRICS)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The figure of the validation part by epoch, as far as the run noted it down.
fn curve(record: &RunRecord, rows: &[Value], figure: Option<&PartFigure>) -> Vec<(u64, f64)> {
    let Some(figure) = figure else { return Vec::new() };
    if let Some(found) = &record.adaptation {
        let score = |row: &tl_adapt::AdaptRow| row.scores.get(found.validator);
        return found.rows.iter().filter_map(|row| Some((row.epoch as u64, score(row)?))).collect();
    }
    let (key, exponent) = match figure.name.as_str() {
        "accuracy" => ("validation_accuracy", false),
        "F1 of entities" => ("validation_f1", false),
        "mAP" => ("validation_map", false),
        "R²" => ("validation_r2", false),
        NEIGHBOURS => ("knn", false),
        "perplexity" => ("validation_loss", true),
        _ => return Vec::new(),
    };
    let point = |row: &Value| {
        let value = row.get(key)?.as_f64()?;
        Some((row.get("epoch")?.as_u64()?, if exponent { value.exp() } else { value }))
    };
    rows.iter().filter_map(point).collect()
}

/// What the validation and the test part are: the data and, where the run wrote it, which items belong to which of them.
fn parts(folder: &Path, record: &RunRecord, seed: u64) -> String {
    let target = record.adaptation.as_ref().map(|it| &it.target.fingerprint);
    let measured = |line: &&str| line.ends_with(",validation") || line.ends_with(",test");
    let split = match std::fs::read_to_string(folder.join("split.csv")) {
        Ok(text) => text.lines().filter(measured).collect::<Vec<_>>().join("\n"),
        Err(_) => format!("{:?} {seed}", record.options.split),
    };
    format!("{} {target:?} {split}", record.data.fingerprint)
}

/// All that was asked for but the seed.
fn setting(record: &RunRecord) -> String {
    // The name of random weights holds the seed.
    let weights = (!record.weights_key.starts_with("random")).then_some(&record.weights_key);
    let target = record.adaptation.as_ref().map(|it| &it.target);
    let mut asked = json!({
        "network": record.network,
        "options": record.options,
        "adaptation": record.adaptation.as_ref().map(|it| &it.options),
        "pretraining": record.pretraining.as_ref().map(|it| &it.options),
        "target": target.map(|it| &it.fingerprint),
        "data": record.data.fingerprint,
        "weights": weights,
        "earlier": record.earlier.len(),
    });
    forget_seeds(&mut asked);
    asked.to_string()
}

fn forget_seeds(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.remove("seed");
            entries.values_mut().for_each(forget_seeds);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_seeds),
        _ => {}
    }
}
