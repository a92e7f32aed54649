//! A run on texts without labels, a language model or a maker of vectors, and how good it is.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::Model;
use tl_data::{Part, Split};
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, LoadOptions, Purpose, Weightless, load, save_backbone};
use tl_peft::{check_mergeable, detach};
use tl_train::files::write_bytes;
use tl_train::metrics::{Measure, Retrieval, ranks};
use tl_train::{Dataset, EpochRow, PairDataset, Progress, TrainError, measure_part};

use super::data::{LanguageData, vocabulary};
use crate::choice::said;
use crate::embed::embed_items;
use crate::foreign::Foreign;
use crate::record::{MODEL_FILE, RunRecord, Status};
use crate::source::Pretrained;
use crate::{Error, Examples, Network, TextOptions, adapters, page, text_files};

/// How well a language model foresees texts, or finds hidden words of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Perplexity {
    /// e to the mean loss: among how many pieces it wavers.
    pub perplexity: f64,
    /// Its 95 % interval, `[low, high]`, by blocks or texts; nothing where there is one.
    pub interval: Option<[f64; 2]>,
    /// Mean cross-entropy of the next or of the hidden piece in nats.
    pub loss: f64,
    /// The share of these pieces that it holds for the likeliest.
    pub accuracy: f64,
    /// Number of pieces that were asked for.
    pub n: u64,
}

impl From<Measure> for Perplexity {
    fn from(found: Measure) -> Self {
        // JSON has no infinity.
        let wavering = |loss: f64| loss.exp().min(f64::MAX);
        Self {
            perplexity: wavering(found.loss),
            interval: found.loss_interval.map(|interval| interval.map(wavering)),
            loss: found.loss,
            accuracy: found.accuracy,
            n: found.n,
        }
    }
}

impl std::fmt::Display for Perplexity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "perplexity {:.2}", self.perplexity)?;
        if let Some([low, high]) = self.interval {
            write!(out, " (95 % interval {low:.2} to {high:.2})")?;
        }
        let share = 100.0 * self.accuracy;
        write!(out, ", {share:.1} % of {} pieces right", self.n)
    }
}

/// How good a run is, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Found {
    /// Of a language model.
    Language(Perplexity),
    /// Of vectors of texts.
    Pairs(Retrieval),
}

impl std::fmt::Display for Found {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Language(found) => found.fmt(out),
            Self::Pairs(found) => found.fmt(out),
        }
    }
}

/// What a fitting on texts without labels found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LanguageRecord {
    pub validation: Option<Found>,
    /// On the test part, measured once.
    pub test: Option<Found>,
}

/// What was fitted on texts without labels, and its record.
pub struct LanguageRun {
    pub folder: PathBuf,
    pub record: RunRecord,
    pub model: Model<Network, Weightless>,
}

/// `network` as one that tells the next piece; one that was built to find hidden pieces as it is, and one that makes vectors.
pub(super) fn without_weights(
    network: Network,
    text: &TextOptions,
) -> Result<Model<Network, Weightless>, Error> {
    let pieces = vocabulary(&network)?;
    if text.pairs {
        return Ok(Model { backbone: network, head: Weightless::pairs() });
    }
    let head = Weightless::pieces(pieces);
    let backbone = match network {
        Network::Gpt2(inner) => Network::Gpt2(inner.for_purpose(Purpose::Language)),
        Network::Encoder(inner) if inner.config().predicts => Network::Encoder(inner),
        other => other.causal().map(|_| other.clone())?,
    };
    Ok(Model { backbone, head })
}

/// The network of `model` without adapters, of which the file says that they lie beside it.
fn write_model(path: &Path, model: &Model<Network, Weightless>) -> Result<(), Error> {
    let mut metadata = said(&model.backbone).into_iter().collect();
    adapters::note_beside(model, &mut metadata);
    Ok(save_backbone(path, &detach(model.backbone.clone()), &metadata)?)
}

impl LanguageRun {
    /// Writes everything that the folder of a finished run holds.
    pub(super) fn finish(
        folder: &Path,
        record: &mut RunRecord,
        model: Model<Network, Weightless>,
        rows: &[EpochRow],
    ) -> Result<Self, Error> {
        write_model(&folder.join(MODEL_FILE), &model)?;
        text_files::write_config(&model.backbone, &[], folder)?;
        let text = &record.options.text;
        let load: &[u8] = match &text.masked {
            Some(_) => include_bytes!("../load_masked.py"),
            None if text.pairs => include_bytes!("../load_vectors.py"),
            None => include_bytes!("../load_language.py"),
        };
        if check_mergeable(&model).is_ok() {
            write_bytes(&folder.join("load.py"), load)?;
        }
        record.status = Status::Finished;
        write_bytes(
            &folder.join("report.html"),
            page::render(record, rows, Vec::new()).as_bytes(),
        )?;
        record.write(folder)?;
        Ok(Self { folder: folder.to_path_buf(), record: record.clone(), model })
    }

    /// A run that was made elsewhere.
    pub(crate) fn of(folder: PathBuf, record: RunRecord, network: Network) -> Result<Self, Error> {
        let record = RunRecord { language: Some(LanguageRecord::default()), ..record };
        Ok(Self { folder, record, model: without_weights(network, &TextOptions::default())? })
    }

    /// Opens the run in `folder`, or the language model that adapters from elsewhere make of their base.
    ///
    /// # Errors
    /// When it holds no finished run with a language model.
    pub fn open(folder: &Path, device: &Device) -> Result<Self, Error> {
        if let Some(adapters) = Foreign::at(folder)? {
            return adapters.language_run(device);
        }
        let record = RunRecord::read(folder)?;
        let fault = |problem: &str, mend| Error::Run {
            path: folder.to_path_buf(),
            problem: problem.into(),
            mend,
        };
        if record.language.is_none() {
            let mend = "give the folder of a run that `tl finetune --task lm` or `--task embedding`, or `tl pretrain --method mlm` made";
            return Err(fault("holds no language model and no vectors of texts", mend));
        }
        let path = folder.join(MODEL_FILE);
        let done = |record, model| Ok(Self { folder: folder.to_path_buf(), record, model });
        if !path.exists() && adapters::lie_in(folder) && record.status == Status::Finished {
            let text = record.options.text.clone();
            let language = |found: Pretrained| without_weights(found.model.backbone, &text);
            let model = adapters::on_base(folder, &record, device, language)?;
            return done(record, model);
        }
        if !path.exists() {
            let mend = "go on with it: give the command that made it --resume";
            return Err(fault("holds a run that is not finished", mend));
        }
        text_files::require_config(folder, &record.preprocess)?;
        let file = WeightsFile::open(&path)?;
        let network = record.options.choice().build(Some(&file), device)?;
        let (found, _) = load(network.with_head(1, 0, device), &file, LoadOptions::default())?;
        let model = without_weights(found.backbone, &record.options.text)?;
        let model = match record.options.tuning.adapters()? {
            // What cannot become part of the weights lies beside them.
            Some(config) if !config.is_mergeable() => adapters::read(folder, model)?,
            _ => model,
        };
        done(record, model)
    }

    /// Writes the weights with the names of the network's origin.
    ///
    /// # Errors
    /// When the file cannot be written; adapters that cannot become part of the weights.
    pub fn export(&self, path: &Path) -> Result<(), Error> {
        check_mergeable(&self.model)?;
        write_model(path, &self.model)
    }

    /// Measures the run on texts, and says in words on which: of those it was fitted on its test part, or
    /// the validation part where there is none, of texts that are divided the test part, of any others all.
    ///
    /// # Errors
    /// Images; texts that cannot be cut, none at all; a device that fails.
    pub fn evaluate(
        &self,
        examples: &Examples,
        device: &Device,
        progress: &mut dyn Progress,
    ) -> Result<(Found, String), Error> {
        let options = &self.record.options;
        let own = examples.items().fingerprint() == self.record.data.fingerprint;
        let items = examples.items();
        let divided = (0..items.count()).any(|index| items.part(index) == Some(Part::Test));
        let shares = if own { options.split } else { [0.0, 0.0, 1.0] };
        // Of foreign texts the other parts may be absent, and do not matter.
        let alone = match examples {
            Examples::Texts(texts) if divided && !own => Some(texts.of_part(Part::Test).into()),
            _ => None,
        };
        let examples = alone.as_ref().unwrap_or(examples);
        let model = self.folder.join(MODEL_FILE);
        let text = self.record.preprocess.texts()?;
        let network = &self.model.backbone;
        let (data, split) =
            LanguageData::of(examples, shares, network, Some(&model), text, options)?;
        let Split { train, validation, test } = split;
        let (part, items) = match (own, divided, [test.is_empty(), validation.is_empty()]) {
            (true, _, [false, _]) => ("the run's test part", test),
            (true, _, [true, false]) => ("the run's validation part", validation),
            (false, true, [false, _]) => ("the data's test part", test),
            _ => ("all texts", [train, validation, test].concat()),
        };
        let size = options.settings.batch_size.max(1);
        let found = measure(&self.model, &data, &items, size, device, progress)?;
        let found = found.ok_or_else(|| {
            Error::options(format!("{part} holds nothing to ask for"), "give texts with words")
        })?;
        Ok((found, part.to_string()))
    }
}

/// How good `model` is on `items`; nothing where nothing can be asked of them.
pub(super) fn measure(
    model: &Model<Network, Weightless>,
    data: &LanguageData,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Option<Found>, Error> {
    if let LanguageData::Pairs(pairs) = data {
        let found = retrieve(&model.backbone, pairs, items, batch_size, device, progress)?;
        return Ok(found.map(Found::Pairs));
    }
    let found = measure_part(model, &**data, items, batch_size, device, progress)?;
    Ok(found.map(|found| Found::Language(found.into())))
}

/// How well the first texts of pairs find their second ones among those of all `pairs` that are asked for.
fn retrieve(
    network: &Network,
    data: &PairDataset,
    pairs: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Option<Retrieval>, Error> {
    let (sides, places) = (data.sides(), data.places(pairs));
    let vectors = embed_items(network, sides, &places, batch_size, device, progress)?;
    let (first, second) = vectors.values.split_at(pairs.len() * vectors.width);
    let second_places = &places[pairs.len()..];
    let texts: Vec<usize> =
        second_places.iter().map(|place| sides.items().first_alike(*place)).collect();
    let found = ranks(first, second, &texts, vectors.width, device).map_err(TrainError::Device)?;
    Ok(Retrieval::of(&found))
}
