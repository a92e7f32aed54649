//! What flows between the stages of a network.

use std::cell::Cell;

use burn::prelude::*;

use crate::CoreError;
use crate::tokens::{Pieces, Tokens};

/// Where the channels of a [`FeatureMap`] lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[batch, channels, height, width]`
    ChannelsFirst,
    /// `[batch, height, width, channels]`
    ChannelsLast,
}

/// A batch of images or of what a network made of them.
///
/// The layout is the layers' own affair: whoever needs a definite one asks for it at the edge.
#[derive(Clone, Debug)]
pub struct FeatureMap {
    tensor: Tensor<4>,
    layout: Layout,
}

impl FeatureMap {
    /// Wraps a tensor of shape `[batch, channels, height, width]`.
    pub fn channels_first(tensor: Tensor<4>) -> Self {
        Self { tensor, layout: Layout::ChannelsFirst }
    }

    /// Wraps a tensor of shape `[batch, height, width, channels]`.
    pub fn channels_last(tensor: Tensor<4>) -> Self {
        Self { tensor, layout: Layout::ChannelsLast }
    }

    /// The tensor as `[batch, channels, height, width]`.
    pub fn into_channels_first(self) -> Tensor<4> {
        match self.layout {
            Layout::ChannelsFirst => self.tensor,
            Layout::ChannelsLast => self.tensor.permute([0, 3, 1, 2]),
        }
    }

    /// `[batch, channels, height, width]`, whatever the layout.
    pub fn dims(&self) -> [usize; 4] {
        let [batch, second, third, fourth] = self.tensor.dims();
        match self.layout {
            Layout::ChannelsFirst => [batch, second, third, fourth],
            Layout::ChannelsLast => [batch, fourth, second, third],
        }
    }
}

/// What flows between stages; the variant says which kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activation {
    /// Images and feature maps.
    Image(FeatureMap),
    /// Texts as a tokenizer cut them, of any lengths; they lie on no device.
    Texts(Vec<Pieces>),
    /// A sequence for each example.
    Tokens(Tokens),
    /// One vector for each example, `[batch, width]`.
    Vector(Tensor<2>),
}

impl Activation {
    /// Images `[batch, channels, height, width]`.
    pub fn image(tensor: Tensor<4>) -> Self {
        Activation::Image(FeatureMap::channels_first(tensor))
    }

    /// The number of examples.
    pub fn batch(&self) -> usize {
        match self {
            Activation::Image(map) => map.dims()[0],
            Activation::Texts(texts) => texts.len(),
            Activation::Tokens(tokens) => tokens.hidden.dims()[0],
            Activation::Vector(tensor) => tensor.dims()[0],
        }
    }

    /// The feature map, or an error that names `place`.
    pub fn into_image(self, place: &str) -> Result<FeatureMap, CoreError> {
        match self {
            Activation::Image(map) => Ok(map),
            other => Err(other.unexpected(place, "images")),
        }
    }

    /// The texts, or an error that names `place`.
    pub fn into_texts(self, place: &str) -> Result<Vec<Pieces>, CoreError> {
        match self {
            Activation::Texts(texts) => Ok(texts),
            other => Err(other.unexpected(place, "texts")),
        }
    }

    /// The sequences, or an error that names `place`.
    pub fn into_tokens(self, place: &str) -> Result<Tokens, CoreError> {
        match self {
            Activation::Tokens(tokens) => Ok(tokens),
            other => Err(other.unexpected(place, "tokens")),
        }
    }

    /// The vectors `[batch, width]`, or an error that names `place`.
    pub fn into_vector(self, place: &str) -> Result<Tensor<2>, CoreError> {
        match self {
            Activation::Vector(tensor) => Ok(tensor),
            other => Err(other.unexpected(place, "vectors")),
        }
    }

    fn unexpected(&self, place: &str, expected: &'static str) -> CoreError {
        let found = match self {
            Activation::Image(_) => "images",
            Activation::Texts(_) => "texts",
            Activation::Tokens(_) => "tokens",
            Activation::Vector(_) => "vectors",
        };
        CoreError::WrongActivation { place: place.to_string(), expected, found }
    }

    /// One vector for each example, `[batch, width]`: the mean over height and width of a feature
    /// map, of a sequence what its pooling says, a vector as it is.
    ///
    /// # Errors
    /// Texts, which are no numbers yet.
    pub fn pooled(self) -> Result<Tensor<2>, CoreError> {
        Ok(match self {
            Activation::Image(map) => {
                let [batch, channels, height, width] = map.dims();
                map.into_channels_first()
                    .reshape([batch, channels, height * width])
                    .mean_dim(2)
                    .reshape([batch, channels])
            }
            Activation::Tokens(tokens) => tokens.pooled(),
            Activation::Vector(tensor) => tensor,
            texts @ Activation::Texts(_) => return Err(texts.unexpected("pooling", "numbers")),
        })
    }

    /// The same values on the plain device, without a graph.
    pub fn without_autodiff(self) -> Self {
        match self {
            Activation::Image(map) => Activation::Image(FeatureMap {
                tensor: map.tensor.without_autodiff(),
                layout: map.layout,
            }),
            Activation::Texts(texts) => Activation::Texts(texts),
            Activation::Tokens(tokens) => {
                let hidden = tokens.hidden.without_autodiff();
                Activation::Tokens(Tokens { hidden, ..tokens })
            }
            Activation::Vector(tensor) => Activation::Vector(tensor.without_autodiff()),
        }
    }

    /// The same values as constants of the autodiff device: the cut between frozen and trained.
    pub fn autodiff(self) -> Self {
        match self {
            Activation::Image(map) => {
                Activation::Image(FeatureMap { tensor: map.tensor.autodiff(), layout: map.layout })
            }
            Activation::Texts(texts) => Activation::Texts(texts),
            Activation::Tokens(tokens) => {
                let hidden = tokens.hidden.autodiff();
                Activation::Tokens(Tokens { hidden, ..tokens })
            }
            Activation::Vector(tensor) => Activation::Vector(tensor.autodiff()),
        }
    }
}

/// What a forward pass may draw random numbers for: the seed of the run and the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// The seed of the run.
    pub seed: u64,
    /// The optimizer step, counted over the whole run.
    pub step: u64,
}

thread_local! {
    static CURRENT: Cell<Pass> = const { Cell::new(Pass { seed: 0, step: 0 }) };
}

/// Puts back the pass before, also by a panic.
struct Before(Pass);

impl Drop for Before {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl Pass {
    /// Runs `work` with this pass as the [current](Pass::current) one of the thread.
    pub fn during<R>(self, work: impl FnOnce() -> R) -> R {
        let _before = Before(CURRENT.replace(self));
        work()
    }

    /// The pass of the [`Model`](crate::Model) that runs on this thread: for layers to which none is handed.
    pub fn current() -> Self {
        CURRENT.get()
    }
}
