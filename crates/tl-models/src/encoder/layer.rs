//! The layer of which text encoders are made, each branch followed by its norm.

use burn::prelude::*;
use tl_core::Pass;
use tl_kernels::{AttentionMask, Dropout, LayerNorm, Linear, attention, side_by_side};

use super::EncoderConfig;

/// `norm(x + attention(x))`, then `norm(x + outer(act(inner(x))))` (Vaswani et al. 2017, arXiv 1706.03762).
#[derive(Module, Debug)]
pub struct Layer {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
    pub attention_dropout: Dropout,
    pub attention_norm: LayerNorm,
    pub inner: Linear,
    pub outer: Linear,
    pub output_dropout: Dropout,
    pub output_norm: LayerNorm,
}

impl Layer {
    pub(super) fn new(config: &EncoderConfig, number: usize, device: &Device) -> Self {
        let EncoderConfig { width, hidden, epsilon, .. } = *config;
        let square = || Linear::new(width, width, device);
        let norm = || LayerNorm::new(width, epsilon, device);
        let dropout = |branch| Dropout::new(&format!("layers.{number}.{branch}"), config.dropout);
        Self {
            query: square(),
            key: square(),
            value: square(),
            output: square(),
            attention_dropout: dropout("attention"),
            attention_norm: norm(),
            inner: Linear::new(width, hidden, device),
            outer: Linear::new(hidden, width, device),
            output_dropout: dropout("output"),
            output_norm: norm(),
        }
    }

    /// `[batch, tokens, width]` to the same.
    pub(super) fn forward(
        &self,
        input: Tensor<3>,
        keys: Option<Tensor<2>>,
        config: &EncoderConfig,
        pass: Pass,
    ) -> Tensor<3> {
        let joint = side_by_side([&self.query, &self.key, &self.value], input.clone());
        let mask = AttentionMask { keys, causal: false };
        let attended = self.output.forward(attention(joint, config.heads, mask));
        let attended = self.attention_dropout.forward(attended, pass);
        let hidden = self.attention_norm.forward(input + attended);
        let inner = config.activation.forward(self.inner.forward(hidden.clone()));
        let outer = self.output_dropout.forward(self.outer.forward(inner), pass);
        self.output_norm.forward(hidden + outer)
    }
}
