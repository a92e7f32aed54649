//! The vision transformer (Dosovitskiy et al. 2020, arXiv 2010.11929) with timm's names and numerics.

mod config;
mod encode;
mod positions;

use std::ops::Range;

use burn::module::Param;
use burn::prelude::*;
use tl_core::backbone::{check_images, check_range};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedImages, ExpectedInput, FrozenPrefix, Pass, Stage,
    TokenPooling, Tokens,
};
use tl_kernels::{Block, Conv2d, Conv2dConfig, LayerNorm};

use crate::architecture::{Architecture, Initial};
pub use config::{VitConfig, VitSize};

/// The patch embedding: a linear map of each patch's values, held as the convolution it is in timm.
#[derive(Module, Debug)]
pub struct PatchEmbed {
    pub proj: Conv2d,
}

/// The network without its classifier; its stages are `patch_embed`, `blocks.0` and so on, and `norm`.
///
/// What flows between them are [`Tokens`]: a class token, registers if there are any, and one token for
/// each patch in row order. Images of another size than the network was built for are encoded with
/// resampled position embeddings, as timm's `dynamic_img_size` does it.
#[derive(Module, Debug)]
pub struct Vit {
    /// `[1, 1, width]`
    pub cls_token: Param<Tensor<3>>,
    /// `[1, registers, width]`
    pub reg_token: Option<Param<Tensor<3>>>,
    /// `[1, patches, width]`, with one for the class token in front, unless there are registers.
    pub pos_embed: Param<Tensor<3>>,
    pub patch_embed: PatchEmbed,
    pub norm_pre: Option<LayerNorm>,
    pub blocks: Vec<Block>,
    pub norm: LayerNorm,
    #[module(skip)]
    config: VitConfig,
}

impl Vit {
    /// A network with all linear weights 0.
    pub fn new(config: VitConfig, device: &Device) -> Self {
        let VitConfig { width, epsilon, registers, .. } = config;
        let zeros = |count| Param::from_tensor(Tensor::zeros([1, count, width], device));
        let mut patches = Conv2dConfig::new([3, width], config.patch).stride(config.patch);
        if !config.pre_norm {
            patches = patches.bias(true);
        }
        // Patches are cut out and multiplied by its weight.
        let mut proj = patches.init(device);
        proj.adapter = proj.adapter.closed();
        Self {
            cls_token: zeros(1),
            reg_token: (registers > 0).then(|| zeros(registers)),
            pos_embed: zeros(config.grid().pow(2) + config.embedded_prefix()),
            patch_embed: PatchEmbed { proj },
            norm_pre: config.pre_norm.then(|| LayerNorm::new(width, epsilon, device)),
            blocks: (0..config.depth).map(|_| Block::new(config.block(), device)).collect(),
            norm: LayerNorm::new(width, epsilon, device),
            config,
        }
    }

    /// Its sizes and kind.
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The same network, its output pooled otherwise.
    pub fn pooled_by(mut self, pooling: TokenPooling) -> Self {
        self.config.pooling = pooling;
        self
    }

    fn tokens(&self, hidden: Tensor<3>) -> Tokens {
        let (prefix, pooling) = (self.config.prefix(), self.config.pooling);
        Tokens { hidden, prefix, pooling, lengths: None, asked: Vec::new() }
    }
}

impl Backbone for Vit {
    fn stages(&self) -> Vec<Stage> {
        let input = ["patch_embed", "cls_token", "reg_token", "pos_embed", "norm_pre"];
        let mut stages = vec![Stage::new("patch_embed", &input)];
        let blocks = (0..self.blocks.len()).map(|block| format!("blocks.{block}"));
        stages.extend(blocks.map(|block| Stage::new(&block, &[&block])));
        stages.push(Stage::new("norm", &["norm"]));
        stages
    }

    fn forward_stages(
        &self,
        mut input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        let last = self.blocks.len() + 1;
        check_range(&range, last + 1)?;
        for stage in range {
            let hidden = if stage == 0 {
                let images = input.into_image(self.config.name)?;
                check_images(
                    &images,
                    self.patch_embed.proj.inputs(),
                    self.config.patch,
                    self.config.name,
                )?;
                self.embed_all(images.into_channels_first())?
            } else {
                let hidden = input.into_tokens(self.config.name)?.hidden;
                match self.blocks.get(stage - 1) {
                    Some(block) => block.forward(hidden),
                    None => self.norm.forward(hidden),
                }
            };
            input = Activation::Tokens(self.tokens(hidden));
        }
        Ok(input)
    }

    fn embedding_width(&self) -> usize {
        self.config.width
    }

    fn head_input_width(&self) -> usize {
        self.config.width
    }

    fn compile(&self, range: Range<usize>) -> FrozenPrefix {
        tl_kernels::compile(self, range)
    }

    fn expected_input(&self) -> ExpectedInput {
        let (mean, std) = ([0.5; 3], [0.5; 3]);
        let VitConfig { image, patch, .. } = self.config;
        ExpectedInput::Images(ExpectedImages {
            channels: self.patch_embed.proj.inputs(),
            size: image,
            smallest: patch,
            mean,
            std,
        })
    }
}

impl Architecture for Vit {
    fn name(&self) -> &'static str {
        self.config.name
    }

    fn origin_name(&self, path: &str) -> String {
        path.to_string()
    }

    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        Some(&mut self.patch_embed.proj)
    }

    fn head_name(&self) -> &'static str {
        "head"
    }

    fn head_dropout(&self) -> f64 {
        0.0
    }

    fn initial(&self, path: &str, shape: &[usize]) -> Initial {
        let patch_values = 3 * self.config.patch.pow(2);
        match path.rsplit('.').next().unwrap_or(path) {
            "cls_token" | "reg_token" => Initial::Normal(1e-6),
            "gamma" => Initial::Constant(self.config.layer_scale.unwrap_or(1.0)),
            _ if path.starts_with("patch_embed.") => Initial::linear_default(patch_values),
            // Everything else is a norm's, a bias, or normal with deviation .02: timm's cut at ±2 is 100
            // deviations away.
            _ => Initial::of_norm(path, shape).unwrap_or(Initial::Normal(0.02)),
        }
    }

    fn refit(&self, path: &str, found: &[usize], values: &[f32]) -> Option<Vec<f32>> {
        if path != "pos_embed" {
            return None;
        }
        let (width, prefix) = (self.config.width, self.config.embedded_prefix());
        let [1, count, found_width] = *found else { return None };
        let from = count.checked_sub(prefix)?.isqrt();
        if found_width != width || from == 0 || from * from + prefix != count {
            return None;
        }
        let (class, patches) = values.split_at_checked(prefix * width)?;
        let to = [self.config.grid(); 2];
        let resampled = positions::resample_values(patches, from, to, width);
        Some([class, &resampled].concat())
    }
}
