//! What features are good for without tuning: nearest neighbours and a linear head on frozen stages.

use std::sync::Arc;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::{Backbone, Model, Phase, Plan};
use tl_data::{Augment, Images, Items, Loader, Preprocess, Skipped, Split};
use tl_ssl::knn::{Labelled, Neighbours, predict};
use tl_ssl::{AttentiveHead, embed_labelled};
use tl_train::fit::{CANDIDATES, Task};
use tl_train::logistic::{Examples, Options, fit_chosen};
use tl_train::metrics::{Evaluation, Interval};
use tl_train::{Conduct, Progress, Settings, fit};

use crate::source::{preprocess, pretrained_as};
use crate::{Error, Network, NetworkChoice};

/// A probing that is asked for.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    pub choice: NetworkChoice,
    /// Where the weights come from.
    pub weights: String,
    pub partial_weights: bool,
    pub images: Arc<Images>,
    /// The shares of training, validation and test part, where the data is not divided already.
    pub split: [f64; 3],
    /// Training images of each class; all where it is not given.
    pub shots: Option<usize>,
    pub resize: Option<usize>,
    pub batch_size: usize,
    pub neighbours: Neighbours,
    /// Epochs of the attentive probe; none where it is not given.
    pub attentive: Option<usize>,
    /// Whether the images themselves are compared too, pixel by pixel.
    pub pixels: bool,
    pub seed: u64,
    pub device: Device,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    pub strict: bool,
}

impl ProbeRequest {
    /// A probing of the network `name` with its weights from `source`.
    pub fn new(images: Images, name: &str, source: &str, device: &Device) -> Self {
        Self {
            choice: NetworkChoice::named(name),
            weights: source.to_string(),
            partial_weights: false,
            images: Arc::new(images),
            split: [0.7, 0.15, 0.15],
            shots: None,
            resize: None,
            batch_size: 128,
            neighbours: Neighbours::default(),
            attentive: None,
            pixels: false,
            seed: 0,
            device: device.clone(),
            threads: 0,
            strict: false,
        }
    }
}

/// What the features are good for, measured once on the test part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// Accuracy of the nearest neighbours.
    pub knn: f64,
    pub knn_interval: [f64; 2],
    /// Accuracy of logistic regression on the features, its regularisation chosen on the validation part.
    pub linear: f64,
    pub linear_interval: [f64; 2],
    /// Accuracy of a head that attends to all places of the last stage's output; where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attentive: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attentive_interval: Option<[f64; 2]>,
    /// Accuracy of the nearest neighbours by the pixels, without a network; where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels_interval: Option<[f64; 2]>,
    /// What was chosen, scikit-learn's C.
    pub c: f64,
    /// The width of the features.
    pub width: usize,
    /// Labelled images whose features were learnt from.
    pub train: usize,
    pub validation: usize,
    /// Images that were measured.
    pub n: usize,
    pub skipped: Vec<Skipped>,
}

/// Embeds all images once, and measures what their features are good for.
///
/// # Errors
/// Anything that is wrong with the data, the weights or an option.
pub fn probe(request: &ProbeRequest, progress: &mut dyn Progress) -> Result<Probed, Error> {
    let images = &request.images;
    images.require_classes()?;
    if request.batch_size == 0 || request.neighbours.count == 0 {
        let what = if request.batch_size == 0 { "--batch-size" } else { "--neighbours" };
        return Err(Error::options(format!("{what} is 0"), "give a whole number from 1"));
    }
    let seed = request.seed;
    let mut split = images.split(request.split, seed)?;
    if let Some(shots) = request.shots {
        split = split.shots(&**images, shots, seed)?;
    }
    let (choice, partial) = (&request.choice, request.partial_weights);
    let found = pretrained_as(choice, &request.weights, None, partial, seed, &request.device)?;
    let backbone = found.model.backbone;
    let preprocess = preprocess(&backbone, choice.image_size, request.resize)?;
    let loader = Loader::new(images.clone(), preprocess, request.threads, request.strict)?;
    let mut embed = |items: &[usize]| {
        let size = request.batch_size;
        embed_labelled(&backbone, &loader, items, size, &request.device, progress)
    };
    let (train, validation, test) =
        (embed(&split.train)?, embed(&split.validation)?, embed(&split.test)?);
    if test.labels.is_empty() {
        return Err(Error::options(
            "the data has no test part with labels that can be read",
            "give images in one folder for each class, or in folders train, validation and test",
        ));
    }
    progress.say("nearest neighbours and a linear head");
    let neighbours = predict(&train, &test.features, request.neighbours, &request.device)?;
    let chooser = if validation.labels.is_empty() { &train } else { &validation };
    let chosen = fit_chosen(
        Examples { features: &train.features, labels: &train.labels },
        Examples { features: &chooser.features, labels: &chooser.labels },
        images.classes.len(),
        &CANDIDATES,
        &Options::default(),
    )
    .map_err(tl_train::TrainError::from)?;
    let linear = chosen.head.predict(&test.features);
    let pixels = match request.pixels {
        true => Some(share(&by_pixels(request, &loader, &split)?, &test.labels)),
        false => None,
    };
    let attentive = match request.attentive {
        Some(epochs) => Some(attend(request, backbone, &loader, &split, epochs, progress)?),
        None => None,
    };
    let (knn, knn_interval) = share(&neighbours, &test.labels);
    let (linear, linear_interval) = share(&linear, &test.labels);
    Ok(Probed {
        knn,
        knn_interval,
        linear,
        linear_interval,
        attentive: attentive.as_ref().map(|found| found.accuracy),
        attentive_interval: attentive.as_ref().map(|found| found.interval),
        pixels: pixels.map(|found| found.0),
        pixels_interval: pixels.map(|found| found.1),
        c: chosen.c,
        width: train.width(),
        train: train.labels.len(),
        validation: validation.labels.len(),
        n: test.labels.len(),
        skipped: loader.skipped(),
    })
}

/// The classes of the nearest neighbours by the pixels, from 0 for black to 1: what a network has to beat.
fn by_pixels(request: &ProbeRequest, loader: &Loader, split: &Split) -> Result<Vec<usize>, Error> {
    let images = &request.images;
    let preprocess = Preprocess { mean: [0.0; 3], std: [1.0; 3], ..loader.preprocess().clone() };
    let loader = Loader::new(images.clone(), preprocess, request.threads, request.strict)?;
    let read = |items: &[usize]| -> Result<Labelled, Error> {
        let label = |item: usize| images.items.get(item).and_then(|item| item.label);
        let items = items.iter().copied().filter(|&item| label(item).is_some()).collect();
        let mut found = Labelled::default();
        for batch in loader.batches(items, request.batch_size, None) {
            let batch = batch?;
            found.features.extend(batch.pixels);
            found.labels.extend(batch.indices.into_iter().filter_map(label));
        }
        Ok(found)
    };
    let (train, test) = (read(&split.train)?, read(&split.test)?);
    Ok(predict(&train, &test.features, request.neighbours, &request.device)?)
}

/// The rate of the attentive head, and its images in a step.
const ATTENTIVE_RATE: f64 = 1e-3;
const ATTENTIVE_BATCH: usize = 32;

/// A head on all places of the frozen stages' output, trained by gradient; the validation part chooses the
/// epoch.
fn attend(
    request: &ProbeRequest,
    backbone: Network,
    loader: &Loader,
    split: &Split,
    epochs: usize,
    progress: &mut dyn Progress,
) -> Result<Evaluation, Error> {
    let (seed, batch_size, device) = (request.seed, request.batch_size, &request.device);
    let images = loader.images();
    let stages = backbone.embedding_stages();
    if stages != backbone.stages().len() {
        return Err(Error::options(
            format!("the last stages of {} give one vector, without places", request.choice.name),
            "leave out --attentive",
        ));
    }
    let classes = images.classes.len();
    let head = AttentiveHead::new(backbone.head_input_width(), classes, seed, device);
    let phase = Phase::probe(epochs).named("attentive").rates(ATTENTIVE_RATE, ATTENTIVE_RATE);
    let settings = Settings { seed, batch_size: ATTENTIVE_BATCH, ..Settings::default() };
    let task = Task { data: loader, split, augment: Augment::none() };
    let (plan, conduct) = (Plan::new(vec![phase]), Conduct::default());
    let model = Model { backbone, head };
    let fitted = fit(model, &task, &plan, &settings, &conduct, progress)?;
    let labels: Vec<Option<usize>> = images.items.iter().map(|item| item.label).collect();
    let found =
        tl_train::predict(&fitted.model, loader, &split.test, batch_size, device, progress)?;
    let measured = found.evaluate(&images.classes, &labels)?;
    measured.ok_or_else(|| Error::options("no image of the test part can be read", "give others"))
}

/// The share of right predictions and its 95 % interval.
fn share(predicted: &[usize], labels: &[usize]) -> (f64, [f64; 2]) {
    let right = predicted.iter().zip(labels).filter(|(one, other)| one == other).count() as u64;
    let n = labels.len() as u64;
    let Interval { low, high } = Interval::wilson(right, n);
    (right as f64 / n.max(1) as f64, [low, high])
}
