//! The layer of which GPT-2 is made, each branch behind its norm.

use burn::prelude::*;
use tl_core::{Pass, PastLayer};
use tl_kernels::{AttentionMask, Dropout, LayerNorm, Linear, attention, attention_of_last};

use super::Gpt2Config;

/// `x + attention(ln_1(x))`, then `x + mlp(ln_2(x))` (Radford et al. 2019, section 2.3), with the origin's names.
#[derive(Module, Debug)]
pub struct Block {
    pub ln_1: LayerNorm,
    pub attn: Attention,
    pub ln_2: LayerNorm,
    pub mlp: Mlp,
    pub attention_dropout: Dropout,
    pub mlp_dropout: Dropout,
}

/// Queries, keys and values by one linear layer, and one on what attention gives.
#[derive(Module, Debug)]
pub struct Attention {
    pub c_attn: Linear,
    pub c_proj: Linear,
}

/// Two linear layers and a nonlinearity between them.
#[derive(Module, Debug)]
pub struct Mlp {
    pub c_fc: Linear,
    pub c_proj: Linear,
}

impl Block {
    pub(super) fn new(config: &Gpt2Config, number: usize, device: &Device) -> Self {
        let Gpt2Config { width, hidden, epsilon, .. } = *config;
        let linear = |input, output| Linear::new(input, output, device);
        let dropout = |branch| Dropout::new(&format!("h.{number}.{branch}"), config.dropout);
        Self {
            ln_1: LayerNorm::new(width, epsilon, device),
            attn: Attention { c_attn: linear(width, 3 * width), c_proj: linear(width, width) },
            ln_2: LayerNorm::new(width, epsilon, device),
            mlp: Mlp { c_fc: linear(width, hidden), c_proj: linear(hidden, width) },
            attention_dropout: dropout("attention"),
            mlp_dropout: dropout("mlp"),
        }
    }

    /// `[batch, tokens, width]` to the same. Padding stands at the end, where no token sees it.
    pub(super) fn forward(&self, input: Tensor<3>, config: &Gpt2Config, pass: Pass) -> Tensor<3> {
        let joint = self.attn.c_attn.forward(self.ln_1.forward(input.clone()));
        let mask = AttentionMask { keys: None, causal: true };
        let attended = self.attn.c_proj.forward(attention(joint, config.heads, mask));
        let hidden = input + self.attention_dropout.forward(attended, pass);
        let inner = self.inner(hidden.clone(), config);
        hidden + self.mlp_dropout.forward(inner, pass)
    }

    fn inner(&self, hidden: Tensor<3>, config: &Gpt2Config) -> Tensor<3> {
        let inner = self.mlp.c_fc.forward(self.ln_2.forward(hidden));
        self.mlp.c_proj.forward(config.activation.forward(inner))
    }

    /// The same for further tokens of one text, `[1, tokens, width]`, behind those in `past`, which takes them up.
    pub(super) fn go_on(
        &self,
        input: Tensor<3>,
        past: &mut Option<PastLayer>,
        config: &Gpt2Config,
    ) -> Tensor<3> {
        let joint = self.attn.c_attn.forward(self.ln_1.forward(input.clone()));
        let part = |of: usize| joint.clone().narrow(2, of * config.width, config.width);
        let (mut keys, mut values) = (part(1), part(2));
        if let Some(past) = past.take() {
            keys = Tensor::cat(vec![past.keys, keys], 1);
            values = Tensor::cat(vec![past.values, values], 1);
        }
        let attended = attention_of_last(part(0), keys.clone(), values.clone(), config.heads);
        *past = Some(PastLayer { keys, values });
        let hidden = input + self.attn.c_proj.forward(attended);
        let inner = self.inner(hidden.clone(), config);
        hidden + inner
    }
}
