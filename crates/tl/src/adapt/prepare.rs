//! From two domains and a network to an adaptation that was checked and laid out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use tl_core::{Backbone, Plan, TrainableReport};
use tl_data::{Items, Shift, Split};
use tl_models::Classifier;
use tl_train::Conduct;

use super::methods::{FDA, unfit_for_texts};
use super::target::{Target, target};
use super::{AdaptOptions, AdaptRecord, TargetData, named};
use crate::examples::{Input, Reading, preprocessing};
use crate::finetune::augment;
use crate::folder::{Claimed, claim};
use crate::record::{Beginning, DataRecord, Preprocessing, RunRecord};
use crate::source::pretrained_as;
use crate::{Error, Examples, FinetuneOptions, Network};

/// An adaptation that is asked for.
#[derive(Clone, Debug)]
pub struct AdaptRequest {
    pub options: AdaptOptions,
    pub source: Examples,
    /// What the source is called in the record.
    pub source_name: String,
    pub target: TargetData,
    /// Shifts the source's images, but not those that a target is made of: with the target's own shift, what training on
    /// the target would give.
    pub source_shift: Option<Shift>,
    /// The run's folder; without it the next free number under `runs/`.
    pub out: Option<PathBuf>,
    pub device: Device,
    /// What the device is called in the record.
    pub device_name: String,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    /// Steps between two checkpoints; without it one is written after every epoch.
    pub checkpoint_every: Option<u64>,
    pub resume: bool,
    /// The most bytes of images, and of frozen stages' outputs, in memory.
    pub cache_memory: u64,
    /// Set from outside to end the run after the current step.
    pub stop: Arc<AtomicBool>,
    /// The command line for the record.
    pub command: String,
}

impl AdaptRequest {
    /// From `source` to `target` with default options on `device`; the source is called `name` in the record.
    pub fn new(
        source: impl Into<Examples>,
        name: &str,
        target: TargetData,
        device: &Device,
    ) -> Self {
        Self {
            options: AdaptOptions::default(),
            source: source.into(),
            source_name: name.to_string(),
            target,
            source_shift: None,
            out: None,
            device: device.clone(),
            device_name: String::new(),
            threads: 0,
            checkpoint_every: None,
            resume: false,
            cache_memory: Conduct::default().cache_memory,
            stop: Arc::default(),
            command: String::new(),
        }
    }
}

/// An adaptation that was checked and laid out, before anything is trained.
pub struct PreparedAdaptation {
    pub(super) request: AdaptRequest,
    pub(super) model: Classifier<Network>,
    /// On the source alone, and a method's.
    pub(super) plans: [Plan; 2],
    pub(super) source: Input,
    pub(super) split: Split,
    pub(super) target: Target,
    pub(super) target_input: Input,
    /// The file of the weights that it begins with.
    pub(super) weights: Option<PathBuf>,
    pub record: RunRecord,
    /// What a reader should be told, one line each.
    pub notes: Vec<String>,
    folder: Option<Claimed>,
}

/// Checks a request and lays it out.
///
/// # Errors
/// Anything that is wrong with the data of either domain, the weights, the plans, a method's name or an option.
pub fn prepare_adaptation(request: AdaptRequest) -> Result<PreparedAdaptation, Error> {
    let options = &request.options;
    let source = match &request.source_shift {
        Some(shift) => request.source.shifted(shift, options.settings.seed)?,
        None => request.source.clone(),
    };
    let items = source.items();
    items.require_classes()?;
    check_methods(options, &source)?;
    if options.settings.batch_size < 2 {
        return Err(Error::options(
            format!(
                "batches of {} have no statistics of their own and nothing to be compared with",
                options.settings.batch_size
            ),
            "give --batch-size from 2",
        ));
    }
    let seed = options.settings.seed;
    let whole = Split::of(items, options.split, seed)?;
    let split = match options.shots {
        Some(shots) => whole.clone().shots(items, shots, seed)?,
        None => whole.clone(),
    };
    for (part, items) in [("training", &split.train), ("validation", &split.validation)] {
        if items.is_empty() {
            return Err(Error::options(
                format!("the source {} has no {part} example", request.source_name),
                "give more examples of each class, or divide them into a part train and a part validation",
            ));
        }
    }
    let (target, mut notes) = target(&request, &whole, &split)?;
    let found = pretrained_as(
        &options.choice(),
        &options.weights,
        Some(items.classes().len()),
        options.partial_weights,
        seed,
        &request.device,
    )?;
    let network = &found.model.backbone;
    let preprocess = preprocessing(network, &as_finetune(options))?;
    let is_text = matches!(preprocess, Preprocessing::Texts(_));
    let plans = options.plans(found.report.is_some(), is_text)?;
    options.settings.validate(plans[1].phases.len())?;
    let stages = network.stages();
    plans[0].resolve(&stages)?;
    let report = TrainableReport::new(&plans[1].resolve(&stages)?, &found.model);
    let (threads, strict) = (request.threads, options.strict);
    let reading = Reading { weights: found.path.as_deref(), own: None, threads, strict };
    let source_input = source.dataset(&preprocess, network, &reading)?;
    let target_input = target.examples.dataset(&preprocess, network, &reading)?;
    notes.extend(source_input.notes());
    notes.extend(target_input.notes());
    let record = RunRecord::begun(Beginning {
        command: &request.command,
        device: (&request.device_name, request.threads),
        options: as_finetune(options),
        labels: items.classes().to_vec(),
        preprocess,
        plan: &plans[1],
        data: DataRecord::of(&request.source_name, items, &split),
        weights: (found.key, found.report),
        trainable_report: Some(report),
    });
    let record = RunRecord {
        augment: augment(options.augment),
        adaptation: Some(AdaptRecord::begun(options, target.record())),
        ..record
    };
    Ok(PreparedAdaptation {
        model: found.model,
        plans,
        source: source_input,
        split,
        target,
        target_input,
        weights: found.path,
        record,
        notes,
        folder: None,
        request,
    })
}

fn check_methods(options: &AdaptOptions, source: &Examples) -> Result<(), Error> {
    let is_text = matches!(source, Examples::Texts(_));
    for name in options.methods(is_text) {
        named(&name)?;
        if let Some(reason) = unfit_for_texts(&name).filter(|_| is_text) {
            return Err(Error::options(format!("{name} {reason}"), format!("leave out {name}")));
        }
        if name == FDA && options.freeze_through.is_some() {
            return Err(Error::options(
                "fda changes images, and behind frozen stages their outputs are kept",
                "leave out --freeze-through or fda",
            ));
        }
    }
    if options.text.stride.is_some() {
        return Err(Error::options(
            "an adaptation reads no texts in windows",
            "leave out the stride; what is longer is cut at --max-length",
        ));
    }
    if options.augment && is_text {
        return Err(Error::options("texts are not varied", "leave out --augment"));
    }
    if options.augment && options.freeze_through.is_some() {
        return Err(Error::options(
            "behind frozen stages nothing is varied",
            "leave out --augment or --freeze-through",
        ));
    }
    Ok(())
}

/// What the other verbs need to know of an adapted run.
fn as_finetune(options: &AdaptOptions) -> FinetuneOptions {
    let mut found = FinetuneOptions {
        network: options.network.clone(),
        patches: options.patches,
        weights: options.weights.clone(),
        partial_weights: options.partial_weights,
        image_size: options.image_size,
        resize: options.resize,
        shots: options.shots,
        split: options.split,
        strict: options.strict,
        text: options.text.clone(),
        ..FinetuneOptions::default()
    };
    found.settings.seed = options.settings.seed;
    found.settings.batch_size = options.settings.batch_size;
    found
}

impl PreparedAdaptation {
    /// Makes the run's folder, or accepts the run in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(claimed) = &self.folder {
            return Ok(claimed.path.clone());
        }
        let plan = self.request.resume.then_some(&self.plans[1]);
        if let Some(out) = self.request.out.as_deref().filter(|_| self.request.resume) {
            self.require_same_methods(out)?;
        }
        let claimed = claim(self.request.out.as_deref(), plan)?;
        let folder = claimed.path.clone();
        if self.request.resume {
            self.check_resume(&folder)?;
        }
        self.folder = Some(claimed);
        Ok(folder)
    }

    /// Succeeds unless the folder holds a run of other methods, whose record would be overwritten.
    fn require_same_methods(&self, folder: &Path) -> Result<(), Error> {
        // A record that is damaged is written anew; checkpoints tell by themselves whose they are.
        let begun = RunRecord::read(folder).ok().and_then(|record| record.adaptation);
        let (Some(begun), given) = (begun, self.methods()) else { return Ok(()) };
        let methods = begun.options.methods(matches!(self.source, Input::Texts(_)));
        if methods == given {
            return Ok(());
        }
        Err(Error::Run {
            path: folder.to_path_buf(),
            problem: format!(
                "holds a run of {}, which --resume cannot go on with as one of {}",
                methods.join(", "),
                given.join(", ")
            ),
            mend: "give the methods that it was begun with, or choose another --out",
        })
    }

    /// The source's examples and what each is for.
    pub fn source(&self) -> (&dyn Items, &Split) {
        (self.source.items(), &self.split)
    }

    /// What the target is called, the examples that the methods see, and those the oracle is measured on.
    pub fn target(&self) -> (&str, usize, usize) {
        (&self.target.name, self.target.adapted.len(), self.target.test.len())
    }

    /// The methods that are carried out.
    pub fn methods(&self) -> Vec<String> {
        self.request.options.methods(matches!(self.source, Input::Texts(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    #[test]
    fn texts_in_windows_are_refused() {
        let mut options = AdaptOptions::default();
        let texts = tl_data::text::Texts::lines("good film\nbad film\n").into();
        assert!(check_methods(&options, &texts).is_ok());
        options.text.stride = Some(4);
        let message = check_methods(&options, &texts).unwrap_err().to_string();
        assert!(message.contains("leave out the stride"), "{message}");
    }

    #[test]
    fn a_shifted_source_leaves_the_target_as_it_was() {
        let prepared = |source_shift: Option<Shift>| {
            let target = TargetData::Shift("night".parse().unwrap());
            let images = embedded::fashion_mnist().unwrap();
            let mut request = AdaptRequest::new(images, "embedded", target, &Device::flex());
            request.source_shift = source_shift;
            request.options.shots = Some(2);
            prepare_adaptation(request).unwrap()
        };
        let (plain, bound) = (prepared(None), prepared(Some("night".parse().unwrap())));
        let targets =
            [&plain, &bound].map(|prepared| prepared.target.examples.items().fingerprint());
        assert_eq!(targets[0], targets[1]);
        assert_ne!(plain.record.data.fingerprint, bound.record.data.fingerprint);
        // The bound's images are the night's.
        assert_eq!(bound.record.data.fingerprint, targets[1]);
    }
}
