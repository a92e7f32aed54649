//! The masked autoencoder (He et al. 2021, *Masked Autoencoders Are Scalable Vision Learners*, arXiv
//! 2111.06377): most patches are hidden, the network encodes the others alone, and a small decoder predicts
//! the hidden pixels.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::parameters::map_values;
use tl_core::visible::{gather_tokens, sine_positions};
use tl_core::{Backbone, PatchGrid, TokenPooling, Tokens, VisibleTokens, rng};
use tl_data::{Augment, CropRange, ViewRecipe};

use super::{Mask, visible_count};
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
        // A fifth of the area or more, at any place, mirrored half the time.
        let range = CropRange { scale: [0.2, 1.0], ..CropRange::default() };
        let augment = Augment::cropped(range);
        Self { mask_ratio: 0.75, decoder: None, normalise: true, augment }
    }
}

/// Keeps a patch of one colour from being divided by 0.
const EPSILON: f64 = 1e-6;

/// `mean (p − t)²` over the hidden patches of all images, where with `normalise` the pixels `t` of a patch
/// are first brought to mean 0 and variance 1, its unbiased estimate plus 10⁻⁶.
///
/// `predicted` and `pixels` are `[batch, hidden, values]`; the result is `[1]`.
pub fn reconstruction_loss(predicted: Tensor<3>, pixels: Tensor<3>, normalise: bool) -> Tensor<1> {
    let target = if normalise {
        let (mean, deviation) = patch_moments(pixels.clone());
        (pixels - mean) / deviation
    } else {
        pixels
    };
    let difference = predicted - target;
    // In steps: one sum over millions of values would depend on the threads.
    (difference.clone() * difference).mean_dim(2).mean_dim(1).mean()
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
    /// One mask for each of `batch` images.
    fn masks(&self, grid: &PatchGrid, batch: usize, seed: u64, step: u64) -> Vec<Mask> {
        let draw = |image| {
            Mask::draw(grid.patches(), self.mask_ratio, &mut rng(seed, "mask", step, image as u64))
        };
        (0..batch).map(draw).collect()
    }

    /// The loss with given masks, and what the encoder made of the visible patches.
    ///
    /// # Errors
    /// Images or masks that do not fit the network.
    pub fn loss_with<B: VisibleTokens>(
        &self,
        backbone: &B,
        decoder: &Decoder,
        images: &Tensor<4>,
        masks: &[Mask],
    ) -> Result<(Tensor<1>, Tokens), SslError> {
        let [_, _, height, width] = images.dims();
        let grid = backbone.patch_grid(height, width)?;
        let visible: Vec<Vec<usize>> = masks.iter().map(|mask| mask.visible.clone()).collect();
        let hidden: Vec<Vec<usize>> = masks.iter().map(|mask| mask.hidden.clone()).collect();
        let pass = tl_core::Pass::default();
        let tokens = backbone.encode_visible(images.clone(), &visible, pass)?;
        let predicted = decoder.forward(tokens.clone(), masks, &grid);
        let pixels = gather_tokens(grid.patchify(images.clone()), &hidden);
        Ok((reconstruction_loss(predicted, pixels, self.normalise), tokens))
    }
}

impl<B: Backbone + VisibleTokens> Method<B> for Mae {
    type Heads = Decoder;

    fn name(&self) -> &'static str {
        "mae"
    }

    fn views(&self) -> Vec<ViewRecipe> {
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
        let (patches, ratio) = (grid.patches(), self.mask_ratio);
        let wrong = |expected| {
            let (what, value) = ("the mask ratio", format!("{ratio} of {patches} patches"));
            Err(SslError::BadOption { what, value, expected })
        };
        if !(0.0..=1.0).contains(&ratio) {
            return wrong("a share between 0 and 1");
        }
        match visible_count(patches, ratio) {
            0 => return wrong("a smaller share, so that a patch stays visible"),
            visible if visible == patches => {
                return wrong("a larger share, so that a patch is hidden");
            }
            _ => {}
        }
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

    fn loss(&self, step: &Step<'_, B, Decoder>) -> Result<Terms, SslError> {
        let [images] = step.views else {
            let (method, found) = ("mae", step.views.len());
            return Err(SslError::Views { method, expected: 1, found });
        };
        let [batch, _, height, width] = images.dims();
        let grid = step.backbone.patch_grid(height, width)?;
        let masks = self.masks(&grid, batch, step.pass.seed, step.pass.step);
        let (loss, tokens) = self.loss_with(step.backbone, step.heads, images, &masks)?;
        let features = Tokens { pooling: TokenPooling::Mean, ..tokens }.pooled();
        Ok(Terms::of(features).with("reconstruction", 1.0, loss))
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
        let [batch, channels, height, width] = images.dims();
        let grid = backbone.patch_grid(height, width)?;
        let masks = self.masks(&grid, batch, seed, u64::MAX);
        let visible: Vec<Vec<usize>> = masks.iter().map(|mask| mask.visible.clone()).collect();
        let hidden: Vec<Vec<usize>> = masks.iter().map(|mask| mask.hidden.clone()).collect();
        let pass = tl_core::Pass::default();
        let tokens = backbone.encode_visible(images.clone(), &visible, pass)?;
        let mut predicted = decoder.forward(tokens, &masks, &grid);
        let patches = grid.patchify(images.clone());
        if self.normalise {
            let (mean, deviation) = patch_moments(gather_tokens(patches.clone(), &hidden));
            predicted = predicted * deviation + mean;
        }
        let [_, count, values] = patches.dims();
        let host = |tensor: Tensor<3>| {
            let elements = tensor.shape().num_elements();
            tl_core::parameters::values(tensor.reshape([elements])).map_err(SslError::device)
        };
        let (own, predicted) = (host(patches)?, host(predicted)?);
        let (mut masked, mut filled) = (own.clone(), own);
        for (image, mask) in masks.iter().enumerate() {
            for (place, patch) in mask.hidden.iter().enumerate() {
                let at = (image * count + patch) * values;
                let from = (image * mask.hidden.len() + place) * values;
                masked[at..at + values].fill(0.0);
                filled[at..at + values].copy_from_slice(&predicted[from..from + values]);
            }
        }
        let device = images.device();
        let whole = |values_: Vec<f32>| {
            let data = TensorData::new(values_, [batch, count, values]);
            grid.unpatchify(Tensor::<3>::from_data(data, &device), channels)
        };
        let flat = |images: Tensor<4>| {
            let elements = images.shape().num_elements();
            tl_core::parameters::values(images.reshape([elements])).map_err(SslError::device)
        };
        let parts = [
            ("original", images.clone()),
            ("masked", whole(masked)),
            ("reconstruction", whole(filled)),
        ];
        let mut shown: Vec<Shown> = vec![Shown::new(); batch];
        for (name, pictures) in parts {
            let values = flat(pictures)?;
            for (own, picture) in
                shown.iter_mut().zip(values.chunks_exact(channels * height * width))
            {
                own.push((name, picture.to_vec()));
            }
        }
        Ok(shown)
    }
}
