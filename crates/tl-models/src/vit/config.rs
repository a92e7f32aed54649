//! The sizes and kinds of vision transformers.

use tl_core::TokenPooling;
use tl_kernels::{BlockActivation, BlockConfig};

/// The sizes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VitSize {
    /// Width 192, 3 heads: 5.5 million parameters in 12 blocks.
    Tiny,
    /// Width 384, 6 heads: 22 million.
    Small,
    /// Width 768, 12 heads: 86 million.
    Base,
}

/// What tells one vision transformer from another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VitConfig {
    pub name: &'static str,
    pub width: usize,
    pub heads: usize,
    /// Blocks.
    pub depth: usize,
    /// Pixels on a side of a patch.
    pub patch: usize,
    /// Pixels on a side of the images that there are position embeddings for: whole patches.
    pub image: usize,
    pub pooling: TokenPooling,
    /// Tokens that stand for nothing (Darcet et al. 2023). With them, only patches have a position.
    pub registers: usize,
    /// The initial scale of both branches of a block, as in DINOv2.
    pub layer_scale: Option<f64>,
    /// A norm in front of the first block and no bias in the patch embedding, as in CLIP.
    pub pre_norm: bool,
    pub activation: BlockActivation,
    pub epsilon: f64,
}

impl VitConfig {
    /// timm's `vit_tiny_patch16_224` and its like, with patches and images of any size: `image` is
    /// rounded down to whole patches, of which there is at least one.
    pub fn new(size: VitSize, patch: usize, image: usize) -> Self {
        let (name, heads) = match size {
            VitSize::Tiny => ("vit_tiny", 3),
            VitSize::Small => ("vit_small", 6),
            VitSize::Base => ("vit_base", 12),
        };
        let patch = patch.max(1);
        Self {
            name,
            width: 64 * heads,
            heads,
            depth: 12,
            patch,
            image: (image / patch).max(1) * patch,
            pooling: TokenPooling::Class,
            registers: 0,
            layer_scale: None,
            pre_norm: false,
            activation: BlockActivation::Gelu,
            epsilon: 1e-6,
        }
    }

    /// Another number of blocks.
    pub fn depth(self, depth: usize) -> Self {
        Self { depth, ..self }
    }

    /// As DINOv2's networks are (Oquab et al. 2023): scaled branches, and perhaps registers.
    pub fn dinov2(self, registers: usize) -> Self {
        Self { layer_scale: Some(1e-5), registers, ..self }
    }

    /// As CLIP's image encoders are (Radford et al. 2021): a norm in front, epsilon 1e-5; OpenAI's own
    /// weights were trained with the quick GELU.
    pub fn clip(self, quick: bool) -> Self {
        let activation = if quick { BlockActivation::QuickGelu } else { BlockActivation::Gelu };
        Self { pre_norm: true, epsilon: 1e-5, activation, ..self }
    }

    /// Patches on a side of the images that it was built for.
    pub fn grid(&self) -> usize {
        self.image / self.patch
    }

    /// Tokens in front of the patches.
    pub fn prefix(&self) -> usize {
        1 + self.registers
    }

    /// How many of them have a position embedding.
    pub(super) fn embedded_prefix(&self) -> usize {
        usize::from(self.registers == 0)
    }

    pub(super) fn block(&self) -> BlockConfig {
        BlockConfig {
            epsilon: self.epsilon,
            activation: self.activation,
            layer_scale: self.layer_scale.is_some(),
            ..BlockConfig::vit(self.width, self.heads)
        }
    }
}
