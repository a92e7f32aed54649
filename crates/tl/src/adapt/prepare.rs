//! From two domains and a network to an adaptation that was checked and laid out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use tl_core::{Backbone, Plan, TrainableReport};
use tl_data::{DataError, Images, Loader, Part, Shift, Split};
use tl_models::Classifier;
use tl_train::Conduct;

use super::methods::FDA;
use super::{AdaptOptions, TargetData, named};
use crate::finetune::augment;
use crate::folder::claim;
use crate::record::{DataRecord, RUN_SCHEMA, RunRecord, Status, versions};
use crate::source::{preprocess, pretrained};
use crate::{Error, FinetuneOptions, Network};

/// An adaptation that is asked for.
#[derive(Clone, Debug)]
pub struct AdaptRequest {
    pub options: AdaptOptions,
    pub source: Arc<Images>,
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
    pub fn new(source: Images, name: &str, target: TargetData, device: &Device) -> Self {
        Self {
            options: AdaptOptions::default(),
            source: Arc::new(source),
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

/// The target's images and what each is for.
pub(super) struct Target {
    pub images: Arc<Images>,
    pub name: String,
    /// What the methods see, without labels.
    pub adapted: Vec<usize>,
    /// Labelled ones, for the oracle alone.
    pub test: Vec<usize>,
    /// Whether `test` is a part of its own.
    pub own_test_part: bool,
}

/// An adaptation that was checked and laid out, before anything is trained.
pub struct PreparedAdaptation {
    pub(super) request: AdaptRequest,
    pub(super) model: Classifier<Network>,
    /// On the source alone, and a method's.
    pub(super) plans: [Plan; 2],
    pub(super) source: Loader,
    pub(super) split: Split,
    pub(super) target: Target,
    pub(super) target_loader: Loader,
    pub record: RunRecord,
    /// What a reader should be told, one line each.
    pub notes: Vec<String>,
    folder: Option<PathBuf>,
}

/// Checks a request and lays it out.
///
/// # Errors
/// Anything that is wrong with the data of either domain, the weights, the plans, a method's name or an option.
pub fn prepare_adaptation(request: AdaptRequest) -> Result<PreparedAdaptation, Error> {
    let options = &request.options;
    let source = match &request.source_shift {
        Some(shift) => {
            Arc::new(request.source.shifted(&shift.clone().prepare(options.settings.seed)?))
        }
        None => Arc::clone(&request.source),
    };
    source.require_classes()?;
    check_methods(options)?;
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
    let whole = source.split(options.split, seed)?;
    let split = match options.shots {
        Some(shots) => whole.clone().shots(&source, shots, seed)?,
        None => whole.clone(),
    };
    for (part, items) in [("training", &split.train), ("validation", &split.validation)] {
        if items.is_empty() {
            return Err(Error::options(
                format!("the source {} has no {part} image", request.source_name),
                "give more images of each class, or divide them into folders train and validation",
            ));
        }
    }
    let (target, notes) = target(&request, &whole, &split)?;
    let found = pretrained(
        &options.network,
        &options.weights,
        Some(source.classes.len()),
        options.partial_weights,
        seed,
        &request.device,
    )?;
    let preprocess = preprocess(&found.model.backbone, options.image_size, options.resize)?;
    let plans = options.plans(found.report.is_some())?;
    options.settings.validate(plans[1].phases.len())?;
    let stages = found.model.backbone.stages();
    plans[0].resolve(&stages)?;
    let report = TrainableReport::new(&plans[1].resolve(&stages)?, &found.model);
    let loader = |images: &Arc<Images>| {
        Loader::new(images.clone(), preprocess.clone(), request.threads, options.strict)
    };
    let (source_loader, target_loader) = (loader(&source)?, loader(&target.images)?);
    let record = RunRecord {
        schema: RUN_SCHEMA,
        status: Status::Running,
        command: request.command.clone(),
        network: options.network.clone(),
        labels: source.classes.clone(),
        preprocess: preprocess.clone(),
        augment: augment(options.augment),
        options: as_finetune(options),
        plan: plans[1].clone(),
        data: DataRecord {
            path: request.source_name.clone(),
            fingerprint: source.fingerprint(),
            train: split.train.len(),
            validation: split.validation.len(),
            test: split.test.len(),
        },
        device: request.device_name.clone(),
        threads: request.threads,
        weights_key: found.key,
        load_report: found.report,
        trainable_report: Some(report),
        kept: None,
        steps: 0,
        validation: None,
        test: None,
        skipped: Vec::new(),
        versions: versions(),
        adaptation: None,
        pretraining: None,
        seconds: 0.0,
    };
    Ok(PreparedAdaptation {
        model: found.model,
        plans,
        source: source_loader,
        split,
        target,
        target_loader,
        record,
        notes,
        folder: None,
        request,
    })
}

fn check_methods(options: &AdaptOptions) -> Result<(), Error> {
    for name in options.methods() {
        named(&name)?;
        if name == FDA && options.freeze_through.is_some() {
            return Err(Error::options(
                "fda changes images, and behind frozen stages their outputs are kept",
                "leave out --freeze-through or fda",
            ));
        }
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
        weights: options.weights.clone(),
        partial_weights: options.partial_weights,
        image_size: options.image_size,
        resize: options.resize,
        shots: options.shots,
        split: options.split,
        strict: options.strict,
        ..FinetuneOptions::default()
    };
    found.settings.seed = options.settings.seed;
    found.settings.batch_size = options.settings.batch_size;
    found
}

/// The images that a generated target is made of: training images that the source leaves out, as many as it has; where it
/// takes all of them, the same images, with those that the validators look at.
fn originals(whole: &Split, split: &Split, seed: u64) -> Vec<usize> {
    let taken: HashSet<usize> = split.train.iter().copied().collect();
    let left: Vec<usize> =
        whole.train.iter().copied().filter(|item| !taken.contains(item)).collect();
    if left.is_empty() {
        let mut all = [whole.train.as_slice(), &whole.validation].concat();
        all.sort_unstable();
        return all;
    }
    let order = tl_random::rng(seed, "originals of the target", 0, 0).permutation(left.len());
    order.into_iter().take(split.train.len()).map(|place| left[place]).collect()
}

/// Lays out the target: labels by the source's names, or none.
fn target(
    request: &AdaptRequest,
    whole: &Split,
    split: &Split,
) -> Result<(Target, Vec<String>), Error> {
    let (source, options) = (&request.source, &request.options);
    let (images, name) = match &request.target {
        TargetData::Images { images, name } => (Images::clone(images), name.clone()),
        TargetData::Shift(shift) => {
            let shifter = shift.clone().prepare(options.settings.seed)?;
            (source.shifted(&shifter), format!("{} of {}", shift.name(), request.source_name))
        }
    };
    let mut notes = images.notes.clone();
    let images = if options.oracle { images } else { images.unlabelled() };
    let images = images.with_classes(&source.classes).map_err(other_classes)?;
    let items = || images.items.iter().enumerate();
    let (adapted, test, own_test_part) = match &request.target {
        TargetData::Shift(_) => {
            let originals = originals(whole, split, options.settings.seed);
            let own = !split.test.is_empty();
            let test = if own { &split.test } else { &originals };
            (originals.clone(), test.clone(), own)
        }
        TargetData::Images { .. } => {
            let is_test = |part: Option<Part>| part == Some(Part::Test);
            let own = items().any(|(_, item)| is_test(item.part))
                && items().any(|(_, item)| !is_test(item.part));
            let of = |test: bool| -> Vec<usize> {
                let chosen = items().filter(|(_, item)| !own || is_test(item.part) == test);
                chosen.map(|(index, _)| index).collect()
            };
            (of(false), of(true), own)
        }
    };
    let test: Vec<usize> =
        test.into_iter().filter(|&item| images.items[item].label.is_some()).collect();
    if adapted.is_empty() {
        return Err(DataError::EmptyDomain { domain: "target".into() }.into());
    }
    if adapted.len() < 2 {
        return Err(Error::options(
            "one image of the target shows no distribution to adapt to",
            "give two or more",
        ));
    }
    if !test.is_empty() && matches!(request.target, TargetData::Images { .. }) {
        notes.push("the target's labels are used for the figures named oracle alone".to_string());
        let counts = images.class_counts(&test);
        let missing = source.classes.iter().zip(counts).filter(|(_, count)| *count == 0);
        let missing: Vec<&str> = missing.map(|(class, _)| class.as_str()).collect();
        if !missing.is_empty() {
            notes.push(format!(
                "the target has no image of {}; methods expect every class of the source there",
                missing.join(", ")
            ));
        }
    }
    let target = Target { images: Arc::new(images), name, adapted, test, own_test_part };
    Ok((target, notes))
}

fn other_classes(error: DataError) -> Error {
    match error {
        DataError::UnknownClass { class, known } => Error::options(
            format!("the target has a class {class:?} that the source does not have ({known})"),
            "give both domains the same classes, or add --no-oracle to leave the target's folders aside",
        ),
        other => other.into(),
    }
}

impl PreparedAdaptation {
    /// Makes the run's folder, or accepts the run in it if it is to be resumed; fitting does so too.
    ///
    /// # Errors
    /// A folder that holds something else or cannot be made.
    pub fn claim(&mut self) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.folder {
            return Ok(folder.clone());
        }
        let plan = self.request.resume.then_some(&self.plans[1]);
        let folder = claim(self.request.out.as_deref(), plan)?;
        if self.request.resume {
            self.check_resume(&folder)?;
        }
        self.folder = Some(folder.clone());
        Ok(folder)
    }

    /// The source's images and what each is for.
    pub fn source(&self) -> (&Images, &Split) {
        (self.source.images(), &self.split)
    }

    /// What the target is called, the images that the methods see, and those the oracle is measured on.
    pub fn target(&self) -> (&str, usize, usize) {
        (&self.target.name, self.target.adapted.len(), self.target.test.len())
    }

    /// The methods that are carried out.
    pub fn methods(&self) -> Vec<String> {
        self.request.options.methods()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded;

    #[test]
    fn a_generated_target_is_made_from_what_the_source_leaves_and_else_from_the_same_images() {
        let whole = Split { train: vec![0, 1, 2, 3, 4, 5], validation: vec![6, 7], test: vec![8] };
        let split = Split { train: vec![1, 4], ..whole.clone() };
        let found = originals(&whole, &split, 3);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|item| [0, 2, 3, 5].contains(item)), "{found:?}");
        assert_eq!(originals(&whole, &whole, 3), [0, 1, 2, 3, 4, 5, 6, 7]);
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
        let targets = [&plain, &bound].map(|prepared| prepared.target.images.fingerprint());
        assert_eq!(targets[0], targets[1]);
        assert_ne!(plain.record.data.fingerprint, bound.record.data.fingerprint);
        // The bound's images are the night's.
        assert_eq!(bound.record.data.fingerprint, targets[1]);
    }
}
