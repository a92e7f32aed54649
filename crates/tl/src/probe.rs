//! What features are good for without tuning: nearest neighbours and a linear head on frozen stages.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use tl_core::{Backbone, Model, Phase, Plan};
use tl_data::text::TfIdf;
use tl_data::{Augment, Loader, Preprocess, Skipped, Split};
use tl_models::Classifier;
use tl_ssl::AttentiveHead;
use tl_ssl::knn::{Labelled, Neighbours, predict};
use tl_train::fit::{CANDIDATES, Task};
use tl_train::logistic::{Examples as Rows, Options, SparseRows, fit_chosen, fit_chosen_sparse};
use tl_train::metrics::{Evaluation, Interval};
use tl_train::{Conduct, Dataset, Earlier, Progress, Settings, fit};

use crate::embed::embed_items;
use crate::examples::Input;
use crate::several::are_several;
use crate::source::pretrained_as;
use crate::{Error, Examples, FinetuneOptions, Network, NetworkChoice, TextOptions};

/// A probing that is asked for.
#[derive(Clone, Debug)]
pub struct ProbeRequest {
    pub choice: NetworkChoice,
    /// Where the weights come from.
    pub weights: String,
    pub partial_weights: bool,
    pub examples: Examples,
    /// The shares of training, validation and test part, where the data is not divided already.
    pub split: [f64; 3],
    /// Training examples of each class; all where it is not given.
    pub shots: Option<usize>,
    pub resize: Option<usize>,
    pub text: TextOptions,
    pub batch_size: usize,
    pub neighbours: Neighbours,
    /// Epochs of the attentive probe; none where it is not given.
    pub attentive: Option<usize>,
    /// Whether the images themselves are compared too, pixel by pixel.
    pub pixels: bool,
    /// Whether logistic regression on the words of texts is measured too.
    pub words: bool,
    pub seed: u64,
    pub device: Device,
    /// Threads that decode images; 0 for one on each core.
    pub threads: usize,
    pub strict: bool,
}

impl ProbeRequest {
    /// A probing of the network `name` with its weights from `source`.
    pub fn new(examples: impl Into<Examples>, name: &str, source: &str, device: &Device) -> Self {
        Self {
            choice: NetworkChoice::named(name),
            weights: source.to_string(),
            partial_weights: false,
            examples: examples.into(),
            split: [0.7, 0.15, 0.15],
            shots: None,
            resize: None,
            text: TextOptions::default(),
            batch_size: 128,
            neighbours: Neighbours::default(),
            attentive: None,
            pixels: false,
            words: false,
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
    /// Accuracy of logistic regression on the words of texts, without a network; where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words_interval: Option<[f64; 2]>,
    /// What was chosen, scikit-learn's C.
    pub c: f64,
    /// The width of the features.
    pub width: usize,
    /// Labelled examples whose features were learnt from.
    pub train: usize,
    pub validation: usize,
    /// Examples that were measured.
    pub n: usize,
    pub skipped: Vec<Skipped>,
}

/// Embeds all examples once, and measures what their features are good for.
///
/// # Errors
/// Anything that is wrong with the data, the weights or an option.
pub fn probe(request: &ProbeRequest, progress: &mut dyn Progress) -> Result<Probed, Error> {
    probe_on(request, request.seed, progress)
}

/// The same of a network whose weights, where they are drawn, are those of `drawn`.
pub(crate) fn probe_on(
    request: &ProbeRequest,
    drawn: u64,
    progress: &mut dyn Progress,
) -> Result<Probed, Error> {
    let items = request.examples.items();
    items.require_classes()?;
    if are_several(&request.examples) {
        return Err(Error::options(
            "probes tell one class of each image, and these have several",
            "fit them with `tl finetune --recipe probe --epochs N`",
        ));
    }
    if request.batch_size == 0 || request.neighbours.count == 0 {
        let what = if request.batch_size == 0 { "--batch-size" } else { "--neighbours" };
        return Err(Error::options(format!("{what} is 0"), "give a whole number from 1"));
    }
    check_kind(request)?;
    let seed = request.seed;
    let mut split = Split::of(items, request.split, seed)?;
    if let Some(shots) = request.shots {
        split = split.shots(items, shots, seed)?;
    }
    let (choice, partial) = (&request.choice, request.partial_weights);
    let found = pretrained_as(choice, &request.weights, None, partial, drawn, &request.device)?;
    let options = FinetuneOptions {
        image_size: choice.image_size,
        resize: request.resize,
        text: request.text.clone(),
        strict: request.strict,
        ..FinetuneOptions::default()
    };
    let data = found.dataset(&request.examples, &options, request.threads)?;
    let model = found.model;
    let mut embed = |part: &[usize]| labelled(&model, &*data, part, request, progress);
    let (train, validation, test) =
        (embed(&split.train)?, embed(&split.validation)?, embed(&split.test)?);
    if test.labels.is_empty() {
        return Err(Error::options(
            "the data has no test part with labels that can be read",
            "give images in one folder for each class, in folders train, validation and test, or texts with labels",
        ));
    }
    progress.say("nearest neighbours and a linear head");
    let neighbours = predict(&train, &test.features, request.neighbours, &request.device)?;
    let chooser = if validation.labels.is_empty() { &train } else { &validation };
    let chosen = fit_chosen(
        Rows { features: &train.features, labels: &train.labels },
        Rows { features: &chooser.features, labels: &chooser.labels },
        items.classes().len(),
        &CANDIDATES,
        &Options::default(),
    )
    .map_err(tl_train::TrainError::from)?;
    let linear = chosen.head.predict(&test.features);
    let pixels = match &data {
        Input::Images(loader) if request.pixels => {
            Some(share(&by_pixels(request, loader, &split)?, &test.labels))
        }
        _ => None,
    };
    let words = match request.words {
        true => Some(by_words(&request.examples, &split)?),
        false => None,
    };
    let attentive = match request.attentive {
        Some(epochs) => Some(attend(request, model.backbone, &*data, &split, epochs, progress)?),
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
        words: words.map(|found| found.0),
        words_interval: words.map(|found| found.1),
        c: chosen.c,
        width: train.width(),
        train: train.labels.len(),
        validation: validation.labels.len(),
        n: test.labels.len(),
        skipped: data.skipped(),
    })
}

/// Succeeds where nothing is asked for that the examples have not.
fn check_kind(request: &ProbeRequest) -> Result<(), Error> {
    let refused =
        |what: &str, flag: &str| Err(Error::options(what.to_string(), format!("leave out {flag}")));
    match &request.examples {
        Examples::Images(_) if request.words => refused("images have no words", "--words"),
        Examples::Texts(_) if request.pixels => refused("texts have no pixels", "--pixels"),
        Examples::Tagged(_) => Err(Error::options(
            "a sentence whose words have tags is no example of one class",
            "fit a head instead: tl finetune DATA --task tokens --recipe probe",
        )),
        _ => Ok(()),
    }
}

/// The embeddings of those of a part's examples that can be read and have a label.
fn labelled(
    model: &Classifier<Network>,
    data: &dyn Dataset,
    part: &[usize],
    request: &ProbeRequest,
    progress: &mut dyn Progress,
) -> Result<Labelled, Error> {
    let label = |item: &usize| data.items().label(*item);
    let known: Vec<usize> = part.iter().copied().filter(|item| label(item).is_some()).collect();
    let (size, device) = (request.batch_size, &request.device);
    let found = embed_items(&model.backbone, data, &known, size, device, progress)?;
    let labels = found.items.iter().filter_map(label).collect();
    Ok(Labelled { features: found.values, labels })
}

/// The accuracy of logistic regression on the words of texts, its regularisation chosen on the validation part: what a
/// network has to beat.
fn by_words(examples: &Examples, split: &Split) -> Result<(f64, [f64; 2]), Error> {
    let Examples::Texts(texts) = examples else {
        return Err(Error::options("these have no words of texts", "leave out --words"));
    };
    let text = |item: usize| {
        let item = texts.items.get(item)?;
        let whole = match &item.pair {
            Some(pair) => format!("{} {pair}", item.text),
            None => item.text.clone(),
        };
        Some((whole, item.label?))
    };
    let part = |items: &[usize]| -> (Vec<String>, Vec<usize>) {
        items.iter().filter_map(|item| text(*item)).unzip()
    };
    let (train, validation, test) =
        (part(&split.train), part(&split.validation), part(&split.test));
    let chooser = if validation.1.is_empty() { &train } else { &validation };
    let words = TfIdf::learned(train.0.iter().map(String::as_str));
    let rows = |texts: &[String]| {
        let mut rows = SparseRows::new(words.width());
        texts.iter().for_each(|text| rows.push(words.features(text)));
        rows
    };
    let (training, choosing) = (rows(&train.0), rows(&chooser.0));
    let chosen = fit_chosen_sparse(
        (&training, &train.1),
        (&choosing, &chooser.1),
        texts.classes.len(),
        &WORD_CANDIDATES,
        &Options::default(),
    )
    .map_err(tl_train::TrainError::from)?;
    Ok(share(&chosen.head.predict_sparse(&rows(&test.0)), &test.1))
}

/// Values of C: rows of words have length 1, and few examples each.
const WORD_CANDIDATES: [f64; 6] = [0.1, 1.0, 3.0, 10.0, 30.0, 100.0];

/// The classes of the nearest neighbours by the pixels, from 0 for black to 1: what a network has to beat.
fn by_pixels(request: &ProbeRequest, loader: &Loader, split: &Split) -> Result<Vec<usize>, Error> {
    let images = loader.images();
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
    data: &dyn Dataset,
    split: &Split,
    epochs: usize,
    progress: &mut dyn Progress,
) -> Result<Evaluation, Error> {
    let (seed, batch_size, device) = (request.seed, request.batch_size, &request.device);
    let items = data.items();
    let stages = backbone.embedding_stages();
    if stages != backbone.stages().len() {
        return Err(Error::options(
            format!("the last stages of {} give one vector, without places", request.choice.name),
            "leave out --attentive",
        ));
    }
    let classes = items.classes().len();
    let head = AttentiveHead::new(backbone.head_input_width(), classes, seed, device);
    let phase = Phase::probe(epochs).named("attentive").rates(ATTENTIVE_RATE, ATTENTIVE_RATE);
    let settings = Settings { seed, batch_size: ATTENTIVE_BATCH, ..Settings::default() };
    let task = Task { data, split, augment: Augment::none(), earlier: Earlier::default() };
    let (plan, conduct) = (Plan::new(vec![phase]), Conduct::default());
    let model = Model { backbone, head };
    let fitted = fit(model, &task, &plan, &settings, &conduct, progress)?;
    let labels = items.labels();
    let found = tl_train::predict(&fitted.model, data, &split.test, batch_size, device, progress)?;
    let measured = found.evaluate(items.classes(), &labels)?;
    measured.ok_or_else(|| Error::options("no image of the test part can be read", "give others"))
}

/// The share of right predictions and its 95 % interval.
fn share(predicted: &[usize], labels: &[usize]) -> (f64, [f64; 2]) {
    let right = predicted.iter().zip(labels).filter(|(one, other)| one == other).count() as u64;
    let n = labels.len() as u64;
    let Interval { low, high } = Interval::wilson(right, n);
    (right as f64 / n.max(1) as f64, [low, high])
}
