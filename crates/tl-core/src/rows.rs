//! Activations as rows of numbers, for caches and files.

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use crate::{Activation, Pieces, TokenPooling, Tokens};

/// The shape of one example's activation: what a cache needs to know to give rows back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowShape {
    Image {
        channels: usize,
        height: usize,
        width: usize,
    },
    /// Texts, padded to this many pieces.
    Texts {
        pieces: usize,
    },
    Tokens {
        tokens: usize,
        width: usize,
        prefix: usize,
        pooling: TokenPooling,
    },
    Vector {
        width: usize,
    },
}

impl RowShape {
    /// The number of values in a row.
    pub fn elements(&self) -> usize {
        match *self {
            RowShape::Image { channels, height, width } => channels * height * width,
            RowShape::Texts { pieces } => pieces,
            RowShape::Tokens { tokens, width, .. } => tokens * width,
            RowShape::Vector { width } => width,
        }
    }

    /// Whether examples of both shapes can stand in one batch: the shapes are the same, the length of sequences aside.
    pub fn goes_with(&self, other: &Self) -> bool {
        let without_length = |shape: &Self| match *shape {
            RowShape::Texts { .. } => RowShape::Texts { pieces: 0 },
            RowShape::Tokens { width, prefix, pooling, .. } => {
                RowShape::Tokens { tokens: 0, width, prefix, pooling }
            }
            other => other,
        };
        without_length(self) == without_length(other)
    }
}

impl Activation {
    /// The shape of one example.
    pub fn row_shape(&self) -> RowShape {
        match self {
            Activation::Image(map) => {
                let [_, channels, height, width] = map.dims();
                RowShape::Image { channels, height, width }
            }
            Activation::Texts(texts) => RowShape::Texts { pieces: longest(texts) },
            Activation::Tokens(Tokens { hidden, prefix, pooling, .. }) => {
                let [_, tokens, width] = hidden.dims();
                RowShape::Tokens { tokens, width, prefix: *prefix, pooling: *pooling }
            }
            Activation::Vector(tensor) => RowShape::Vector { width: tensor.dims()[1] },
        }
    }

    /// All values, example after example, channels first.
    ///
    /// # Errors
    /// When the device cannot be read, or holds another type than f32; texts, which are no values.
    pub fn into_rows(self) -> Result<Vec<f32>, String> {
        let data: TensorData = match self {
            Activation::Image(map) => map.into_channels_first().into_data(),
            Activation::Texts(_) => return Err("texts are no rows of values".into()),
            Activation::Tokens(tokens) => tokens.hidden.into_data(),
            Activation::Vector(tensor) => tensor.into_data(),
        };
        data.convert::<f32>().try_into_vec::<f32>().map_err(|reason| format!("{reason:?}"))
    }

    /// The reverse of [`Activation::into_rows`]; `values` holds whole rows of `shape`, of texts the numbers of their
    /// pieces.
    pub fn from_rows(shape: RowShape, values: Vec<f32>, device: &Device) -> Self {
        let batch = values.len() / shape.elements().max(1);
        match shape {
            RowShape::Image { channels, height, width } => Activation::image(Tensor::from_data(
                TensorData::new(values, [batch, channels, height, width]),
                device,
            )),
            RowShape::Texts { pieces } => {
                let text = |row: &[f32]| Pieces {
                    ids: row.iter().map(|id| *id as u32).collect(),
                    segments: vec![0; row.len()],
                    asked: Vec::new(),
                };
                Activation::Texts(values.chunks(pieces.max(1)).map(text).collect())
            }
            RowShape::Tokens { tokens, width, prefix, pooling } => {
                let data = TensorData::new(values, [batch, tokens, width]);
                let hidden = Tensor::from_data(data, device);
                let (lengths, asked) = (None, Vec::new());
                Activation::Tokens(Tokens { hidden, prefix, pooling, lengths, asked })
            }
            RowShape::Vector { width } => Activation::Vector(Tensor::from_data(
                TensorData::new(values, [batch, width]),
                device,
            )),
        }
    }

    /// All values, example after example, without padding; and how many tokens each example has, where they
    /// differ in that.
    ///
    /// # Errors
    /// As [`Activation::into_rows`].
    pub fn into_packed(self) -> Result<(Vec<f32>, Option<Vec<usize>>), String> {
        let Activation::Tokens(Tokens { hidden, lengths: Some(lengths), .. }) = &self else {
            return Ok((self.into_rows()?, None));
        };
        let ([_, longest, width], lengths) = (hidden.dims(), lengths.clone());
        let padded = self.into_rows()?;
        let rows = padded.chunks((longest * width).max(1)).zip(&lengths);
        let packed = rows.flat_map(|(row, length)| &row[..length.min(&longest) * width]).copied();
        Ok((packed.collect(), Some(lengths)))
    }

    /// The reverse of [`Activation::into_packed`]; `shape` is that of a row, its number of tokens aside where
    /// there are `lengths`.
    pub fn from_packed(
        shape: RowShape,
        values: Vec<f32>,
        lengths: Option<Vec<usize>>,
        device: &Device,
    ) -> Self {
        let (RowShape::Tokens { width, prefix, pooling, .. }, Some(lengths)) = (shape, lengths)
        else {
            return Self::from_rows(shape, values, device);
        };
        let longest = lengths.iter().copied().max().unwrap_or(0).max(1);
        let mut padded = vec![0.0; lengths.len() * longest * width];
        let mut rest = &values[..];
        for (row, length) in padded.chunks_exact_mut((longest * width).max(1)).zip(&lengths) {
            let (own, others) = rest.split_at((length * width).min(rest.len()));
            row[..own.len()].copy_from_slice(own);
            rest = others;
        }
        let data = TensorData::new(padded, [lengths.len(), longest, width]);
        let hidden = Tensor::from_data(data, device);
        let (lengths, asked) = (Some(lengths), Vec::new());
        Activation::Tokens(Tokens { hidden, prefix, pooling, lengths, asked })
    }
}

fn longest(texts: &[Pieces]) -> usize {
    texts.iter().map(|text| text.ids.len()).max().unwrap_or(0)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn packed_rows_hold_no_padding_and_give_the_same_tokens_back() {
        let device = Device::flex();
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let hidden = Tensor::from_data(TensorData::new(values, [3, 4, 2]), &device);
        let lengths = vec![2, 4, 0];
        let (prefix, pooling) = (0, TokenPooling::Mean);
        let asked = Vec::new();
        let tokens = Tokens { hidden, prefix, pooling, lengths: Some(lengths.clone()), asked };
        let mean = tokens.clone().pooled().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(mean, [1.0, 2.0, 11.0, 12.0, 0.0, 0.0]);
        let mask = tokens.key_mask().unwrap().into_data().try_into_vec::<f32>().unwrap();
        let seen: Vec<bool> = mask.iter().map(|value| *value == 0.0).collect();
        assert_eq!(
            seen.chunks(4).map(|row| row.iter().filter(|it| **it).count()).collect::<Vec<_>>(),
            [2, 4, 1]
        );

        let tokens = Activation::Tokens(tokens);
        let shape = tokens.row_shape();
        let (packed, found) = tokens.into_packed().unwrap();
        assert_eq!(found, Some(lengths.clone()));
        let expected: Vec<f32> = (0..4).chain(8..16).map(|value| value as f32).collect();
        assert_eq!(packed, expected);
        let again = Activation::from_packed(shape, packed, found, &device);
        let again = again.into_tokens("test").unwrap();
        assert_eq!(again.lengths, Some(lengths));
        let again = again.pooled().into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(again, mean);
    }
}
