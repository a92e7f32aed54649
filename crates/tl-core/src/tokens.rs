//! Sequences: texts as a tokenizer cut them, and what a network made of them.

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

/// The pieces of one text (or of a pair), by their numbers in a vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    pub ids: Vec<u32>,
    /// For each piece 0, or 1 where it belongs to the second text of a pair.
    pub segments: Vec<u32>,
    /// The places whose true piece a masked language model is to find, in rising order.
    pub asked: Vec<usize>,
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
    /// None: each token answers for itself.
    Each,
    /// The last token that is no padding: of a causal network the one that has looked at all others.
    Last,
}

/// A sequence for each example of a batch.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `[batch, tokens, width]`
    pub hidden: Tensor<3>,
    /// How many leading tokens stand for no part of the input: a class token, registers.
    pub prefix: usize,
    pub pooling: TokenPooling,
    /// How many tokens each example has, the others behind them being padding; without it all have
    /// equally many.
    pub lengths: Option<Vec<usize>>,
    /// The tokens whose true piece is to be found, counted through the batch, padding included: `example · tokens + token`.
    pub asked: Vec<usize>,
}

impl Tokens {
    /// One vector for each example, `[batch, width]`. Padding takes no part in a mean. Where each token answers for itself,
    /// one for each token, padding included: `[batch · tokens, width]`.
    pub fn pooled(self) -> Tensor<2> {
        let [batch, tokens, width] = self.hidden.dims();
        let prefix = self.prefix.min(tokens.saturating_sub(1));
        let pooled =
            match (self.pooling, self.padded()) {
                (TokenPooling::Each, _) => {
                    let own = self.hidden.narrow(1, prefix, tokens - prefix);
                    return own.reshape([batch * (tokens - prefix), width]);
                }
                (TokenPooling::Class, _) => self.hidden.narrow(1, 0, 1),
                (TokenPooling::Mean, None) => {
                    self.hidden.narrow(1, prefix, tokens - prefix).mean_dim(1)
                }
                (TokenPooling::Last, None) => self.hidden.narrow(1, tokens.saturating_sub(1), 1),
                (TokenPooling::Last, Some(lengths)) => {
                    let shares = each_token(lengths, tokens, |token, length| {
                        if token + 1 == length.max(1) { 1.0 } else { 0.0 }
                    });
                    let shares = constant(shares, [batch, tokens], &self.hidden);
                    (self.hidden * shares.unsqueeze_dim(2)).sum_dim(1)
                }
                (TokenPooling::Mean, Some(lengths)) => {
                    let shares = each_token(lengths, tokens, |token, length| {
                        let counted = length.saturating_sub(prefix).max(1);
                        let counts = (prefix..length).contains(&token);
                        if counts { 1.0 / counted as f32 } else { 0.0 }
                    });
                    let shares = constant(shares, [batch, tokens], &self.hidden);
                    (self.hidden * shares.unsqueeze_dim(2)).sum_dim(1)
                }
            };
        pooled.reshape([batch, width])
    }

    /// What attention adds to the scores of each token, `[batch, tokens]`: 0, and −∞ for padding; nothing
    /// where there is no padding. An example without any token looks at its padding: nothing is no number.
    pub fn key_mask(&self) -> Option<Tensor<2>> {
        let [batch, tokens, _] = self.hidden.dims();
        let lengths = self.padded()?;
        let mask = each_token(lengths, tokens, |token, length| {
            if token < length.max(1) { 0.0 } else { f32::NEG_INFINITY }
        });
        Some(constant(mask, [batch, tokens], &self.hidden))
    }

    /// The lengths, where one is shorter than the longest.
    fn padded(&self) -> Option<&[usize]> {
        let [_, tokens, _] = self.hidden.dims();
        self.lengths.as_deref().filter(|lengths| lengths.iter().any(|length| *length < tokens))
    }
}

fn each_token(lengths: &[usize], tokens: usize, value: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    let value = &value;
    lengths.iter().flat_map(|&length| (0..tokens).map(move |token| value(token, length))).collect()
}

/// A tensor of these values beside `like`.
fn constant(values: Vec<f32>, dims: [usize; 2], like: &Tensor<3>) -> Tensor<2> {
    let device = like.device().without_autodiff();
    let plain = Tensor::from_data(TensorData::new(values, dims), &device);
    if like.is_autodiff() { plain.autodiff() } else { plain }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_stand_for_no_part_answer_for_none() {
        let values: Vec<f32> = (0..12).map(|value| value as f32).collect();
        let hidden = Tensor::from_data(TensorData::new(values, [2, 3, 2]), &Device::flex());
        let lengths = Some(vec![3, 2]);
        let of = |pooling| {
            let (hidden, lengths) = (hidden.clone(), lengths.clone());
            let tokens = Tokens { hidden, prefix: 1, pooling, lengths, asked: Vec::new() };
            tokens.pooled().into_data().try_into_vec::<f32>().unwrap()
        };
        assert_eq!(of(TokenPooling::Each), [2.0, 3.0, 4.0, 5.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(of(TokenPooling::Mean), [3.0, 4.0, 8.0, 9.0]);
        assert_eq!(of(TokenPooling::Last), [4.0, 5.0, 8.0, 9.0]);
    }
}
