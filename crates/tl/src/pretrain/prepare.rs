//! From images and a network to a pre-training that was checked and laid out.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::Device;
use tl_core::{Backbone, Plan};
use tl_data::{Augment, Images, Loader, Part, Split};
use tl_ssl::ProbeItems;

use super::{PretrainOptions, PretrainRecord};
use crate::folder::{Claimed, claim};
use crate::record::{Beginning, DataRecord, Preprocessing, RunRecord};
use crate::source::{preprocess, pretrained_as};
use crate::{Error, Network};

/// A pre-training that is asked for.
#[derive(Clone, Debug)]
pub struct PretrainRequest {
    pub options: PretrainOptions,
    pub images: Arc<Images>,
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
    /// Set from outside to end the run after the current step.
    pub stop: Arc<AtomicBool>,
    /// The command line for the record.
    pub command: String,
}

impl PretrainRequest {
    /// A pre-training on `images` with default options on `device`, called `data` in the record.
    pub fn new(images: Images, data: &str, device: &Device) -> Self {
        Self {
            options: PretrainOptions::default(),
            images: Arc::new(images),
            data: data.to_string(),
            out: None,
            device: device.clone(),
            device_name: String::new(),
            threads: 0,
            checkpoint_every: None,
            resume: false,
            stop: Arc::default(),
            command: String::new(),
        }
    }
}

/// A pre-training that was checked and laid out, before anything is trained.
pub struct PreparedPretraining {
    pub(super) request: PretrainRequest,
    pub(super) backbone: Network,
    pub(super) plan: Plan,
    pub(super) loader: Loader,
    /// The images to learn from.
    pub(super) items: Vec<usize>,
    pub(super) probe: Option<ProbeItems>,
    pub record: RunRecord,
    folder: Option<Claimed>,
}

/// Checks a request and lays it out: network, weights, images, plan.
///
/// Data that is divided into parts gives its training part, any other all images. No label is looked at but
/// by the probe after each epoch, which chooses nothing.
///
/// # Errors
/// Anything that is wrong with the data, the weights, the plan or an option.
pub fn prepare_pretraining(request: PretrainRequest) -> Result<PreparedPretraining, Error> {
    let options = &request.options;
    if !tl_ssl::methods::names().contains(&options.method.as_str()) {
        let (name, known) = (options.method.clone(), tl_ssl::methods::names());
        return Err(tl_ssl::SslError::Unknown { name, known }.into());
    }
    options.check()?;
    let images = Arc::clone(&request.images);
    let seed = options.seed;
    let found = pretrained_as(
        &options.choice(),
        &options.weights,
        None,
        options.partial_weights,
        seed,
        &request.device,
    )?;
    let backbone = found.model.backbone;
    let preprocess = preprocess(&backbone, options.image_size, options.resize)?;
    let plan = options.plan()?;
    plan.resolve(&backbone.stages())?;
    let loader = Loader::new(images.clone(), preprocess.clone(), request.threads, options.strict)?;
    let items: Vec<usize> = (0..images.len())
        .filter(|&item| matches!(images.items[item].part, None | Some(Part::Train)))
        .collect();
    let probe = probe(&images, &items, options);
    let counts = probe.as_ref().map_or([0, 0], |it| [it.bank.len(), it.queries.len()]);
    let split = Split { train: items, ..Split::default() };
    let record = RunRecord::begun(Beginning {
        command: &request.command,
        device: (&request.device_name, request.threads),
        options: options.as_finetune(),
        labels: Vec::new(),
        preprocess: Preprocessing::Images(preprocess),
        plan: &plan,
        data: DataRecord::of(&request.data, &*images, &split),
        weights: (found.key, found.report),
        trainable_report: None,
    });
    let items = split.train;
    let pretraining = Some(PretrainRecord {
        options: options.clone(),
        images: items.len(),
        probe: counts,
        parameters: Module::num_params(&backbone),
        rows: Vec::new(),
        pictures: Vec::new(),
    });
    let record = RunRecord { augment: Augment::none(), pretraining, ..record };
    Ok(PreparedPretraining { backbone, plan, loader, items, probe, record, folder: None, request })
}

/// Labelled images for the probe, drawn from those that are learnt from; none where there are too few.
fn probe(images: &Images, items: &[usize], options: &PretrainOptions) -> Option<ProbeItems> {
    let labelled: Vec<usize> =
        items.iter().copied().filter(|&item| images.items[item].label.is_some()).collect();
    if images.classes.len() < 2 || options.probe.contains(&0) {
        return None;
    }
    let [bank, queries] = options.probe;
    // Of few images a fifth is asked for.
    let queries = queries.min(labelled.len() / 5);
    let order = tl_random::rng(options.seed, "probe", 0, 0).permutation(labelled.len());
    let mut chosen = order.into_iter().map(|place| labelled[place]);
    let queries: Vec<usize> = chosen.by_ref().take(queries).collect();
    let bank: Vec<usize> = chosen.take(bank).collect();
    (!queries.is_empty() && !bank.is_empty()).then_some(ProbeItems { bank, queries })
}

impl PreparedPretraining {
    /// Makes the run's folder, or accepts the run in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else, another run or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(claimed) = &self.folder {
            return Ok(claimed.path.clone());
        }
        let plan = self.request.resume.then_some(&self.plan);
        let claimed = claim(self.request.out.as_deref(), plan)?;
        let folder = claimed.path.clone();
        self.folder = Some(claimed);
        Ok(folder)
    }
}
