//! The demonstration: a part of Fashion-MNIST, a few ways to fit it, and what each gives.
//!
//! A cell of its table is one method at one number of images per class with one seed. Every cell is
//! computed by the same facade that fits a user's own data.

use std::time::Instant;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::NormPolicy;
use tl_data::{Images, Split};
use tl_train::logistic::{Examples, Options, fit_chosen};
use tl_train::metrics::Evaluation;
use tl_train::{EpochRow, Keep, Progress, Settings, fit::CANDIDATES};

use crate::finetune::{Outcome, prepare};
use crate::{Error, FinetuneOptions, Recipe, Request, Tuning, embedded};

/// Pixels of the images that frozen features are taken from, and of those that are trained on.
const PROBE_SIZE: usize = 128;
const TRAIN_SIZE: usize = 96;

/// The ways to fit that the table compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Logistic regression on pixels.
    Raw,
    /// The same network from initial values.
    Scratch,
    /// Logistic regression on frozen features.
    Probe,
    /// Every stage trained, norm statistics frozen.
    Finetune,
    /// Fine-tuning whose rates fall from the head to the first stage.
    LayerDecay,
    /// Fine-tuning that begins with a probe and unfreezes stage after stage.
    Gradual,
    /// Gradual unfreezing with falling rates.
    All,
}

impl Method {
    /// All methods, in the order of the table.
    pub const ALL: [Method; 7] = [
        Method::Raw,
        Method::Scratch,
        Method::Probe,
        Method::Finetune,
        Method::LayerDecay,
        Method::Gradual,
        Method::All,
    ];

    /// The name in cells and flags.
    pub fn name(self) -> &'static str {
        match self {
            Method::Raw => "raw",
            Method::Scratch => "scratch",
            Method::Probe => "probe",
            Method::Finetune => "finetune",
            Method::LayerDecay => "layer_decay",
            Method::Gradual => "gradual",
            Method::All => "all",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Method::Raw => "raw pixels, logistic regression",
            Method::Scratch => "the same network from scratch",
            Method::Probe => "probe: frozen features, logistic regression",
            Method::Finetune => "fine-tuning, every stage",
            Method::LayerDecay => "fine-tuning + layer-wise decay",
            Method::Gradual => "fine-tuning + gradual unfreezing",
            Method::All => "fine-tuning + both",
        }
    }
}

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cell {
    pub method: Method,
    /// Training images of each class.
    pub shots: usize,
    pub seed: u64,
}

impl Cell {
    /// The cells of the short demonstration.
    pub fn short() -> Vec<Cell> {
        let methods = [Method::Raw, Method::Probe, Method::Finetune];
        methods.map(|method| Cell { method, shots: 20, seed: 0 }).to_vec()
    }

    /// The cells of the full table, the cheap ones first.
    pub fn full() -> Vec<Cell> {
        let mut cells = Vec::new();
        for shots in [5, 20, 100] {
            for seed in 0..3 {
                cells.extend(Method::ALL.map(|method| Cell { method, shots, seed }));
            }
        }
        cells
    }
}

impl std::str::FromStr for Cell {
    type Err = Error;

    /// `METHOD:SHOTS:SEED`
    fn from_str(text: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = text.split(':').collect();
        let parsed = match parts.as_slice() {
            [method, shots, seed] => {
                let method = Method::ALL.into_iter().find(|known| known.name() == *method);
                method.zip(shots.parse().ok()).zip(seed.parse().ok())
            }
            _ => None,
        };
        let names: Vec<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        parsed.map(|((method, shots), seed)| Cell { method, shots, seed }).ok_or_else(|| {
            Error::options(
                format!("\"{text}\" is no cell of the table"),
                format!("write METHOD:SHOTS:SEED with a method of {}", names.join(", ")),
            )
        })
    }
}

/// What a cell gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellResult {
    #[serde(flatten)]
    pub cell: Cell,
    /// On the first 1,000 test images.
    pub accuracy: f64,
    pub interval: [f64; 2],
    pub n: u64,
    /// On the validation part: what a choice among methods may look at.
    pub validation_accuracy: f64,
    pub trained_parameters: u64,
    /// Of fitting, validation included, the final measurement not.
    pub seconds: f64,
    /// Seconds since the beginning and validation accuracy, as far as epochs were validated.
    pub course: Vec<(f64, f64)>,
}

/// How cells are computed.
pub struct Conditions {
    pub device: Device,
    pub device_name: String,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    /// Whether the short demonstration is made, which fits into 90 seconds on two cores.
    pub short: bool,
}

/// Computes one cell.
///
/// # Errors
/// When the device fails.
pub fn run(
    cell: Cell,
    conditions: &Conditions,
    progress: &mut dyn Progress,
) -> Result<CellResult, Error> {
    let images = embedded::fashion_mnist()?;
    match cell.method {
        Method::Raw => raw(cell, &images),
        _ => network(cell, images, conditions, progress),
    }
}

/// Logistic regression on the grey values, 0..1, of the 28×28 images.
fn raw(cell: Cell, images: &Images) -> Result<CellResult, Error> {
    let started = Instant::now();
    let split: Split =
        images.split([1.0, 0.0, 0.0], cell.seed)?.shots(images, cell.shots, cell.seed)?;
    let rows = |items: &[usize]| -> Result<(Vec<f32>, Vec<usize>), Error> {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for &item in items {
            let image = images.decode(item)?;
            values.extend(image.bytes().iter().step_by(3).map(|&grey| f32::from(grey) / 255.0));
            labels.extend(images.items[item].label);
        }
        Ok((values, labels))
    };
    let (train, train_labels) = rows(&split.train)?;
    let (validation, validation_labels) = rows(&split.validation)?;
    let (test, test_labels) = rows(&split.test)?;
    let classes = images.classes.len();
    let chosen = fit_chosen(
        Examples { features: &train, labels: &train_labels },
        Examples { features: &validation, labels: &validation_labels },
        classes,
        &CANDIDATES,
        &Options::default(),
    )
    .map_err(tl_train::TrainError::from)?;
    let seconds = started.elapsed().as_secs_f64();
    let measure = |features: &[f32], labels: &[usize]| {
        Evaluation::from_logits(&images.classes, &chosen.head.logits(features), labels)
            .map_err(tl_train::TrainError::from)
    };
    let found = measure(&test, &test_labels)?;
    let validated = measure(&validation, &validation_labels)?;
    Ok(CellResult {
        cell,
        accuracy: found.accuracy,
        interval: found.interval,
        n: found.n,
        validation_accuracy: validated.accuracy,
        trained_parameters: (chosen.head.weight.len() + chosen.head.bias.len()) as u64,
        seconds,
        course: vec![(seconds, validated.accuracy)],
    })
}

fn network(
    cell: Cell,
    images: Images,
    conditions: &Conditions,
    progress: &mut dyn Progress,
) -> Result<CellResult, Error> {
    let mut request = Request::new(images, "Fashion-MNIST", &conditions.device);
    request.options = options(cell, conditions.short);
    request.threads = conditions.threads;
    request.device_name = conditions.device_name.clone();
    let prepared = prepare(request)?;
    let trained_parameters = prepared.report.trainable();
    let Outcome { rows, validation, test, .. } = prepared.train(None, progress)?;
    let (Some(test), Some(validation)) = (test, validation) else {
        return Err(Error::options("the embedded data has no test part", "build the program anew"));
    };
    Ok(CellResult {
        cell,
        accuracy: test.accuracy,
        interval: test.interval,
        n: test.n,
        validation_accuracy: validation.accuracy,
        trained_parameters,
        seconds: rows.iter().map(|row| row.seconds).sum(),
        course: course(&rows),
    })
}

/// The recipe of the table: AdamW, 1e-3 for the head and 3e-4 for the stages, one cycle, label smoothing
/// .1, batches of 32, 30 / 20 / 10 epochs at 5 / 20 / 100 images per class, the last weights.
fn options(cell: Cell, short: bool) -> FinetuneOptions {
    let method = cell.method;
    let epochs = match cell.shots {
        0..=5 => 30,
        6..=20 => 20,
        _ => 10,
    };
    let probe = method == Method::Probe;
    FinetuneOptions {
        weights: if method == Method::Scratch { "random" } else { "embedded" }.to_string(),
        image_size: Some(if probe { PROBE_SIZE } else { TRAIN_SIZE }),
        resize: Some(if probe { PROBE_SIZE } else { TRAIN_SIZE }),
        shots: Some(cell.shots),
        tuning: Tuning {
            recipe: match method {
                Method::Probe => Recipe::Probe,
                Method::Gradual | Method::All => Recipe::Gradual,
                _ => Recipe::Finetune,
            },
            epochs: (!probe).then_some(epochs),
            layer_decay: matches!(method, Method::LayerDecay | Method::All).then_some(0.9),
            norm: (method == Method::Scratch).then_some(NormPolicy::Train),
            ..Tuning::default()
        },
        settings: Settings {
            seed: cell.seed,
            keep: Keep::Last,
            validate_every: if short { epochs } else { (epochs / 5).max(1) },
            ..Settings::default()
        },
        ..FinetuneOptions::default()
    }
}

fn course(rows: &[EpochRow]) -> Vec<(f64, f64)> {
    let mut seconds = 0.0;
    rows.iter()
        .filter_map(|row| {
            seconds += row.seconds;
            row.validation_accuracy.map(|accuracy| (seconds, accuracy))
        })
        .collect()
}
