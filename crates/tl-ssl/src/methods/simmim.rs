//! SimMIM (Xie et al. 2021, *SimMIM: A Simple Framework for Masked Image Modeling*, arXiv 2111.09886): most of an
//! image is painted over, and one linear layer on the network's output predicts the pixels beneath. Any network
//! that sees images can learn so.

use burn::module::{Module, Param};
use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::visible::gather_tokens;
use tl_core::{Activation, Backbone, PatchGrid, RowShape};
use tl_data::{Augment, ViewRecipe};
use tl_kernels::Linear;

use super::Mask;
use super::mask::{check_ratio, hidden_of, masks, one_view};
use super::reconstruction::reconstructed;
use super::twins::take;
use crate::SslError;
use crate::contract::{Method, Shown, Sizes, Step, Terms};
use crate::initial::glorot;
use crate::monitor::Spread;
use crate::vectors::like;

/// The settings of SimMIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimMim {
    /// The share of the squares that is painted over.
    pub mask_ratio: f64,
    /// Pixels on a side of a square. Where it is not given the largest that divides the image into whole
    /// squares and is at most a sixth of it, as the paper's 32 is of 192.
    pub square: Option<usize>,
    pub augment: Augment,
}

impl Default for SimMim {
    fn default() -> Self {
        Self { mask_ratio: 0.6, square: None, augment: super::part_augment() }
    }
}

/// What stands beside the network.
#[derive(Module, Debug)]
pub struct SimMimHeads {
    /// What squares are painted with, `[1, 3, 1, 1]`: the paper's mask token, as a colour, so that
    /// convolutions can see it too.
    pub paint: Param<Tensor<4>>,
    /// From the values at a place of the output to the pixels of its part of the image.
    pub linear: Linear,
}

/// `mean |p − x|` over the painted squares of each image.
///
/// `predicted` and `pixels` are `[batch, hidden, values]`; the result is `[batch, 1]`, whose mean is the loss
/// (equation 1).
pub fn painted_losses(predicted: Tensor<3>, pixels: Tensor<3>) -> Tensor<2> {
    let [batch, ..] = predicted.dims();
    (predicted - pixels).abs().mean_dim(2).mean_dim(1).reshape([batch, 1])
}

impl SimMim {
    fn grid(&self, image: usize) -> Result<PatchGrid, SslError> {
        let whole = |square: &usize| image.is_multiple_of(*square);
        let own = || (1..=image / 6).rev().find(whole).unwrap_or(1);
        Ok(PatchGrid::over(self.square.unwrap_or_else(own), image, image, "simmim")?)
    }

    /// The images, painted over; the network's output at every place as pixels of the whole image; and the
    /// network's embedding.
    fn predict<B: Backbone>(
        &self,
        backbone: &B,
        heads: &SimMimHeads,
        images: &Tensor<4>,
        masks: &[Mask],
        pass: tl_core::Pass,
    ) -> Result<(Tensor<4>, Tensor<2>), SslError> {
        let [batch, channels, height, width] = images.dims();
        let grid = self.grid(height)?;
        let mut painted = vec![0.0f32; batch * grid.patches() * grid.patch.pow(2)];
        let squares = painted.chunks_exact_mut(grid.patches() * grid.patch.pow(2));
        for (image, mask) in squares.zip(masks) {
            for square in &mask.hidden {
                image[square * grid.patch.pow(2)..][..grid.patch.pow(2)].fill(1.0);
            }
        }
        let data = TensorData::new(painted, [batch, grid.patches(), grid.patch.pow(2)]);
        let painted = Tensor::<3>::from_data(data, &images.device().without_autodiff());
        let painted = like(grid.unpatchify(painted, 1), images);
        let kept = painted.clone().mul_scalar(-1.0).add_scalar(1.0);
        let seen = images.clone() * kept + painted * heads.paint.val();
        let stages = backbone.embedding_stages();
        let output = backbone.forward_stages(Activation::image(seen), 0..stages, pass)?;
        let embedding = output.clone().pooled()?;
        let output = places(output)?;
        let Places { rows, columns, values } = output;
        let [_, _, made] = values.dims();
        let flat = values.reshape([batch * rows * columns, made]);
        let side = height.div_ceil(rows.max(1));
        let pixels = heads.linear.forward(flat);
        let pixels = pixels.reshape([batch, rows * columns, channels * side * side]);
        let whole = PatchGrid { patch: side, rows, columns }.unpatchify(pixels, channels);
        // Where the parts do not meet the image's edge, they lie over it.
        Ok((whole.narrow(2, 0, height).narrow(3, 0, width), embedding))
    }
}

/// A network's output, place by place.
struct Places {
    rows: usize,
    columns: usize,
    /// `[batch, rows · columns, width]`
    values: Tensor<3>,
}

fn places(output: Activation) -> Result<Places, SslError> {
    match output {
        Activation::Image(map) => {
            let [batch, channels, rows, columns] = map.dims();
            let map = map.into_channels_first().reshape([batch, channels, rows * columns]);
            Ok(Places { rows, columns, values: map.swap_dims(1, 2) })
        }
        other => {
            let tokens = other.into_tokens("simmim")?;
            let [_, all, _] = tokens.hidden.dims();
            let count = all.saturating_sub(tokens.prefix);
            let side = count.isqrt();
            let values = tokens.hidden.narrow(1, tokens.prefix, count);
            Ok(Places { rows: side, columns: side, values })
        }
    }
}

impl<B: Backbone> Method<B> for SimMim {
    type Heads = SimMimHeads;

    fn name(&self) -> &'static str {
        "simmim"
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
    ) -> Result<SimMimHeads, SslError> {
        check_ratio(self.grid(sizes.image)?.patches(), self.mask_ratio)?;
        // One black image tells the places of the output.
        let black = Tensor::zeros([1, 3, sizes.image, sizes.image], device);
        let stages = 0..backbone.embedding_stages();
        let plain = backbone.valid();
        let output = plain.forward_stages(Activation::image(black), stages, Default::default())?;
        let (width, rows) = match output.row_shape() {
            RowShape::Vector { width } => (width, 0),
            _ => {
                let Places { rows, values, .. } = places(output)?;
                (values.dims()[2], rows)
            }
        };
        if rows == 0 {
            let (what, value) = ("the network's output", "one vector for an image".to_string());
            let expected = "a network that keeps places: convolutional, or of patches";
            return Err(SslError::BadOption { what, value, expected });
        }
        let side = sizes.image.div_ceil(rows);
        let heads = SimMimHeads {
            paint: Param::from_tensor(Tensor::zeros([1, 3, 1, 1], device)),
            linear: Linear::new(width, 3 * side * side, device),
        };
        Ok(glorot(heads, "simmim", seed))
    }

    fn embed(&self, step: &Step<'_, B, SimMimHeads>) -> Result<Vec<Tensor<2>>, SslError> {
        let images = one_view("simmim", step.views)?;
        let [batch, _, height, _] = images.dims();
        let grid = self.grid(height)?;
        let masks = masks(grid.patches(), self.mask_ratio, batch, step.first, step.pass);
        let (backbone, heads) = (step.student.backbone, step.student.heads);
        let (predicted, embedding) = self.predict(backbone, heads, images, &masks, step.pass)?;
        let hidden = hidden_of(&masks);
        let squares = |pixels| gather_tokens(grid.patchify(pixels), &hidden);
        let losses = painted_losses(squares(predicted), squares(images.clone()));
        Ok(vec![losses, embedding])
    }

    fn compare(
        &self,
        _: &Step<'_, B, SimMimHeads>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let [losses, embedding] = take(embedded)?;
        Ok(Terms::of(embedding).with("reconstruction", 1.0, losses.mean()))
    }

    fn compares_images(&self) -> bool {
        false
    }

    /// As for the masked autoencoder: the loss holds images apart by itself.
    fn collapsed_below(&self) -> Spread {
        Spread { deviation: 0.005, effective_rank: 1.01 }
    }

    fn show(
        &self,
        backbone: &B,
        heads: &SimMimHeads,
        images: Tensor<4>,
        seed: u64,
    ) -> Result<Vec<Shown>, SslError> {
        let [batch, _, height, _] = images.dims();
        let grid = self.grid(height)?;
        let pass = tl_core::Pass { seed, step: u64::MAX };
        let masks = masks(grid.patches(), self.mask_ratio, batch, 0, pass);
        let (predicted, _) = self.predict(backbone, heads, &images, &masks, pass)?;
        let predicted = gather_tokens(grid.patchify(predicted), &hidden_of(&masks));
        reconstructed(&grid, images, &masks, predicted)
    }
}
