//! BYOL (Grill et al. 2020, *Bootstrap Your Own Latent*, arXiv 2006.07733): the network predicts from one view
//! what its moving average makes of the other.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_core::Backbone;
use tl_data::{Augment, ViewRecipe};

use super::predictor::{Predicting, negative_cosine};
use super::twins::{check_widths, halves, several, take, together, two_views};
use crate::SslError;
use crate::contract::{Method, Sizes, Step, Terms};
use crate::momentum::cosine;
use crate::projector::Norms;

/// The settings of BYOL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Byol {
    /// How much of itself the moving average keeps at the first step, below 1; 1 at the last. The paper has
    /// .996 for 1,000 epochs and .99 for 300 (appendix F.2): the shorter the run, the faster it has to follow.
    pub momentum: f64,
    /// The width of the projector's and the predictor's hidden layers.
    pub hidden: usize,
    /// The width of the vectors.
    pub width: usize,
    /// How both views are varied; where it is not given as in the paper, and of small images as SimCLR does.
    pub augment: Option<Augment>,
}

impl Default for Byol {
    fn default() -> Self {
        Self { momentum: 0.99, hidden: 1024, width: 256, augment: None }
    }
}

/// Equation 2 for both directions: the sum of `2 − 2·mean cos` over two predictions, each with its target;
/// tensors `[n, width]`, the result `[1]`.
pub fn byol_loss(predicted: [Tensor<2>; 2], targets: [Tensor<2>; 2]) -> Tensor<1> {
    let [first, second] = predicted;
    let [first_target, second_target] = targets;
    let distance = |one, other| negative_cosine(one, other).mul_scalar(2.0).add_scalar(2.0);
    distance(first, first_target) + distance(second, second_target)
}

impl<B: Backbone> Method<B> for Byol {
    type Heads = Predicting;

    fn name(&self) -> &'static str {
        "byol"
    }

    fn views(&self, image: usize) -> Vec<ViewRecipe> {
        super::pair(&self.augment, image, Augment::two_sided)
    }

    fn heads(
        &self,
        _: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Predicting, SslError> {
        if !(0.0..1.0).contains(&self.momentum) {
            let (what, value) = ("the teacher's momentum", self.momentum.to_string());
            let expected = "a number from 0, below 1";
            return Err(SslError::BadOption { what, value, expected });
        }
        let widths = [sizes.embedding, self.hidden, self.width];
        check_widths(&widths)?;
        Ok(Predicting::new(&widths, Norms::Hidden, self.hidden, "byol", seed, device))
    }

    fn embed(&self, step: &Step<'_, B, Predicting>) -> Result<Vec<Tensor<2>>, SslError> {
        two_views("byol", step.views)?;
        let Some(teacher) = &step.teacher else {
            return Err(SslError::NoTeacher { method: "byol" });
        };
        let heads = step.student.heads;
        let own = together(step.student.backbone, step.views, step.pass)?;
        let predicted = heads.predictor.forward(heads.projector.forward(own));
        let taught = together(teacher.backbone, step.views, step.pass)?;
        let targets = teacher.heads.projector.forward(taught);
        Ok([halves(predicted), halves(targets)].concat())
    }

    fn compare(
        &self,
        _: &Step<'_, B, Predicting>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError> {
        let [first, second, first_target, second_target] = take(embedded)?;
        several("byol", &first)?;
        // Each view predicts the other.
        let targets = [second_target, first_target.clone()];
        let loss = byol_loss([first, second], targets);
        Ok(Terms::of(first_target).with("prediction", 1.0, loss))
    }

    fn momentum(&self, progress: f64) -> Option<f64> {
        Some(cosine(self.momentum, 1.0, progress))
    }
}
