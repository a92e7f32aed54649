//! A run: a folder with a fitted model, and what can be done with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use tl_data::{Images, Items, Loader, Part, Shift, Skipped, Split};
use tl_models::weights::{LoadReport, WeightsFile};
use tl_models::{Architecture, Classifier, LoadOptions, load, save};
use tl_train::files::write_bytes;
use tl_train::metrics::Evaluation;
use tl_train::report::Section;
use tl_train::{Dataset, EpochRow, Predictions, Progress, predict};

use crate::choice::said;
use crate::examples::{Input, Reading};
use crate::foreign::Foreign;
use crate::record::{MODEL_FILE, RunRecord, Status};
use crate::{Error, Examples, Network, adapters, load_script, page, text_files};

/// A fitted model and its record.
pub struct Run {
    pub folder: PathBuf,
    pub record: RunRecord,
    pub model: Classifier<Network>,
    /// Whether probabilities and what is measured of them are at the run's [temperature](RunRecord::temperature).
    pub calibrated: bool,
}

/// An evaluation and what it could not read.
#[derive(Clone, Debug)]
pub struct Measured {
    pub evaluation: Evaluation,
    /// Which examples were measured, in words.
    pub part: String,
    pub skipped: Vec<Skipped>,
}

impl Run {
    pub(crate) fn new(folder: &Path, record: RunRecord, model: Classifier<Network>) -> Self {
        Self { folder: folder.to_path_buf(), record, model, calibrated: false }
    }

    /// Writes everything that the folder of a finished run holds.
    pub(crate) fn finish(
        folder: &Path,
        record: &mut RunRecord,
        model: Classifier<Network>,
        predictions: &str,
        rows: &[EpochRow],
        sections: Vec<Section>,
    ) -> Result<Self, Error> {
        let write = |name: &str, text: &str| write_bytes(&folder.join(name), text.as_bytes());
        write("predictions.csv", predictions)?;
        let run = Self::new(folder, record.clone(), model);
        run.write_model(&folder.join(MODEL_FILE))?;
        write("labels.json", &serde_json::to_string_pretty(&record.labels).unwrap_or_default())?;
        if tl_peft::check_mergeable(&run.model).is_ok() {
            write("load.py", load_script::of(&record.preprocess))?;
            if let Some(script) = load_script::of_network(&run.model.backbone) {
                write("network.py", script)?;
            }
            if let Some(script) = load_script::of_windows(&record.preprocess) {
                write("windows.py", script)?;
            }
        }
        text_files::write_config(&run.model.backbone, &record.labels, folder)?;
        record.status = Status::Finished;
        write("report.html", &page::render(record, rows, sections))?;
        record.write(folder)?;
        Ok(Self { record: record.clone(), ..run })
    }

    /// Opens the run in `folder`, or the classifier that adapters from elsewhere make of their base.
    ///
    /// # Errors
    /// When it holds no finished run, or one of a later version.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, Error> {
        if let Some(adapters) = Foreign::at(folder)? {
            return adapters.run(device);
        }
        let record = RunRecord::read(folder)?;
        if record.pretraining.is_some() {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: "holds a pre-trained network without a classifier".into(),
                mend: "fit one with `tl finetune DATA --weights` and this folder",
            });
        }
        if record.language.is_some() {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: "holds a language model or a maker of vectors, no classifier".into(),
                mend: "fit a classifier on it with `tl finetune DATA --weights` and this folder; a causal model goes on with a text in `tl generate`, and `tl embed` makes vectors",
            });
        }
        let path = folder.join(MODEL_FILE);
        if !path.exists() && adapters::lie_in(folder) && record.status == Status::Finished {
            let model = adapters::on_base(folder, &record, device, |found| Ok(found.model))?;
            return Ok(Self::new(folder, record, model));
        }
        if !path.exists() {
            return Err(Error::Run {
                path: folder.to_path_buf(),
                problem: "holds a run that is not finished".into(),
                mend: "go on with it: give the command that made it --resume",
            });
        }
        text_files::require_config(folder, &record.preprocess)?;
        let file = WeightsFile::open(&path)?;
        let network = record.options.choice().build(Some(&file), device)?;
        let model = network.with_head(record.labels.len(), 0, device);
        let (model, report) = load(model, &file, LoadOptions::default())?;
        require_head(folder, model.backbone.head_name(), &report)?;
        let model = match record.options.tuning.adapters()? {
            // What cannot become part of the weights lies beside them.
            Some(config) if !config.is_mergeable() => adapters::read(folder, model)?,
            _ => model,
        };
        Ok(Self::new(folder, record, model))
    }

    /// The result on the test part, measured once after fitting.
    pub fn test(&self) -> Option<&Evaluation> {
        self.record.test.as_ref()
    }

    /// Writes the weights with the names of the network's origin.
    ///
    /// # Errors
    /// When the file cannot be written; adapters that cannot become part of the weights.
    pub fn export(&self, path: &Path) -> Result<(), Error> {
        tl_peft::check_mergeable(&self.model)?;
        self.write_model(path)
    }

    pub(crate) fn write_model(&self, path: &Path) -> Result<(), Error> {
        let labels = serde_json::to_string(&self.record.labels).unwrap_or_default();
        let mut metadata: BTreeMap<String, String> =
            said(&self.model.backbone).into_iter().collect();
        metadata.insert("labels".to_string(), labels);
        adapters::note_beside(&self.model, &mut metadata);
        Ok(save(path, &tl_peft::detach(self.model.clone()), &metadata)?)
    }

    /// A loader of other images with the run's preprocessing.
    ///
    /// # Errors
    /// When the record's preprocessing makes no sense.
    pub fn loader(&self, images: Images, threads: usize, strict: bool) -> Result<Loader, Error> {
        let preprocess = self.record.preprocess.images()?.clone();
        Ok(Loader::new(Arc::new(images), preprocess, threads, strict)?)
    }

    /// Other examples as the run's network reads them.
    ///
    /// # Errors
    /// Examples of another kind, a run without its tokenizer.
    pub fn dataset(
        &self,
        examples: &Examples,
        threads: usize,
        strict: bool,
    ) -> Result<Input, Error> {
        text_files::require_tokenizer(&self.folder, &self.record.preprocess)?;
        let weights = self.folder.join(MODEL_FILE);
        let reading = Reading { weights: Some(&weights), own: None, threads, strict };
        examples.dataset(&self.record.preprocess, &self.model.backbone, &reading)
    }

    /// The logits of some items.
    ///
    /// # Errors
    /// An image that cannot be read under a strict loader, a device that fails.
    pub fn predict(
        &self,
        data: &dyn Dataset,
        items: &[usize],
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Predictions, Error> {
        let size = self.record.options.settings.batch_size.max(1);
        Ok(predict(&self.model, data, items, size, device, progress)?)
    }

    /// Measures the run on other examples, images perhaps after a shift that is drawn from the run's seed, as the target of an
    /// adaptation was; classes are matched by name.
    ///
    /// Of the data that the run was fitted on its test part is measured, of data that is divided into
    /// parts the test part, of any other data all.
    ///
    /// # Errors
    /// A class that the run does not know, data without a label, a shift without photos.
    pub fn evaluate(
        &self,
        examples: impl Into<Examples>,
        shift: Option<&Shift>,
        threads: usize,
        strict: bool,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<Measured, Error> {
        if self.record.numbers.is_some() {
            let mend = "measure it with Run::evaluate_numbers";
            return Err(Error::options("the run answers with a number, not with a class", mend));
        }
        if self.record.several.is_some() {
            let mend = "measure it with Run::evaluate_several";
            return Err(Error::options(
                "the run answers with several labels, not with one class",
                mend,
            ));
        }
        let mut examples = examples.into();
        let (items, mut part) = self.part(examples.items())?;
        examples = examples.with_classes(&self.record.labels)?;
        if let Some(shift) = shift {
            examples = examples.shifted(shift, self.record.options.settings.seed)?;
            part += &format!(", shifted to {}", shift.name());
        }
        let data = self.dataset(&examples, threads, strict)?;
        let temperature = if self.calibrated { self.record.temperature()? } else { 1.0 };
        let found = self.predict(&*data, &items, device, progress)?;
        let measured = found.measure_all(&*data, &self.record.labels, &items, temperature)?;
        let evaluation = measured.ok_or_else(|| {
            Error::options(
                "nothing in the data has a label and can be read",
                "give images in one folder for each class, or a table with a column of labels",
            )
        })?;
        Ok(Measured { evaluation, part, skipped: data.skipped() })
    }

    /// Which items of the data are measured, and what they are called.
    pub(crate) fn part(&self, items: &dyn Items) -> Result<(Vec<usize>, String), Error> {
        if items.fingerprint() == self.record.data.fingerprint {
            let path = self.folder.join("split.csv");
            let text = std::fs::read_to_string(&path)
                .map_err(|reason| tl_train::TrainError::file("cannot read", &path, reason))?;
            let split = Split::from_csv(&text, items)?;
            if !split.test.is_empty() {
                return Ok((split.test, "the run's test part".into()));
            }
        }
        let all = 0..items.count();
        let test: Vec<usize> =
            all.clone().filter(|&index| items.part(index) == Some(Part::Test)).collect();
        if !test.is_empty() {
            return Ok((test, "the data's test part".into()));
        }
        Ok((all.collect(), format!("all {}", self.record.preprocess.noun())))
    }
}

/// Succeeds where a run's weights hold its whole head: one that stayed as it was drawn answers at random.
fn require_head(folder: &Path, head: &str, report: &LoadReport) -> Result<(), Error> {
    let of_head = |name: &str| name.strip_prefix(head).is_some_and(|rest| rest.starts_with('.'));
    let other = report.reshaped.iter().find(|it| of_head(&it.name));
    let missing = report.missing.iter().find(|name| of_head(name));
    let problem = match (other, missing) {
        (Some(it), _) => {
            format!("holds {} of the shape {:?}, and the run's is {:?}", it.name, it.from, it.to)
        }
        (None, Some(name)) => format!("holds no {name}"),
        (None, None) => return Ok(()),
    };
    Err(Error::Run {
        path: folder.join(MODEL_FILE),
        problem,
        mend: "put the run's own weights back, or fit it again",
    })
}
