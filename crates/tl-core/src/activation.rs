//! What flows between the stages of a network.

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::CoreError;

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

/// How a sequence becomes one vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPooling {
    /// The first token: a class token, which has looked at all others.
    #[default]
    Class,
    /// The mean of the tokens that stand for a part of the input.
    Mean,
}

/// A sequence for each example of a batch.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[batch, tokens, width]`
    pub hidden: Tensor<3>,
    /// How many leading tokens stand for no part of the input: a class token, registers.
    pub prefix: usize,
    pub pooling: TokenPooling,
}

impl Tokens {
    /// One vector for each example, `[batch, width]`.
    pub fn pooled(self) -> Tensor<2> {
        let [batch, tokens, width] = self.hidden.dims();
        let pooled = match self.pooling {
            TokenPooling::Class => self.hidden.narrow(1, 0, 1),
            TokenPooling::Mean => {
                let prefix = self.prefix.min(tokens - 1);
                self.hidden.narrow(1, prefix, tokens - prefix).mean_dim(1)
            }
        };
        pooled.reshape([batch, width])
    }
}

/// What flows between stages; the variant says which kind.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activation {
    /// Images and feature maps.
    Image(FeatureMap),
    /// A sequence for each example.
    Tokens(Tokens),
    /// One vector for each example, `[batch, width]`.
    Vector(Tensor<2>),
}

/// The shape of one example's activation: what a cache needs to know to give rows back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowShape {
    Image { channels: usize, height: usize, width: usize },
    Tokens { tokens: usize, width: usize, prefix: usize, pooling: TokenPooling },
    Vector { width: usize },
}

impl RowShape {
    /// The number of values in a row.
    pub fn elements(&self) -> usize {
        match *self {
            RowShape::Image { channels, height, width } => channels * height * width,
            RowShape::Tokens { tokens, width, .. } => tokens * width,
            RowShape::Vector { width } => width,
        }
    }
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
            Activation::Tokens(tokens) => tokens.hidden.dims()[0],
            Activation::Vector(tensor) => tensor.dims()[0],
        }
    }

    /// The shape of one example.
    pub fn row_shape(&self) -> RowShape {
        match self {
            Activation::Image(map) => {
                let [_, channels, height, width] = map.dims();
                RowShape::Image { channels, height, width }
            }
            Activation::Tokens(Tokens { hidden, prefix, pooling }) => {
                let [_, tokens, width] = hidden.dims();
                RowShape::Tokens { tokens, width, prefix: *prefix, pooling: *pooling }
            }
            Activation::Vector(tensor) => RowShape::Vector { width: tensor.dims()[1] },
        }
    }

    /// The feature map, or an error that names `place`.
    pub fn into_image(self, place: &str) -> Result<FeatureMap, CoreError> {
        match self {
            Activation::Image(map) => Ok(map),
            other => Err(other.unexpected(place, "images")),
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
            Activation::Tokens(_) => "tokens",
            Activation::Vector(_) => "vectors",
        };
        CoreError::WrongActivation { place: place.to_string(), expected, found }
    }

    /// One vector for each example, `[batch, width]`: the mean over height and width of a feature
    /// map, of a sequence what its pooling says, a vector as it is.
    pub fn pooled(self) -> Tensor<2> {
        match self {
            Activation::Image(map) => {
                let [batch, channels, height, width] = map.dims();
                map.into_channels_first()
                    .reshape([batch, channels, height * width])
                    .mean_dim(2)
                    .reshape([batch, channels])
            }
            Activation::Tokens(tokens) => tokens.pooled(),
            Activation::Vector(tensor) => tensor,
        }
    }

    /// The same values on the plain device, without a graph.
    pub fn without_autodiff(self) -> Self {
        match self {
            Activation::Image(map) => Activation::Image(FeatureMap {
                tensor: map.tensor.without_autodiff(),
                layout: map.layout,
            }),
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
            Activation::Tokens(tokens) => {
                let hidden = tokens.hidden.autodiff();
                Activation::Tokens(Tokens { hidden, ..tokens })
            }
            Activation::Vector(tensor) => Activation::Vector(tensor.autodiff()),
        }
    }

    /// All values, example after example, channels first.
    ///
    /// # Errors
    /// When the device cannot be read, or holds another type than f32.
    pub fn into_rows(self) -> Result<Vec<f32>, String> {
        let data: TensorData = match self {
            Activation::Image(map) => map.into_channels_first().into_data(),
            Activation::Tokens(tokens) => tokens.hidden.into_data(),
            Activation::Vector(tensor) => tensor.into_data(),
        };
        data.convert::<f32>().try_into_vec::<f32>().map_err(|reason| format!("{reason:?}"))
    }

    /// The reverse of [`Activation::into_rows`]; `values` holds whole rows of `shape`.
    pub fn from_rows(shape: RowShape, values: Vec<f32>, device: &Device) -> Self {
        let batch = values.len() / shape.elements().max(1);
        match shape {
            RowShape::Image { channels, height, width } => Activation::image(Tensor::from_data(
                TensorData::new(values, [batch, channels, height, width]),
                device,
            )),
            RowShape::Tokens { tokens, width, prefix, pooling } => {
                let data = TensorData::new(values, [batch, tokens, width]);
                let hidden = Tensor::from_data(data, device);
                Activation::Tokens(Tokens { hidden, prefix, pooling })
            }
            RowShape::Vector { width } => Activation::Vector(Tensor::from_data(
                TensorData::new(values, [batch, width]),
                device,
            )),
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
