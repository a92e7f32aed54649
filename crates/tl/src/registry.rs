//! What the networks are and what they cost: one entry each, computed from the network itself, beside the published weights
//! that are known to fit it.

use std::time::Instant;

use burn::tensor::Device;
use serde::Serialize;
use tl_core::parameters::{ParameterInfo, is_statistic, parameters};
use tl_core::{Activation, Backbone, ExpectedInput, HEAD, Head, Pass, RowShape, rng};
use tl_kernels::multiply_adds;
use tl_models::Architecture;
use tl_models::load::{origin_name, origin_shape};
use tl_models::weights::KnownWeights;
use tl_train::{Progress, TrainError};

use crate::{Error, Network, networks};

/// Pieces of the text by which networks of texts are counted and timed: as many as are read of a text by default.
pub const PIECES: usize = 128;

/// What a network works on, at the size that its weights expect.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "works_on")]
pub enum ModelInput {
    Images {
        channels: usize,
        /// Pixels of a side.
        size: usize,
        /// The smallest side that every stage can work on.
        smallest: usize,
        /// Subtracted from each channel, with values in 0..1, and divided by after it.
        mean: [f32; 3],
        std: [f32; 3],
    },
    Texts {
        vocabulary: usize,
        longest: usize,
        /// Of the text that is counted.
        pieces: usize,
    },
}

/// A network of the registry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelEntry {
    pub name: &'static str,
    pub input: ModelInput,
    /// Answers of the head that is counted: that of the known weights; 0 where none is.
    pub classes: usize,
    /// Without the statistics of norms.
    pub parameters: u64,
    /// For one image or text of this input.
    pub multiply_adds: u64,
    pub weights: Vec<KnownWeights>,
    /// Where it was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
}

/// An entry with its stages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelDetail {
    #[serde(flatten)]
    pub entry: ModelEntry,
    /// From input to output, the head last where one is counted.
    pub stages: Vec<ModelStage>,
}

/// A stage of a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelStage {
    pub name: String,
    pub parameters: u64,
    pub multiply_adds: u64,
    /// The shape of what it makes of one example.
    pub output: Vec<usize>,
    /// The tensors that are read from a weights file: the origin's names and their shapes.
    pub names: Vec<(String, Vec<usize>)>,
}

/// How fast a frozen network is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    /// Images or texts.
    pub per_second: f64,
    pub batch_size: usize,
    pub batches: usize,
}

/// The networks that `words` ask for, each by a part of its name, of what it works on, or of its known weights' origin, name,
/// file or licence; all without any word.
///
/// # Errors
/// Words that ask for none.
pub fn matching(words: &[String]) -> Result<Vec<&'static str>, Error> {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let says = |name: &&str| {
        let kind = if crate::works_on_texts(name) { "texts" } else { "images" };
        let known = KnownWeights::of(name)
            .flat_map(|it| [it.origin, it.name, it.file, it.licence].map(str::to_lowercase));
        let said: Vec<String> =
            [name.to_string(), kind.to_string()].into_iter().chain(known).collect();
        words.is_empty() || words.iter().any(|word| said.iter().any(|text| text.contains(word)))
    };
    let found: Vec<&str> = networks().into_iter().filter(says).collect();
    if found.is_empty() {
        return Err(Error::options(
            format!("no network is called or described by {}", words.join(" or ")),
            "see `tl models` for all of them",
        ));
    }
    Ok(found)
}

/// The network called `name` in all detail, from its shapes alone: nothing is computed by it.
///
/// # Errors
/// A name that no network has.
pub fn describe(name: &str, device: &Device) -> Result<ModelDetail, Error> {
    let network = Network::by_name(name, device)?;
    let input = ModelInput::of(&network);
    let weights: Vec<KnownWeights> = KnownWeights::of(name).copied().collect();
    let classes = weights.first().map_or(0, |known| known.classes);
    let network = if classes > 0 { network.for_classes(classes, device) } else { network };
    let tensors = parameters(&network);
    let mut activation = input.example(1, device, |_| 0.0);
    let mut stages = Vec::new();
    for (at, stage) in network.stages().into_iter().enumerate() {
        let (made, counted) =
            multiply_adds(|| network.forward_stages(activation, at..at + 1, Pass::default()));
        activation = made?;
        let own: Vec<&ParameterInfo> =
            tensors.iter().filter(|info| stage.owns(&info.path)).collect();
        let named = |info: &&ParameterInfo| of_origin(&network, "backbone", info);
        stages.push(ModelStage {
            name: stage.name,
            parameters: count(own.iter().copied()),
            multiply_adds: counted,
            output: extents(activation.row_shape()),
            names: own.iter().map(named).collect(),
        });
    }
    if classes > 0 {
        let head = network.zero_head(classes, device);
        let (made, counted) = multiply_adds(|| head.forward(activation, Pass::default()));
        made?;
        let own = parameters(&head);
        stages.push(ModelStage {
            name: HEAD.to_string(),
            parameters: count(own.iter()),
            multiply_adds: counted,
            output: vec![classes],
            names: own.iter().map(|info| of_origin(&network, "head", info)).collect(),
        });
    }
    let entry = ModelEntry {
        name: network.name(),
        input,
        classes,
        parameters: stages.iter().map(|stage| stage.parameters).sum(),
        multiply_adds: stages.iter().map(|stage| stage.multiply_adds).sum(),
        weights,
        pace: None,
    };
    Ok(ModelDetail { entry, stages })
}

/// The origin's name and shape of a tensor of the classifier's part `part`.
fn of_origin(network: &Network, part: &str, info: &ParameterInfo) -> (String, Vec<usize>) {
    let path = format!("{part}.{}", info.path);
    (origin_name(network, &path), origin_shape(network, &path, &info.shape))
}

fn count<'a>(tensors: impl Iterator<Item = &'a ParameterInfo>) -> u64 {
    tensors.filter(|info| !is_statistic(&info.path)).map(|info| info.elements() as u64).sum()
}

fn extents(shape: RowShape) -> Vec<usize> {
    match shape {
        RowShape::Image { channels, height, width } => vec![channels, height, width],
        RowShape::Tokens { tokens, width, .. } => vec![tokens, width],
        RowShape::Vector { width } => vec![width],
        other => vec![other.elements()],
    }
}

impl ModelInput {
    fn of(network: &Network) -> Self {
        match network.expected_input() {
            ExpectedInput::Images(it) => Self::Images {
                channels: it.channels,
                size: it.size,
                smallest: it.smallest,
                mean: it.mean,
                std: it.std,
            },
            ExpectedInput::Texts(it) => Self::Texts {
                vocabulary: it.vocabulary,
                longest: it.longest,
                pieces: PIECES.min(it.longest),
            },
        }
    }

    /// What a batch is called.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Images { .. } => "images",
            Self::Texts { .. } => "texts",
        }
    }

    fn shape(&self) -> RowShape {
        match *self {
            Self::Images { channels, size, .. } => {
                RowShape::Image { channels, height: size, width: size }
            }
            Self::Texts { pieces, .. } => RowShape::Texts { pieces },
        }
    }

    fn example(
        &self,
        batch: usize,
        device: &Device,
        value: impl FnMut(usize) -> f32,
    ) -> Activation {
        let shape = self.shape();
        let values = (0..batch * shape.elements()).map(value).collect();
        Activation::from_rows(shape, values, device)
    }
}

/// The fewest and the most batches that are timed, and the seconds that they are to fill.
const BATCHES: [f64; 2] = [3.0, 50.0];
const SECONDS: f64 = 2.0;

/// Times the network called `name` on this device, frozen as a prefix is, with random weights and inputs of its usual size: a
/// batch to set up, then batches for some 2 seconds, at least 3.
///
/// # Errors
/// A name that no network has, a batch of none, a device that fails.
pub fn measure(
    name: &str,
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Pace, Error> {
    if batch_size == 0 {
        return Err(Error::options("a batch of 0 measures nothing", "give --batch-size from 1"));
    }
    let network = Network::by_name(name, device)?.with_head(1, 0, device).backbone;
    let input = ModelInput::of(&network);
    let prefix = network.compile(0..network.stages().len());
    let mut random = rng(0, "measure", 0, 0);
    let batch = input.example(batch_size, device, |_| match input {
        ModelInput::Images { .. } => random.between(-2.0, 2.0) as f32,
        ModelInput::Texts { vocabulary, .. } => {
            random.between(0.0, vocabulary as f64).floor().min(vocabulary as f64 - 1.0) as f32
        }
    });
    // What was computed is waited for, on devices that do so later too.
    let pass = || -> Result<f64, Error> {
        let begun = Instant::now();
        prefix.forward(batch.clone())?.into_rows().map_err(TrainError::Device)?;
        Ok(begun.elapsed().as_secs_f64())
    };
    progress.begin(&format!("measuring {name}"), 1);
    pass()?;
    let alone = pass()?;
    let batches = (SECONDS / alone.max(1e-9)).clamp(BATCHES[0], BATCHES[1]).ceil() as usize;
    progress.begin(&format!("measuring {name}"), batches as u64);
    let mut seconds = 0.0;
    for _ in 0..batches {
        seconds += pass()?;
        progress.advance(1, "");
    }
    progress.end();
    let per_second = (batches * batch_size) as f64 / seconds.max(1e-9);
    Ok(Pace { per_second, batch_size, batches })
}
