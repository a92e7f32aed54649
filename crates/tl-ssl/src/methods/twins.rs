//! Methods that embed two views of each image alike and compare them: two views, one projector, a loss of
//! their vectors.

use std::fmt::Debug;

use burn::prelude::*;
use tl_core::{Activation, Backbone, Pass};
use tl_data::ViewRecipe;

use crate::SslError;
use crate::contract::{Method, Sizes, Step, Terms};
use crate::projector::{Norms, Projector};

/// What such a method says of itself; it is a [`Method`] by that.
pub trait Twins: Debug {
    fn name(&self) -> &'static str;

    /// Two views of images of `image` pixels on a side.
    fn pair(&self, image: usize) -> Vec<ViewRecipe>;

    /// The widths of the projector after the embedding's; the last is that of the vectors.
    fn widths(&self, embedding: usize) -> Vec<usize>;

    /// The projector's norms beside `backbone`.
    fn norms<B: Backbone>(&self, _backbone: &B) -> Norms {
        Norms::Hidden
    }

    /// # Errors
    /// A setting that makes no sense.
    fn validate(&self) -> Result<(), SslError>;

    /// The loss of vectors `[images, width]` of at least two images, row by row of the same ones.
    fn loss(&self, first: Tensor<2>, second: Tensor<2>) -> Terms;
}

impl<B: Backbone, T: Twins> Method<B> for T {
    type Heads = Projector;

    fn name(&self) -> &'static str {
        Twins::name(self)
    }

    fn views(&self, image: usize) -> Vec<ViewRecipe> {
        self.pair(image)
    }

    fn heads(
        &self,
        backbone: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Projector, SslError> {
        self.validate()?;
        let mut widths = vec![sizes.embedding];
        widths.extend(self.widths(sizes.embedding));
        check_widths(&widths)?;
        Ok(Projector::new(&widths, self.norms(backbone), Twins::name(self), seed, device))
    }

    fn embed(&self, step: &Step<'_, B, Projector>) -> Result<Vec<Tensor<2>>, SslError> {
        two_views(Twins::name(self), step.views)?;
        let embedded = together(step.student.backbone, step.views, step.pass)?;
        Ok(halves(step.student.heads.forward(embedded)))
    }

    fn compare(
        &self,
        _: &Step<'_, B, Projector>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let [first, second] = take(embedded)?;
        several(Twins::name(self), &first)?;
        Ok(self.loss(first, second))
    }
}

/// # Errors
/// Other than two views.
pub(super) fn two_views(method: &'static str, views: &[Tensor<4>]) -> Result<(), SslError> {
    match views.len() {
        2 => Ok(()),
        found => Err(SslError::Views { method, expected: 2, found }),
    }
}

/// # Errors
/// A batch of one image.
pub(super) fn several(method: &'static str, vectors: &Tensor<2>) -> Result<(), SslError> {
    match vectors.dims()[0] {
        found @ ..2 => Err(SslError::SmallBatch { method, found, least: 2 }),
        _ => Ok(()),
    }
}

/// # Errors
/// A layer without width.
pub(super) fn check_widths(widths: &[usize]) -> Result<(), SslError> {
    if widths.contains(&0) {
        let (what, expected) = ("a width of the projector", "a whole number from 1");
        return Err(SslError::BadOption { what, value: "0".into(), expected });
    }
    Ok(())
}

/// Embeddings of views of one size as one batch, view after view: norms see them alike.
pub(super) fn together<B: Backbone>(
    backbone: &B,
    views: &[Tensor<4>],
    pass: Pass,
) -> Result<Tensor<2>, SslError> {
    let all = Activation::image(Tensor::cat(views.to_vec(), 0));
    let stages = backbone.embedding_stages();
    Ok(backbone.forward_stages(all, 0..stages, pass)?.pooled()?)
}

/// The rows of the first views and of the second.
pub(super) fn halves(rows: Tensor<2>) -> Vec<Tensor<2>> {
    rows.chunk(2, 0)
}

/// What `embed` made, given back by `compare`.
pub(super) fn take<const N: usize>(embedded: Vec<Tensor<2>>) -> Result<[Tensor<2>; N], SslError> {
    embedded.try_into().map_err(|other: Vec<_>| {
        let (what, found) = ("rows of the method", other.len());
        SslError::Count { what, found, expected: N }
    })
}
