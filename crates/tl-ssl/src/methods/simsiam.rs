//! SimSiam (Chen and He 2020, *Exploring Simple Siamese Representation Learning*, arXiv 2011.10566): the network
//! predicts from one view what it makes of the other itself, and no gradient goes through what is predicted.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::Backbone;
use tl_data::{Augment, ViewRecipe};

use super::predictor::{Predicting, negative_cosine};
use super::twins::{check_widths, halves, several, take, together, two_views};
use crate::SslError;
use crate::contract::{Method, Sizes, Step, Terms};
use crate::projector::Norms;

/// The settings of SimSiam.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SimSiam {
    /// The width of the projector's layers and of the vectors: the embedding's where it is not given, as in
    /// the paper; the predictor's hidden layer has a quarter.
    pub width: Option<usize>,
    /// How both views are varied; where it is not given as in the paper, and of small images as SimCLR does.
    pub augment: Option<Augment>,
}

/// Equation 2: the mean of [`negative_cosine`] over the two directions; predictions and targets `[n, width]`, each
/// with its own, the result `[1]`.
pub fn simsiam_loss(predicted: [Tensor<2>; 2], targets: [Tensor<2>; 2]) -> Tensor<1> {
    let [first, second] = predicted;
    let [first_target, second_target] = targets;
    let sum = negative_cosine(first, first_target) + negative_cosine(second, second_target);
    sum.div_scalar(2.0)
}

impl<B: Backbone> Method<B> for SimSiam {
    type Heads = Predicting;

    fn name(&self) -> &'static str {
        "simsiam"
    }

    fn views(&self, image: usize) -> Vec<ViewRecipe> {
        super::pair(&self.augment, image, super::alike)
    }

    fn heads(
        &self,
        _: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Predicting, SslError> {
        let width = self.width.unwrap_or(sizes.embedding);
        let widths = [sizes.embedding, width, width, width];
        check_widths(&widths)?;
        Ok(Predicting::new(&widths, Norms::All, width.div_ceil(4), "simsiam", seed, device))
    }

    fn embed(&self, step: &Step<'_, B, Predicting>) -> Result<Vec<Tensor<2>>, SslError> {
        two_views("simsiam", step.views)?;
        let heads = step.student.heads;
        let embedded = together(step.student.backbone, step.views, step.pass)?;
        let projected = heads.projector.forward(embedded);
        let predicted = heads.predictor.forward(projected.clone());
        Ok([halves(predicted), halves(projected.detach())].concat())
    }

    fn compare(
        &self,
        _: &Step<'_, B, Predicting>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let [first, second, first_target, second_target] = take(embedded)?;
        several("simsiam", &first)?;
        // Each view predicts the other.
        let targets = [second_target, first_target.clone()];
        let loss = simsiam_loss([first, second], targets);
        Ok(Terms::of(first_target).with("prediction", 1.0, loss))
    }
}
