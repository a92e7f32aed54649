//! The contract that every network answers, and the pair of a network and its head.

use std::ops::Range;

use burn::module::{Module, ModuleDisplay, ParamGroup};
use burn::prelude::*;

use crate::{Activation, CoreError, FeatureMap, Pass};

/// One step of a network, from input to output: a name and the parameters and flags that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The name by which plans speak of it (`layer3`, `features.7`).
    pub name: String,
    prefixes: Vec<String>,
}

impl Stage {
    /// A stage that owns every path in the backbone that is one of `prefixes` or lies below one.
    pub fn new(name: &str, prefixes: &[&str]) -> Self {
        Self {
            name: name.to_string(),
            prefixes: prefixes.iter().map(|prefix| prefix.to_string()).collect(),
        }
    }

    /// Whether the parameter or flag at `path` of the backbone belongs to the stage.
    pub fn owns(&self, path: &str) -> bool {
        self.prefixes.iter().any(|prefix| {
            path.strip_prefix(prefix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The same selection for Burn's own functions.
    ///
    /// # Errors
    /// When a prefix cannot be made into a pattern.
    pub fn group(&self) -> Result<ParamGroup, CoreError> {
        let patterns: Vec<String> = self
            .prefixes
            .iter()
            .map(|prefix| format!(r"^{}(\.|$)", prefix.replace('.', r"\.")))
            .collect();
        let all = patterns.join(" | ");
        ParamGroup::from_any_regexes(patterns)
            .map_err(|reason| CoreError::BadPattern { pattern: all, reason: format!("{reason:?}") })
    }
}

/// What a network's weights expect.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedInput {
    Images(ExpectedImages),
    Texts(ExpectedTexts),
}

/// The texts that a network's weights expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedTexts {
    /// How many different pieces there are.
    pub vocabulary: usize,
    /// The most pieces of a text.
    pub longest: usize,
}

/// The images that a network's weights expect.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedImages {
    /// Channels of an image.
    pub channels: usize,
    /// Height and width in pixels that the weights were trained at.
    pub size: usize,
    /// The smallest height and width that every stage can work on.
    pub smallest: usize,
    /// Subtracted from each channel, with values in 0..1.
    pub mean: [f32; 3],
    /// Divided by, after the mean.
    pub std: [f32; 3],
}

impl ExpectedImages {
    /// Colour images of 224 pixels with ImageNet's mean and deviation.
    pub fn imagenet(smallest: usize) -> Self {
        Self {
            channels: 3,
            size: 224,
            smallest,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
        }
    }
}

impl ExpectedInput {
    /// As [`ExpectedImages::imagenet`].
    pub fn imagenet(smallest: usize) -> Self {
        Self::Images(ExpectedImages::imagenet(smallest))
    }

    /// The same for images of `channels` channels.
    pub fn of_channels(self, channels: usize) -> Self {
        match self {
            Self::Images(images) => Self::Images(ExpectedImages { channels, ..images }),
            texts => texts,
        }
    }

    /// The images, or an error that names the `network`.
    ///
    /// # Errors
    /// A network of texts.
    pub fn images(self, network: &str) -> Result<ExpectedImages, CoreError> {
        match self {
            Self::Images(images) => Ok(images),
            Self::Texts(_) => Err(CoreError::WrongActivation {
                place: network.to_string(),
                expected: "texts",
                found: "images",
            }),
        }
    }

    /// The texts, or an error that names the `network`.
    ///
    /// # Errors
    /// A network of images.
    pub fn texts(self, network: &str) -> Result<ExpectedTexts, CoreError> {
        match self {
            Self::Texts(texts) => Ok(texts),
            Self::Images(_) => Err(CoreError::WrongActivation {
                place: network.to_string(),
                expected: "images",
                found: "texts",
            }),
        }
    }
}

/// A network without its head: an ordered list of stages.
pub trait Backbone: Module + ModuleDisplay {
    /// The stages in order from input to output.
    fn stages(&self) -> Vec<Stage>;

    /// Runs the stages `range` on `input`.
    ///
    /// # Errors
    /// When the range does not exist, or `input` is not what its first stage works on.
    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError>;

    /// The same in training, and what a classifier in the middle of the stages answers, `[batch, classes]`: nothing where the
    /// network has none, or where the range or the images leave no place for it.
    ///
    /// # Errors
    /// As [`Backbone::forward_stages`].
    fn forward_training(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<(Activation, Option<Tensor<2>>), CoreError> {
        Ok((self.forward_stages(input, range, pass)?, None))
    }

    /// The width of an embedding: the last feature map, pooled.
    fn embedding_width(&self) -> usize;

    /// The width of what the last stage hands to the head.
    fn head_input_width(&self) -> usize;

    /// What the weights expect.
    fn expected_input(&self) -> ExpectedInput;

    /// How many leading stages make an embedding; all of them, save in a network whose last stages
    /// are fully connected.
    fn embedding_stages(&self) -> usize {
        self.stages().len()
    }

    /// The embedding of a batch, `[batch, embedding_width]`.
    ///
    /// # Errors
    /// As [`Backbone::forward_stages`].
    fn embed(&self, input: Activation) -> Result<Tensor<2>, CoreError> {
        let stages = self.embedding_stages();
        self.forward_stages(input, 0..stages, Pass::default())?.pooled()
    }

    /// The stages `range` as they stand now, frozen, on the plain device.
    fn compile(&self, range: Range<usize>) -> FrozenPrefix
    where
        Self: Sync + 'static,
    {
        let plain = self.valid();
        FrozenPrefix::new(range.clone(), move |input| {
            plain.forward_stages(input.without_autodiff(), range.clone(), Pass::default())
        })
    }
}

type Forward = dyn Fn(Activation) -> Result<Activation, CoreError> + Send;

/// Stages that are not differentiated, not updated and run without a graph.
pub struct FrozenPrefix {
    range: Range<usize>,
    forward: Box<Forward>,
}

impl FrozenPrefix {
    /// A prefix over `range` that computes `forward`.
    pub fn new(
        range: Range<usize>,
        forward: impl Fn(Activation) -> Result<Activation, CoreError> + Send + 'static,
    ) -> Self {
        Self { range, forward: Box::new(forward) }
    }

    /// The stages that it stands for.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Runs the stages on a batch of the plain device.
    ///
    /// # Errors
    /// As [`Backbone::forward_stages`].
    pub fn forward(&self, input: Activation) -> Result<Activation, CoreError> {
        (self.forward)(input)
    }
}

/// Checks that `range` lies within `stages`.
///
/// # Errors
/// When it does not.
pub fn check_range(range: &Range<usize>, stages: usize) -> Result<(), CoreError> {
    if range.start <= range.end && range.end <= stages {
        return Ok(());
    }
    Err(CoreError::BadRange { start: range.start, end: range.end, stages })
}

/// Checks that `images` have `channels` channels and at least `smallest` pixels on each side, for the
/// stage `place`.
///
/// # Errors
/// When they do not: a layer would abort the program.
pub fn check_images(
    images: &FeatureMap,
    channels: usize,
    smallest: usize,
    place: &str,
) -> Result<(), CoreError> {
    let [_, found, height, width] = images.dims();
    if found == channels && height >= smallest && width >= smallest {
        return Ok(());
    }
    let (place, found) = (place.to_string(), [found, height, width]);
    Err(CoreError::WrongImages { place, channels, smallest, found })
}

/// What stands on a backbone and answers the task.
pub trait Head: Module + ModuleDisplay {
    /// The answer for a batch, `[batch, classes]`, from what the last stage made.
    ///
    /// # Errors
    /// When the head works on another kind of activation.
    fn forward(&self, features: Activation, pass: Pass) -> Result<Tensor<2>, CoreError>;

    /// The number of answers.
    fn classes(&self) -> usize;

    /// Whether its linear layer adds a bias.
    fn has_bias(&self) -> bool {
        true
    }

    /// The vectors `[batch, width]` that the linear layer multiplies; without dropout.
    ///
    /// # Errors
    /// When the head works on another kind of activation.
    fn features(&self, features: Activation) -> Result<Tensor<2>, CoreError> {
        features.pooled()
    }

    /// The head with these values: `weight` is `[classes, width]` in row order, `bias` `[classes]`.
    fn with_values(self, weight: Vec<f32>, bias: Vec<f32>) -> Self;
}

/// A backbone and the head for a task.
#[derive(Module, Debug)]
pub struct Model<B: Module, H: Module> {
    /// The stages.
    pub backbone: B,
    /// What answers the task.
    pub head: H,
}

/// The name under which plans and reports speak of the head.
pub const HEAD: &str = "head";

impl<B: Backbone, H: Head> Model<B, H> {
    /// Logits from the output of stage `from - 1` (images when `from` is 0).
    ///
    /// # Errors
    /// As [`Backbone::forward_stages`] and [`Head::forward`].
    pub fn forward_from(
        &self,
        input: Activation,
        from: usize,
        pass: Pass,
    ) -> Result<Tensor<2>, CoreError> {
        let stages = self.backbone.stages().len();
        pass.during(|| {
            let features = self.backbone.forward_stages(input, from..stages, pass)?;
            self.head.forward(features, pass)
        })
    }

    /// Logits of a batch of images.
    ///
    /// # Errors
    /// As [`Model::forward_from`].
    pub fn forward(&self, input: Activation, pass: Pass) -> Result<Tensor<2>, CoreError> {
        self.forward_from(input, 0, pass)
    }
}
