//! The masked autoencoder (He et al. 2021, *Masked Autoencoders Are Scalable Vision Learners*, arXiv
//! 2111.06377): most patches are hidden, the network encodes the others alone, and a small decoder predicts
//! the hidden pixels.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::parameters::map_values;
use tl_core::visible::{gather_tokens, sine_positions};
use tl_core::{Backbone, Pass, TokenPooling, Tokens, VisibleTokens};
use tl_data::{Augment, ViewRecipe};

use super::Mask;
use super::mask::{check_ratio, hidden_of, masks, one_view};
use super::reconstruction::reconstructed;
use super::twins::take;
use crate::SslError;
use crate::contract::{Method, Shown, Sizes, Step, Terms};
use crate::decoder::{Decoder, DecoderShape};
use crate::initial::glorot;
use crate::monitor::Spread;

/// The settings of a masked autoencoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mae {
    /// The share of the patches that is hidden.
    pub mask_ratio: f64,
    /// Where it is not given: two thirds of the encoder's width, 2 blocks, heads 32 wide. The paper's
    /// eight blocks help a linear probe, not fine-tuning (its table 1a), and cost most of a step.
    pub decoder: Option<DecoderShape>,
    /// Whether each patch's pixels are brought to mean 0 and deviation 1 before they are predicted.
    pub normalise: bool,
    pub augment: Augment,
}

impl Default for Mae {
    fn default() -> Self {
        Self { mask_ratio: 0.75, decoder: None, normalise: true, augment: super::part_augment() }
    }
}

/// Keeps a patch of one colour from being divided by 0.
const EPSILON: f64 = 1e-6;

/// `mean (p − t)²` over the hidden patches of each image, where with `normalise` the pixels `t` of a patch
/// are first brought to mean 0 and variance 1, its unbiased estimate plus 10⁻⁶.
///
/// `predicted` and `pixels` are `[batch, hidden, values]`; the result is `[batch, 1]`, whose mean is the loss.
pub fn reconstruction_losses(
    predicted: Tensor<3>,
    pixels: Tensor<3>,
    normalise: bool,
) -> Tensor<2> {
    let target = if normalise {
        let (mean, deviation) = patch_moments(pixels.clone());
        (pixels - mean) / deviation
    } else {
        pixels
    };
    let difference = predicted - target;
    let [batch, ..] = difference.dims();
    (difference.clone() * difference).mean_dim(2).mean_dim(1).reshape([batch, 1])
}

/// Mean and deviation of each patch, `[batch, patches, 1]`.
fn patch_moments(pixels: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
    let [_, _, values] = pixels.dims();
    let mean = pixels.clone().mean_dim(2);
    let centred = pixels - mean.clone();
    let unbiased = values as f64 / (values as f64 - 1.0).max(1.0);
    let variance = (centred.clone() * centred).mean_dim(2).mul_scalar(unbiased);
    (mean, variance.add_scalar(EPSILON).sqrt())
}

impl Mae {
    /// The loss of each image with given masks, `[batch, 1]`, and what the encoder made of the visible patches.
    ///
    /// # Errors
    /// Images or masks that do not fit the network.
    pub fn losses_with<B: VisibleTokens>(
        &self,
        backbone: &B,
        decoder: &Decoder,
        images: &Tensor<4>,
        masks: &[Mask],
    ) -> Result<(Tensor<2>, Tokens), SslError> {
        let [_, _, height, width] = images.dims();
        let grid = backbone.patch_grid(height, width)?;
        let visible: Vec<Vec<usize>> = masks.iter().map(|mask| mask.visible.clone()).collect();
        let tokens = backbone.encode_visible(images.clone(), &visible, Pass::default())?;
        let predicted = decoder.forward(tokens.clone(), masks, &grid);
        let pixels = gather_tokens(grid.patchify(images.clone()), &hidden_of(masks));
        Ok((reconstruction_losses(predicted, pixels, self.normalise), tokens))
    }
}

impl<B: Backbone + VisibleTokens> Method<B> for Mae {
    type Heads = Decoder;

    fn name(&self) -> &'static str {
        "mae"
    }

    fn views(&self, _: usize) -> Vec<ViewRecipe> {
        vec![ViewRecipe { size: None, augment: self.augment.clone() }]
    }

    fn heads(
        &self,
        backbone: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Decoder, SslError> {
        let grid = backbone.patch_grid(sizes.image, sizes.image)?;
        check_ratio(grid.patches(), self.mask_ratio)?;
        let shape = self.decoder.unwrap_or_else(|| {
            let heads = (sizes.embedding / 48).max(1);
            DecoderShape { width: 32 * heads, depth: 2, heads }
        });
        if shape.heads == 0 || !shape.width.is_multiple_of(shape.heads) || shape.width == 0 {
            let value = format!("{} wide with {} heads", shape.width, shape.heads);
            let expected = "a width that is a multiple of the heads";
            return Err(SslError::BadOption { what: "the decoder", value, expected });
        }
        let decoder = Decoder::new(shape, sizes.embedding, 3 * grid.patch.pow(2), device);
        Ok(glorot(decoder, "mae", seed))
    }

    fn embed(&self, step: &Step<'_, B, Decoder>) -> Result<Vec<Tensor<2>>, SslError> {
        let images = one_view("mae", step.views)?;
        let [batch, _, height, width] = images.dims();
        let (backbone, decoder) = (step.student.backbone, step.student.heads);
        let patches = backbone.patch_grid(height, width)?.patches();
        let masks = masks(patches, self.mask_ratio, batch, step.first, step.pass);
        let (losses, tokens) = self.losses_with(backbone, decoder, images, &masks)?;
        let features = Tokens { pooling: TokenPooling::Mean, ..tokens }.pooled();
        Ok(vec![losses, features])
    }

    fn compare(
        &self,
        _: &Step<'_, B, Decoder>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let [losses, features] = take(embedded)?;
        Ok(Terms::of(features).with("reconstruction", 1.0, losses.mean()))
    }

    /// Positions become sines and cosines, the class token's 0.
    fn begin(&self, backbone: B) -> B {
        map_values(backbone, |info| {
            let [1, count, width] = info.shape[..] else { return None };
            if info.path != "pos_embed" {
                return None;
            }
            let side = count.isqrt();
            let mut values = vec![0.0; (count - side * side) * width];
            values.extend(sine_positions(side, side, width));
            Some(values)
        })
    }

    fn stands_still(&self, path: &str) -> bool {
        path == "pos_embed"
    }

    fn compares_images(&self) -> bool {
        false
    }

    /// The loss holds images apart by itself, but at first all features share one large part (deviation
    /// .04 in 1.3 directions was seen): only what is all but equal has collapsed.
    fn collapsed_below(&self) -> Spread {
        Spread { deviation: 0.005, effective_rank: 1.01 }
    }

    /// The original, what the encoder sees, and what the decoder makes of it: hidden patches as predicted,
    /// with the mean and deviation that the patch has.
    fn show(
        &self,
        backbone: &B,
        decoder: &Decoder,
        images: Tensor<4>,
        seed: u64,
    ) -> Result<Vec<Shown>, SslError> {
        let [batch, _, height, width] = images.dims();
        let grid = backbone.patch_grid(height, width)?;
        let pass = Pass { seed, step: u64::MAX };
        let masks = masks(grid.patches(), self.mask_ratio, batch, 0, pass);
        let visible: Vec<Vec<usize>> = masks.iter().map(|mask| mask.visible.clone()).collect();
        let tokens = backbone.encode_visible(images.clone(), &visible, Pass::default())?;
        let mut predicted = decoder.forward(tokens, &masks, &grid);
        if self.normalise {
            let patches = gather_tokens(grid.patchify(images.clone()), &hidden_of(&masks));
            let (mean, deviation) = patch_moments(patches);
            predicted = predicted * deviation + mean;
        }
        reconstructed(&grid, images, &masks, predicted)
    }
}
