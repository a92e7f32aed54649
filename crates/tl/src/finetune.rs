//! From images or texts and a pretrained network to a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use tl_core::{Backbone, Head, NormPolicy, Plan, TrainableReport};
use tl_data::text::Tokenizer;
use tl_data::{Augment, CropRange, Split};
use tl_kernels::memory;
use tl_models::Classifier;
use tl_train::files::write_bytes;
use tl_train::regularise::check_earlier;
use tl_train::{Conduct, Progress, Task, check_resume};

use crate::adapters::{Adapters, keyed};
use crate::earlier::{EarlierTask, EarlierTasks};
use crate::estimate::{Extent, Sample, cache_sizes, costs, seconds_to_read};
use crate::examples::{Input, Reading, preprocessing};
use crate::folder::{Claimed, claim};
use crate::near::Lookout;
use crate::network::LSTM;
pub use crate::outcome::Outcome;
use crate::record::{Beginning, DataRecord, Preprocessing, RunRecord};
use crate::source::pretrained_as;
use crate::text_files::TokenizerFiles;
use crate::{
    Error, Examples, FinetuneOptions, Network, Run, image_options, near, numbers, several,
};

/// A fitting that is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    pub options: FinetuneOptions,
    pub examples: Examples,
    /// What the data is called in the record.
    pub data: String,
    /// The run's folder; without it the next free number under `runs/`.
    pub out: Option<PathBuf>,
    pub device: Device,
    /// What the device is called in the record.
    pub device_name: String,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    pub checkpoint_every: Option<u64>,
    pub resume: bool,
    /// The most bytes of prefix outputs in memory.
    pub cache_memory: u64,
    /// Set from outside to end the run after the current step.
    pub stop: Arc<AtomicBool>,
    /// The command line for the record.
    pub command: String,
    /// The earlier tasks, the oldest first, that terms of the options hold the network to. Where there is none, and the weights are
    /// those of a run with classes, it is that run's.
    pub earlier: Vec<EarlierTask>,
    /// Whether to measure how long it will take also in a program that does not count its memory.
    pub timed: bool,
    /// Whether it is prepared to be looked at alone: which examples of earlier tasks would be kept is then not computed, but how many.
    pub look: bool,
}

impl Request {
    /// A fitting of `examples` with default options on `device`, called `data` in the record.
    pub fn new(examples: impl Into<Examples>, data: &str, device: &Device) -> Self {
        Self {
            options: FinetuneOptions::default(),
            examples: examples.into(),
            data: data.to_string(),
            out: None,
            device: device.clone(),
            device_name: String::new(),
            threads: 0,
            checkpoint_every: None,
            resume: false,
            cache_memory: Conduct::default().cache_memory,
            stop: Arc::default(),
            command: String::new(),
            earlier: Vec::new(),
            timed: false,
            look: false,
        }
    }
}

impl Request {
    /// How a fitting that it asks for is carried out in `folder`, from the weights of this key.
    pub(crate) fn conduct(&self, folder: Option<&Path>, weights_key: &str) -> Conduct {
        Conduct {
            out: folder.map(Path::to_path_buf),
            checkpoint_every: self.checkpoint_every,
            resume: self.resume,
            cache_memory: self.cache_memory,
            stop: Arc::clone(&self.stop),
            deadline: None,
            weights_key: weights_key.to_string(),
        }
    }
}

/// How much each weight matters to the tasks so far, beside a run's weights.
pub const IMPORTANCE_FILE: &str = "importance.safetensors";

/// The most pieces of words that a recurrent network learns from its training texts.
const LEARNED_PIECES: usize = 8000;

/// A fitting that was checked and laid out, before anything is trained.
pub struct Prepared {
    pub(crate) request: Request,
    pub model: Classifier<Network>,
    pub plan: Plan,
    pub data: Input,
    pub split: Split,
    pub report: TrainableReport,
    pub record: RunRecord,
    pub(crate) adapters: Option<Adapters>,
    pub(crate) tokenizer: TokenizerFiles,
    folder: Option<Claimed>,
    /// What earlier tasks left.
    pub(crate) earlier: EarlierTasks,
}

/// Checks a request and lays it out: network, weights, split, plan.
///
/// # Errors
/// Anything that is wrong with the data, the weights, the plan or an option.
pub fn prepare(request: Request) -> Result<Prepared, Error> {
    let options = &request.options;
    options.settings.validate()?;
    let several = several::are_several(&request.examples);
    options.check_terms(!options.text.tokens && !options.text.numbers && !several)?;
    let items = request.examples.items();
    let (seed, numbers) = (options.settings.seed, options.text.numbers);
    let (labels, mut split) = if numbers {
        numbers::check(&request.examples, options)?;
        // Numbers are no classes, of which each would have to be in every part.
        let undivided = request.examples.unlabelled();
        (numbers::labels(options), Split::of(undivided.items(), options.split, seed)?)
    } else {
        items.require_classes()?;
        (items.classes().to_vec(), Split::of(items, options.split, seed)?)
    };
    if several {
        several::check(options)?;
    }
    if options.text.tokens && options.shots.is_some() {
        return Err(Error::options("a sentence has tags of several classes", "leave out --shots"));
    }
    if let Some(shots) = options.shots {
        split = split.shots(items, shots, seed)?;
    }
    let own = match (options.network.as_str(), options.weights.as_str()) {
        (LSTM, "random") => Some(request.examples.learn_pieces(&split.train, LEARNED_PIECES)?),
        _ => None,
    };
    let mut choice = options.choice();
    choice.vocabulary = own.as_ref().map(Tokenizer::vocabulary);
    let mut found = pretrained_as(
        &choice,
        &options.weights,
        Some(labels.len()),
        options.partial_weights,
        seed,
        &request.device,
    )?;
    let mut tuning = options.tuning.clone();
    if numbers {
        tuning = numbers::by_gradient(tuning)?;
    }
    if several {
        tuning = several::by_gradient(tuning)?;
    }
    let adapters = match tuning.adapters()? {
        Some(config) => Some(Adapters::put_into(&mut found, config, seed)?),
        None => None,
    };
    let network = &found.model.backbone;
    let preprocess = preprocessing(network, options)?;
    let reading = Reading {
        weights: found.path.as_deref(),
        own: own.as_ref(),
        threads: request.threads,
        strict: options.strict,
    };
    let data = request.examples.dataset(&preprocess, network, &reading)?;
    let data = near::hashed(data, options).scaled(&split.train, found.model.head.has_bias())?;
    let sample = Sample::of(&preprocess, &*data);
    let stages = found.model.backbone.stages();
    if found.report.is_none() {
        // Statistics that were never measured are nothing to hold on to.
        tuning.norm.get_or_insert(NormPolicy::Train);
    }
    if let Preprocessing::Texts(_) = &preprocess {
        let recurrent = options.network == LSTM;
        let fresh = found.report.is_none();
        tuning = tuning.for_texts(split.train.len(), recurrent, fresh);
    }
    let mixes = options.settings.mixes();
    let mut plan = tuning.plan(&stages, split.train.len())?;
    if let Some(adapters) = &adapters {
        plan = adapters.plan(plan, &found.model.backbone, tuning.augment || mixes)?;
    }
    if numbers || several {
        plan = numbers::without_classes(plan);
    }
    let phases = plan.resolve(&stages)?;
    let images = !matches!(preprocess, Preprocessing::Texts(_));
    image_options::check(options, images, &phases)?;
    let mut report = TrainableReport::new(&phases, &found.model);
    // What is kept and computed are windows, where texts are read in several.
    let [train, validation, test] =
        [&split.train, &split.validation, &split.test].map(|part| data.rows(part).len());
    if options.settings.cache {
        let kept = [
            train + validation,
            train.saturating_mul(options.settings.cached_views.saturating_sub(1)),
        ];
        cache_sizes(&mut report, &phases, &found.model, kept, sample, &request.device)?;
    }
    let (settings, device) = (&options.settings, &request.device);
    if request.timed || memory::in_use() > 0 {
        let each_read = seconds_to_read(&*data, &data.rows(&split.train), device);
        let cache_memory = request.cache_memory;
        let extent = Extent { train, validation, test, sample, cache_memory, each_read };
        costs(&mut report, &phases, &found.model, plan.optimizer, settings, &extent, device)?;
    }
    let earlier = EarlierTasks::open(&request, &found.model.backbone, found.path.as_deref())?;
    check_earlier(&plan, &earlier.lend())?;
    let record = RunRecord::begun(Beginning {
        command: &request.command,
        device: (&request.device_name, request.threads),
        options: options.clone(),
        labels,
        preprocess,
        plan: &plan,
        data: DataRecord::of(&request.data, items, &split),
        weights: (found.key, found.report),
        trainable_report: Some(report.clone()),
    });
    let record = RunRecord { earlier: earlier.records.clone(), ..record };
    let tokenizer = match own {
        Some(own) => TokenizerFiles::Learned(Box::new(own)),
        None => TokenizerFiles::Beside(found.path),
    };
    let (model, folder) = (found.model, None);
    Ok(Prepared {
        model,
        plan,
        data,
        split,
        report,
        record,
        adapters,
        request,
        tokenizer,
        folder,
        earlier,
    })
}

/// How training images are varied, where that is `wanted` and no more is said.
pub(crate) fn augment(wanted: bool) -> Augment {
    if !wanted {
        return Augment::none();
    }
    Augment::cropped(CropRange::default())
}

/// Prepares and fits.
///
/// # Errors
/// As [`prepare`] and [`Prepared::fit`].
pub fn finetune(request: Request, progress: &mut dyn Progress) -> Result<Run, Error> {
    prepare(request)?.fit(progress)
}

impl Prepared {
    /// Makes the run's folder, or accepts the run in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else, another run or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(claimed) = &self.folder {
            return Ok(claimed.path.clone());
        }
        self.check_look()?;
        let plan = self.request.resume.then_some(&self.plan);
        let claimed = claim(self.request.out.as_deref(), plan)?;
        let folder = claimed.path.clone();
        if self.request.resume {
            let (task, conduct) = (self.task(), self.conduct(Some(&folder)));
            check_resume(&task, &self.plan, &self.request.options.settings(), &conduct)?;
        }
        self.folder = Some(claimed);
        Ok(folder)
    }

    /// Looks for images that look alike in two parts; those that were not decoded yet are read for it, but not within a time.
    pub fn near_duplicates(&self) -> Lookout {
        let within = self.record.minutes.is_some();
        near::look(&self.data, &self.split, &self.request.options, within)
    }

    pub(crate) fn task(&self) -> Task<'_> {
        let (augment, earlier) = (self.record.augment.clone(), self.earlier.lend());
        Task { data: &*self.data, split: &self.split, augment, earlier }
    }

    pub(crate) fn conduct(&self, folder: Option<&Path>) -> Conduct {
        let RunRecord { weights_key, options, .. } = &self.record;
        let key = keyed(weights_key, self.adapters.as_ref(), &options.tuning);
        self.request.conduct(folder, &key)
    }

    /// Trains, keeps the weights that the settings say, measures them once on the test part, and writes
    /// the run's folder.
    ///
    /// # Errors
    /// A folder that holds another run or cannot be written, data that cannot be used, a loss that is
    /// not finite, an interruption.
    pub fn fit(mut self, progress: &mut dyn Progress) -> Result<Run, Error> {
        let folder = self.claim()?;
        self.begin(&folder)?;
        let trained = self.train(Some(&folder), progress);
        match trained.and_then(|outcome| self.conclude(&folder, outcome, progress)) {
            Ok(run) => Ok(run),
            Err(error) => Err(self.ended_with(error, &folder)),
        }
    }

    /// Writes what the folder of a run holds before anything is trained.
    pub(crate) fn begin(&self, folder: &Path) -> Result<(), Error> {
        self.record.write(folder)?;
        let split = self.split.to_csv(self.data.items());
        write_bytes(&folder.join("split.csv"), split.as_bytes())?;
        match &self.record.preprocess {
            Preprocessing::Texts(_) => self.tokenizer.put_into(folder),
            Preprocessing::Images(_) => Ok(()),
        }
    }

    /// Notes down that the run ended with `error`, which it gives back.
    pub(crate) fn ended_with(&mut self, error: Error, folder: &Path) -> Error {
        self.record.skipped = self.data.skipped();
        self.record.ended_with(error, folder)
    }

    /// Trains and measures without a record; `folder` takes checkpoints.
    ///
    /// # Errors
    /// As [`Prepared::fit`].
    pub fn train(
        &self,
        folder: Option<&Path>,
        progress: &mut dyn Progress,
    ) -> Result<Outcome, Error> {
        let fitted = self.fit_with(&self.conduct(folder), progress)?;
        self.measure(fitted, progress)
    }
}
