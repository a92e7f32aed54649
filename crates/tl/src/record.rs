//! `run.json`: everything about a run but its weights.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_core::{Plan, TrainableReport};
use tl_data::{Augment, Items, NearDuplicates, Preprocess, Skipped, Split};
use tl_models::weights::LoadReport;
use tl_train::TrainError;
use tl_train::files::write_bytes;
use tl_train::metrics::Evaluation;

use crate::adapt::{AdaptOptions, AdaptRecord};
use crate::calibration::CalibrationRecord;
use crate::earlier::EarlierRecord;
use crate::language::LanguageRecord;
use crate::minutes::MinutesRecord;
use crate::numbers::NumbersRecord;
use crate::pretrain::PretrainRecord;
use crate::several::SeveralRecord;
use crate::{Error, FinetuneOptions, TextOptions};

/// The version of the written form of a [`RunRecord`].
pub const RUN_SCHEMA: u32 = 1;
/// The names of a run's files.
pub const RUN_FILE: &str = "run.json";
pub const MODEL_FILE: &str = "model.safetensors";

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    #[default]
    Running,
    Interrupted,
    Failed,
    Finished,
}

/// The data that a run was fitted on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    pub path: String,
    pub fingerprint: String,
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

impl DataRecord {
    /// Of `items`, called `path`, that are divided by `split`.
    pub(crate) fn of(path: &str, items: &dyn Items, split: &Split) -> Self {
        Self {
            path: path.to_string(),
            fingerprint: items.fingerprint(),
            train: split.train.len(),
            validation: split.validation.len(),
            test: split.test.len(),
        }
    }
}

/// How an example becomes a network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Preprocessing {
    Images(Preprocess),
    Texts(TextOptions),
}

impl Preprocessing {
    /// That of images.
    ///
    /// # Errors
    /// A run on texts.
    pub fn images(&self) -> Result<&Preprocess, Error> {
        match self {
            Self::Images(preprocess) => Ok(preprocess),
            Self::Texts(_) => {
                Err(Error::options("the run is on texts", "give it texts, not images"))
            }
        }
    }

    /// That of texts.
    ///
    /// # Errors
    /// A run on images.
    pub fn texts(&self) -> Result<&TextOptions, Error> {
        match self {
            Self::Texts(options) => Ok(options),
            Self::Images(_) => {
                Err(Error::options("the run is on images", "give it images, not texts"))
            }
        }
    }
}

impl Preprocessing {
    /// What the examples are called: `images` or `texts`.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Images(_) => "images",
            Self::Texts(_) => "texts",
        }
    }
}

impl std::fmt::Display for Preprocessing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Images(preprocess) => write!(out, "images of {} pixels", preprocess.crop),
            Self::Texts(options) => match (options.max_length, options.stride) {
                (Some(length), Some(stride)) => {
                    write!(
                        out,
                        "texts in windows of up to {length} pieces, {stride} of them shared"
                    )
                }
                (Some(length), None) => write!(out, "texts of up to {length} pieces"),
                (None, _) => write!(out, "texts"),
            },
        }
    }
}

/// Everything about a run but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    pub schema: u32,
    pub status: Status,
    /// The command line that made it.
    pub command: String,
    pub network: String,
    pub labels: Vec<String>,
    pub preprocess: Preprocessing,
    pub augment: Augment,
    /// All that was asked for; `--config` takes it over.
    pub options: FinetuneOptions,
    pub plan: Plan,
    pub data: DataRecord,
    pub device: String,
    pub threads: usize,
    /// What identifies the weights that it began with.
    pub weights_key: String,
    pub load_report: Option<LoadReport>,
    pub trainable_report: Option<TrainableReport>,
    /// Which weights were kept.
    pub kept: Option<String>,
    pub steps: u64,
    pub validation: Option<Evaluation>,
    pub test: Option<Evaluation>,
    /// The temperature of its probabilities; nothing where none was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationRecord>,
    pub skipped: Vec<Skipped>,
    pub versions: BTreeMap<String, String>,
    /// What an adaptation was told and found; nothing for a fitting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adaptation: Option<AdaptRecord>,
    /// What a pre-training did; nothing for a run with a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretraining: Option<PretrainRecord>,
    /// What a fitting of a language model found; nothing for any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<LanguageRecord>,
    /// What a fitting of numbers found; nothing for any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumbersRecord>,
    /// What a fitting of several labels found; nothing for any other run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub several: Option<SeveralRecord>,
    /// Images of two parts that look alike; nothing where they were not looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<NearDuplicates>,
    /// What was tried within a time; nothing for a fitting that has all it needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<MinutesRecord>,
    /// The earlier tasks that it was held to, the oldest first; nothing where no term asks for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierRecord>,
    /// Seconds of all epochs, those before an interruption included.
    pub seconds: f64,
}

/// What is known of a run before it does anything.
pub(crate) struct Beginning<'a> {
    pub command: &'a str,
    /// What the device is called, and the threads that read examples.
    pub device: (&'a str, usize),
    pub options: FinetuneOptions,
    pub labels: Vec<String>,
    pub preprocess: Preprocessing,
    pub plan: &'a Plan,
    pub data: DataRecord,
    /// What identifies the weights, and what their load did.
    pub weights: (String, Option<LoadReport>),
    pub trainable_report: Option<TrainableReport>,
}

/// Writes a record as JSON: aside, then renamed.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_json(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(record).map_err(|reason| Error::Run {
        path: path.to_path_buf(),
        problem: reason.to_string(),
        mend: "this is a fault of the program",
    })?;
    Ok(write_bytes(path, text.as_bytes())?)
}

impl RunRecord {
    /// Of a run that begins now.
    pub(crate) fn begun(beginning: Beginning<'_>) -> Self {
        let Beginning { command, device, options, labels, preprocess, plan, data, .. } = beginning;
        let (weights_key, load_report) = beginning.weights;
        Self {
            schema: RUN_SCHEMA,
            status: Status::Running,
            command: command.to_string(),
            network: options.network.clone(),
            labels,
            preprocess,
            augment: options.tuning.varied(),
            options,
            plan: plan.clone(),
            data,
            device: device.0.to_string(),
            threads: device.1,
            weights_key,
            load_report,
            trainable_report: beginning.trainable_report,
            kept: None,
            steps: 0,
            validation: None,
            test: None,
            calibration: None,
            skipped: Vec::new(),
            versions: versions(),
            adaptation: None,
            pretraining: None,
            language: None,
            numbers: None,
            several: None,
            near_duplicates: None,
            minutes: None,
            earlier: Vec::new(),
            seconds: 0.0,
        }
    }

    /// Writes `run.json` into the run's folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        write_json(&folder.join(RUN_FILE), self)
    }

    /// What an adaptation was told; `path` is where it was read.
    ///
    /// # Errors
    /// A run of another kind.
    pub fn adapt_options(self, path: &Path) -> Result<AdaptOptions, Error> {
        let adaptation = self.adaptation.ok_or_else(|| Error::Run {
            path: path.to_path_buf(),
            problem: "is of no adaptation".into(),
            mend: "give the folder of a run that `tl adapt` made",
        })?;
        Ok(adaptation.options)
    }

    /// Notes down that the run ended with `error`, which it gives back.
    pub(crate) fn ended_with(&mut self, error: Error, folder: &Path) -> Error {
        self.status = match &error {
            Error::Train(TrainError::Interrupted { .. }) => Status::Interrupted,
            _ => Status::Failed,
        };
        // The first error is the one to tell, not that its record could not be written.
        let _ = self.write(folder);
        error
    }

    /// Reads `run.json` of a run's folder, or the file itself.
    ///
    /// # Errors
    /// When there is none, it is damaged or of a later version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let path = if path.is_dir() { path.join(RUN_FILE) } else { path.to_path_buf() };
        let fail = |problem: String, mend| Error::Run { path: path.clone(), problem, mend };
        let text = std::fs::read_to_string(&path)
            .map_err(|reason| fail(reason.to_string(), "give the folder of a run"))?;
        let record: Self = serde_json::from_str(&text).map_err(|reason| {
            fail(format!("is no record of a run ({reason})"), "give the folder of a run")
        })?;
        if record.schema > RUN_SCHEMA {
            let problem = format!(
                "has schema version {}, this program reads up to {RUN_SCHEMA}",
                record.schema
            );
            return Err(fail(problem, "use a newer program"));
        }
        Ok(record)
    }
}

/// The versions that a run is made with.
pub(crate) fn versions() -> BTreeMap<String, String> {
    [("tl", env!("CARGO_PKG_VERSION")), ("burn", "0.22.1")]
        .map(|(name, version)| (name.to_string(), version.to_string()))
        .into()
}
