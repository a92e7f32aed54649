//! The block of which transformer encoders are made, pre-norm as in ViT.

use burn::module::Param;
use burn::prelude::*;
use burn::tensor::activation::sigmoid;

use crate::{AttentionMask, Gelu, LayerNorm, Linear, attention, gelu};

/// The nonlinearity between the two linear layers of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockActivation {
    /// x·Φ(x).
    Gelu,
    /// x·σ(1.702·x), which CLIP was trained with (Hendrycks and Gimpel 2016, section 2).
    QuickGelu,
}

/// The sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockConfig {
    pub width: usize,
    pub heads: usize,
    /// The width between the two linear layers.
    pub hidden: usize,
    /// The epsilon of both norms.
    pub epsilon: f64,
    pub activation: BlockActivation,
    /// Whether the output of both branches is scaled, value by value (Touvron et al. 2021, LayerScale).
    pub layer_scale: bool,
}

impl BlockConfig {
    /// A block as ViT has it: four times the width inside, epsilon 1e-6, no scale.
    pub fn vit(width: usize, heads: usize) -> Self {
        Self {
            width,
            heads,
            hidden: 4 * width,
            epsilon: 1e-6,
            activation: BlockActivation::Gelu,
            layer_scale: false,
        }
    }
}

/// `x + attention(norm1(x))`, then `x + mlp(norm2(x))` (Dosovitskiy et al. 2020, arXiv 2010.11929), with
/// timm's names and numerics.
#[derive(Module, Debug)]
pub struct Block {
    pub norm1: LayerNorm,
    pub attn: SelfAttention,
    pub ls1: Option<LayerScale>,
    pub norm2: LayerNorm,
    pub mlp: Mlp,
    pub ls2: Option<LayerScale>,
}

impl Block {
    /// A block with all linear weights 0.
    pub fn new(config: BlockConfig, device: &Device) -> Self {
        let BlockConfig { width, epsilon, .. } = config;
        let scale = || config.layer_scale.then(|| LayerScale::new(width, device));
        Self {
            norm1: LayerNorm::new(width, epsilon, device),
            attn: SelfAttention::new(width, config.heads, device),
            ls1: scale(),
            norm2: LayerNorm::new(width, epsilon, device),
            mlp: Mlp::new(width, config.hidden, config.activation, device),
            ls2: scale(),
        }
    }

    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let attended = self.attn.forward(self.norm1.forward(input.clone()));
        let hidden = input + scaled(self.ls1.as_ref(), attended);
        let inner = self.mlp.forward(self.norm2.forward(hidden.clone()));
        hidden + scaled(self.ls2.as_ref(), inner)
    }
}

fn scaled(scale: Option<&LayerScale>, branch: Tensor<3>) -> Tensor<3> {
    match scale {
        Some(scale) => branch * scale.gamma.val().unsqueeze(),
        None => branch,
    }
}

/// Queries, keys and values by one linear layer, attention, and a linear layer on what it gives.
#[derive(Module, Debug)]
pub struct SelfAttention {
    pub qkv: Linear,
    pub proj: Linear,
    #[module(skip)]
    heads: usize,
}

impl SelfAttention {
    fn new(width: usize, heads: usize, device: &Device) -> Self {
        let qkv = Linear::new(width, 3 * width, device);
        Self { qkv, proj: Linear::new(width, width, device), heads }
    }

    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let joint = self.qkv.forward(input);
        self.proj.forward(attention(joint, self.heads, AttentionMask::default()))
    }
}

/// Two linear layers and a nonlinearity between them.
#[derive(Module, Debug)]
pub struct Mlp {
    pub fc1: Linear,
    pub fc2: Linear,
    #[module(skip)]
    activation: BlockActivation,
}

impl Mlp {
    fn new(width: usize, hidden: usize, activation: BlockActivation, device: &Device) -> Self {
        let fc1 = Linear::new(width, hidden, device);
        Self { fc1, fc2: Linear::new(hidden, width, device), activation }
    }

    /// `[batch, tokens, width]` to the same.
    pub fn forward(&self, input: Tensor<3>) -> Tensor<3> {
        let inner = self.fc1.forward(input);
        self.fc2.forward(match self.activation {
            BlockActivation::Gelu => gelu(inner, Gelu::Exact),
            BlockActivation::QuickGelu => inner.clone() * sigmoid(inner.mul_scalar(1.702)),
        })
    }
}

/// A factor for each value of a branch's output.
#[derive(Module, Debug)]
pub struct LayerScale {
    pub gamma: Param<Tensor<1>>,
}

impl LayerScale {
    fn new(width: usize, device: &Device) -> Self {
        Self { gamma: Param::from_tensor(Tensor::ones([width], device)) }
    }
}
