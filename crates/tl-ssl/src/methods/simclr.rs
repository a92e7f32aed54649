//! SimCLR (Chen et al. 2020, *A Simple Framework for Contrastive Learning of Visual Representations*, arXiv
//! 2002.05709): of all other views in a batch, each is to find the one of its own image.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::Backbone;
use tl_data::{Augment, ViewRecipe};
use tl_kernels::cross_entropy;

use super::Twins;
use crate::SslError;
use crate::contract::Terms;
use crate::projector::Norms;
use crate::vectors::{like, unit};

/// The settings of SimCLR.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimClr {
    /// What similarities are divided by; .5 is the paper's for small images (appendix B.9).
    pub temperature: f64,
    /// The width of what is compared.
    pub width: usize,
    /// How both views are varied; where it is not given as in the paper, and of small images as SimCLR does.
    pub augment: Option<Augment>,
}

impl Default for SimClr {
    fn default() -> Self {
        Self { temperature: 0.5, width: 128, augment: None }
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
    let own = Tensor::<2>::eye(views, &similar.device().without_autodiff()).mul_scalar(-1e9);
    let own = like(own, &similar);
    let others: Vec<usize> = (0..views).map(|view| (view + images) % views).collect();
    cross_entropy(similar + own, &others, 0.0)
}

impl Twins for SimClr {
    fn name(&self) -> &'static str {
        "simclr"
    }

    fn pair(&self, image: usize) -> Vec<ViewRecipe> {
        super::pair(&self.augment, image, super::alike)
    }

    fn widths(&self, embedding: usize) -> Vec<usize> {
        vec![embedding, self.width]
    }

    /// The paper's projector has none; its program has them, beside a ResNet.
    fn norms<B: Backbone>(&self, backbone: &B) -> Norms {
        Norms::as_in(backbone)
    }

    fn validate(&self) -> Result<(), SslError> {
        if self.temperature > 0.0 && self.temperature.is_finite() {
            return Ok(());
        }
        let (what, value) = ("the temperature", self.temperature.to_string());
        Err(SslError::BadOption { what, value, expected: "a number above 0" })
    }

    fn loss(&self, first: Tensor<2>, second: Tensor<2>) -> Terms {
        let loss = nt_xent(first.clone(), second, self.temperature);
        Terms::of(first).with("nt_xent", 1.0, loss)
    }
}
