//! SimCLR (Chen et al. 2020, *A Simple Framework for Contrastive Learning of Visual Representations*, arXiv
//! 2002.05709): of all other views in a batch, each is to find the one of its own image.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::{Activation, Backbone};
use tl_data::{Augment, CropRange, ViewRecipe};
use tl_kernels::cross_entropy;

use crate::SslError;
use crate::contract::{Method, Sizes, Step, Terms};
use crate::projector::{Projector, unit};

/// The settings of SimCLR. Views are cut and mirrored; colours stay as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimClr {
    /// What similarities are divided by; .5 is the paper's for small images (appendix B.9).
    pub temperature: f64,
    /// The width of what is compared.
    pub width: usize,
    pub augment: Augment,
}

impl Default for SimClr {
    fn default() -> Self {
        let range = CropRange { scale: [0.2, 1.0], ..CropRange::default() };
        let augment = Augment::cropped(range);
        Self { temperature: 0.5, width: 128, augment }
    }
}

/// NT-Xent (equation 1): the mean over all `2n` views of `−log (exp(s(i, j) / τ) / Σ_{k≠i} exp(s(i, k) / τ))`,
/// where `j` is the other view of the image of `i` and `s` the cosine.
///
/// `first` and `second` are `[n, width]`, row by row views of the same images; the result is `[1]`.
pub fn nt_xent(first: Tensor<2>, second: Tensor<2>, temperature: f64) -> Tensor<1> {
    let [images, _] = first.dims();
    let all = unit(Tensor::cat(vec![first, second], 0));
    let similar = all.clone().matmul(all.transpose()).div_scalar(temperature);
    // A view is not to find itself.
    let views = 2 * images;
    let own = (0..views * views).map(|at| if at % (views + 1) == 0 { -1e9 } else { 0.0 });
    let own = TensorData::new(own.collect::<Vec<f32>>(), [views, views]);
    let own = Tensor::<2>::from_data(own, &similar.device().without_autodiff());
    let own = if similar.is_autodiff() { own.autodiff() } else { own };
    let others: Vec<usize> = (0..views).map(|view| (view + images) % views).collect();
    cross_entropy(similar + own, &others, 0.0)
}

impl<B: Backbone> Method<B> for SimClr {
    type Heads = Projector;

    fn name(&self) -> &'static str {
        "simclr"
    }

    fn views(&self) -> Vec<ViewRecipe> {
        vec![ViewRecipe { size: None, augment: self.augment.clone() }; 2]
    }

    fn heads(
        &self,
        _: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Projector, SslError> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) || self.width == 0 {
            let value = format!("{} at width {}", self.temperature, self.width);
            let (what, expected) = ("the temperature", "a number above 0, and a width from 1");
            return Err(SslError::BadOption { what, value, expected });
        }
        let widths = [sizes.embedding, sizes.embedding, self.width];
        Ok(Projector::new(&widths, "simclr", seed, device))
    }

    fn loss(&self, step: &Step<'_, B, Projector>) -> Result<Terms, SslError> {
        let [first, second] = step.views else {
            let (method, found) = ("simclr", step.views.len());
            return Err(SslError::Views { method, expected: 2, found });
        };
        let [images, ..] = first.dims();
        if images < 2 {
            return Err(SslError::SmallBatch { method: "simclr", found: images, least: 2 });
        }
        // Both views as one batch: norms see them alike.
        let all = Activation::image(Tensor::cat(vec![first.clone(), second.clone()], 0));
        let stages = step.backbone.embedding_stages();
        let embedded = step.backbone.forward_stages(all, 0..stages, step.pass)?.pooled();
        let projected = step.heads.forward(embedded);
        let first = projected.clone().narrow(0, 0, images);
        let second = projected.narrow(0, images, images);
        let loss = nt_xent(first.clone(), second, self.temperature);
        Ok(Terms::of(first).with("nt_xent", 1.0, loss))
    }
}
