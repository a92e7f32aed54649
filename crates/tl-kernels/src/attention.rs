//! The units of transformers: layer norm, GELU and attention.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::{gelu as exact_gelu, gelu_approximate, softmax};

use crate::count;

#[cfg(feature = "flex")]
use crate::extension;

/// Which GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// x·Φ(x), by the error function: BERT, ViT.
    Exact,
    /// Its approximation by tanh: GPT-2.
    Tanh,
}

/// x·Φ(x), of any shape.
pub fn gelu<const D: usize>(input: Tensor<D>, kind: Gelu) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if extension::runs_on_flex(&input) && input.dims()[D - 1] > 0 {
        let dims = input.dims();
        let width = dims[D - 1];
        let rows = dims[..D - 1].iter().product();
        return extension::gelu_unit(input.reshape([rows, width]), kind).reshape(dims);
    }
    match kind {
        Gelu::Exact => exact_gelu(input),
        Gelu::Tanh => gelu_approximate(input),
    }
}

/// Layer normalisation (Ba et al. 2016, arXiv 1607.06450) over the last axis, with PyTorch's names and numerics.
#[derive(Module, Debug)]
pub struct LayerNorm {
    pub weight: Param<Tensor<1>>,
    pub bias: Param<Tensor<1>>,
    #[module(skip)]
    epsilon: f64,
}

impl LayerNorm {
    /// A norm of `width` values with scale 1 and shift 0.
    pub fn new(width: usize, epsilon: f64, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::ones([width], device)),
            bias: Param::from_tensor(Tensor::zeros([width], device)),
            epsilon,
        }
    }

    /// `[…, width]` to the same.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        #[cfg(feature = "flex")]
        let (dims, [width]) = (input.dims(), self.weight.dims());
        #[cfg(feature = "flex")]
        if extension::runs_on_flex(&input) && dims[D - 1] == width && width > 0 {
            let (weight, bias) = (self.weight.val(), self.bias.val());
            let rows = dims[..D - 1].iter().product();
            let input = input.reshape([rows, width]);
            return extension::layer_norm_unit(input, weight, bias, self.epsilon).reshape(dims);
        }
        self.composed(input)
    }

    /// The same of Burn's operations.
    pub(crate) fn composed<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        let centred = input.clone() - input.mean_dim(D - 1);
        let variance = (centred.clone() * centred.clone()).mean_dim(D - 1);
        let normed = centred / variance.add_scalar(self.epsilon).sqrt();
        normed * weight.unsqueeze() + bias.unsqueeze()
    }
}

/// Which tokens attention may look at.
#[derive(Clone, Debug, Default)]
pub struct AttentionMask {
    /// `[batch, tokens]`, added to every score of a token: 0 for one that is seen, −∞ for padding.
    pub keys: Option<Tensor<2>>,
    /// A token sees those up to itself.
    pub causal: bool,
}

/// Scaled dot-product attention of many heads (Vaswani et al. 2017, arXiv 1706.03762) over a joint tensor.
///
/// `joint` is `[batch, tokens, 3·width]`, queries before keys before values as one linear layer makes them, each
/// `heads` pieces side by side; the result is `[batch, tokens, width]`. A token that may look at none becomes 0.
pub fn attention(joint: Tensor<3>, heads: usize, mask: AttentionMask) -> Tensor<3> {
    let [batch, tokens, width] = joint.dims();
    // A score and a share of a value with each token.
    if let Some(zeros) = count::instead([batch, tokens, width / 3], 2 * tokens, &joint.device()) {
        return zeros;
    }
    #[cfg(feature = "flex")]
    let head_width = width / 3 / heads.max(1);
    #[cfg(feature = "flex")]
    if extension::runs_on_flex(&joint)
        && head_width * heads * 3 == width
        && width > 0
        && mask.keys.as_ref().is_none_or(|keys| keys.dims() == [batch, tokens])
    {
        return extension::attention_unit(joint, mask.keys, heads, mask.causal);
    }
    composed_attention(joint, heads, mask)
}

/// The same for the last tokens alone, causal: `queries` `[batch, last, width]` are those of the last of `keys` and `values`,
/// `[batch, tokens, width]`; the result is as `queries`. There is no padding.
///
/// Of Burn's operations: with one query a head's work is a product of a vector and a matrix.
pub fn attention_of_last(
    queries: Tensor<3>,
    keys: Tensor<3>,
    values: Tensor<3>,
    heads: usize,
) -> Tensor<3> {
    let ([batch, last, width], [_, tokens, _]) = (queries.dims(), keys.dims());
    let head_width = width / heads.max(1);
    let apart = |part: Tensor<3>| {
        let [batch, tokens, _] = part.dims();
        part.reshape([batch, tokens, heads, head_width]).swap_dims(1, 2)
    };
    let scale = 1.0 / (head_width.max(1) as f64).sqrt();
    let mut scores = apart(queries.mul_scalar(scale)).matmul(apart(keys).transpose());
    if last > 1 {
        let before = tokens.saturating_sub(last) as i64;
        let hidden = Tensor::<2, Bool>::tril_mask([last, tokens], before, &scores.device());
        scores = scores.mask_fill(hidden.reshape([1, 1, last, tokens]), LOWEST);
    }
    let mixed = softmax(scores, 3).matmul(apart(values));
    mixed.swap_dims(1, 2).reshape([batch, last, width])
}

/// The same of Burn's operations.
pub(crate) fn composed_attention(joint: Tensor<3>, heads: usize, mask: AttentionMask) -> Tensor<3> {
    let [batch, tokens, width] = joint.dims();
    let head_width = width / 3 / heads.max(1);
    let device = joint.device();
    let [query, key, value] = [0, 1, 2].map(|part| {
        let part = joint.clone().narrow(2, part * heads * head_width, heads * head_width);
        part.reshape([batch, tokens, heads, head_width]).swap_dims(1, 2)
    });
    let mut scores = query.matmul(key.transpose()).div_scalar((head_width.max(1) as f64).sqrt());
    if let Some(keys) = mask.keys {
        // A finite lowest score keeps a row that sees nothing a number; the mask below makes it 0.
        scores = scores + keys.clamp_min(LOWEST).reshape([batch, 1, 1, tokens]);
    }
    if mask.causal {
        let hidden = Tensor::<2, Bool>::tril_mask([tokens, tokens], 0, &device);
        scores = scores.mask_fill(hidden.reshape([1, 1, tokens, tokens]), LOWEST);
    }
    let seen = scores.clone().max_dim(3).greater_elem(LOWEST / 2.0).float();
    let mixed = (softmax(scores, 3) * seen).matmul(value);
    mixed.swap_dims(1, 2).reshape([batch, tokens, heads * head_width])
}

const LOWEST: f64 = -1e30;

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::TensorData;

    #[test]
    fn the_last_tokens_see_what_they_see_among_all() {
        let (tokens, heads, width) = (7, 2, 8);
        let values: Vec<f32> = (0..tokens * 3 * width).map(|it| (it as f32 * 0.7).sin()).collect();
        let data = TensorData::new(values, [1, tokens, 3 * width]);
        let joint = Tensor::<3>::from_data(data, &Device::flex());
        let mask = AttentionMask { keys: None, causal: true };
        let all = attention(joint.clone(), heads, mask);
        let part = |of: usize| joint.clone().narrow(2, of * width, width);
        for last in [1, 3, 7] {
            let queries = part(0).narrow(1, tokens - last, last);
            let found = attention_of_last(queries, part(1), part(2), heads);
            let expected = all.clone().narrow(1, tokens - last, last);
            let off = (found - expected).abs().max().into_scalar::<f32>();
            assert!(off < 1e-6, "the last {last} are off by {off:.1e}");
        }
    }
}
