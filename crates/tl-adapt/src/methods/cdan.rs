//! Conditional domain-adversarial training (Long et al. 2018, arXiv 1705.10667): the domain
//! classifier sees features and predictions together.

use std::cell::RefCell;

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::{log_sigmoid, softmax};
use tl_core::rng;
use tl_kernels::reverse_gradient;

use super::pieces::{Found, domain_accuracy, domain_loss, rising_lambda, row_entropy};
use crate::contract::{Method, Sizes, Step, Terms};
use crate::networks::{DISCRIMINATOR, NetworkShape};
use crate::{AdaptError, Validator};

/// CDAN, with entropy conditioning CDAN+E.
#[derive(Clone, Debug, PartialEq)]
pub struct Cdan {
    /// Whether sure predictions weigh more, equation 8.
    pub entropy: bool,
    pub weight: f64,
    /// How fast λ rises.
    pub gamma: f64,
    /// The width of the domain classifier's two hidden layers.
    pub hidden: usize,
    /// The widest outer product that is formed; above it both factors are projected at random.
    pub widest: usize,
    /// The projections, drawn at the first step.
    projections: Found<RefCell<Option<Projections>>>,
}

/// Two plain matrices `[width, widest]` and `[classes, widest]`.
#[derive(Clone)]
struct Projections {
    seed: u64,
    features: Tensor<2>,
    predictions: Tensor<2>,
}

impl Projections {
    fn new(seed: u64, [width, classes, widest]: [usize; 3], device: &Device) -> Self {
        let draw = |name: &str, input: usize| {
            let mut random = rng(seed, name, 0, 0);
            let values = (0..input * widest).map(|_| random.normal() as f32).collect();
            Tensor::from_data(TensorData::new(values, [input, widest]), device)
        };
        let features = draw("cdan.features", width);
        Self { seed, features, predictions: draw("cdan.predictions", classes) }
    }

    fn fit(&self, seed: u64, dims: [usize; 3]) -> bool {
        let [width, widest] = self.features.dims();
        self.seed == seed && dims == [width, self.predictions.dims()[0], widest]
    }
}

impl Default for Cdan {
    /// The paper's 4096 as the widest product.
    fn default() -> Self {
        Self {
            entropy: false,
            weight: 1.0,
            gamma: 10.0,
            hidden: 256,
            widest: 4096,
            projections: Found::default(),
        }
    }
}

impl Cdan {
    /// CDAN+E.
    pub fn with_entropy() -> Self {
        Self { entropy: true, ..Self::default() }
    }

    fn width(&self, features: usize, classes: usize) -> usize {
        (features * classes).min(self.widest)
    }

    /// What the domain classifier sees.
    fn condition(&self, features: Tensor<2>, predictions: Tensor<2>, seed: u64) -> Tensor<2> {
        let ([_, width], [_, classes]) = (features.dims(), predictions.dims());
        if width * classes <= self.widest {
            return multilinear(features, predictions);
        }
        let dims = [width, classes, self.widest];
        let mut kept = self.projections.0.borrow_mut();
        if kept.as_ref().is_none_or(|kept| !kept.fit(seed, dims)) {
            *kept = None;
        }
        let device = features.device().without_autodiff();
        let drawn = kept.get_or_insert_with(|| Projections::new(seed, dims, &device));
        let lifted = |matrix: &Tensor<2>| match features.is_autodiff() {
            true => matrix.clone().autodiff(),
            false => matrix.clone(),
        };
        let (on_features, on_predictions) = (lifted(&drawn.features), lifted(&drawn.predictions));
        let scale = 1.0 / (self.widest as f64).sqrt();
        (features.matmul(on_features) * predictions.matmul(on_predictions)).mul_scalar(scale)
    }
}

impl Method for Cdan {
    fn name(&self) -> &'static str {
        if self.entropy { "cdan_e" } else { "cdan" }
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn networks(&self, sizes: Sizes) -> Vec<NetworkShape> {
        let input = self.width(sizes.features, sizes.classes);
        vec![NetworkShape::discriminator(input, self.hidden)]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let discriminator = step.network(DISCRIMINATOR)?;
        let lambda = rising_lambda(step.progress, self.gamma);
        let (source, target) = (step.source()?, step.target()?);
        let answer = |features: &Tensor<2>, logits: &Tensor<2>| {
            let predictions = softmax(logits.clone().detach(), 1);
            let joint = self.condition(features.clone(), predictions, step.seed);
            discriminator.forward(reverse_gradient(joint, lambda))
        };
        let on_source = answer(&source.features, &source.logits);
        let on_target = answer(&target.features, &target.logits);
        let accuracy = domain_accuracy(on_source.clone(), on_target.clone())?;
        let loss = if self.entropy {
            let [source, target] = [&source.logits, &target.logits].map(certainty);
            weighted_domain_loss(on_source, on_target, source, target)
        } else {
            domain_loss(on_source, on_target)
        };
        Ok(Terms::default()
            .with("domain", self.weight, loss)
            .note("lambda", lambda)
            .note("domain_accuracy", accuracy))
    }
}

/// The outer product of features and predictions, equation 4.
///
/// Shapes: `[batch, width]` and `[batch, classes]` to `[batch, classes·width]`.
pub fn multilinear(features: Tensor<2>, predictions: Tensor<2>) -> Tensor<2> {
    let ([batch, width], [_, classes]) = (features.dims(), predictions.dims());
    let features = features.reshape([batch, 1, width]);
    (predictions.reshape([batch, classes, 1]) * features).reshape([batch, classes * width])
}

/// 1 + e^(−H) of each row, a constant `[batch, 1]`.
pub fn certainty(logits: &Tensor<2>) -> Tensor<2> {
    row_entropy(logits.clone().detach()).neg().exp().add_scalar(1.0)
}

/// [`domain_loss`] where the rows of each domain weigh as `source` and `target` `[batch, 1]` say.
pub fn weighted_domain_loss(
    on_source: Tensor<2>,
    on_target: Tensor<2>,
    source: Tensor<2>,
    target: Tensor<2>,
) -> Tensor<1> {
    let mean =
        |losses: Tensor<2>, weights: Tensor<2>| (losses * weights.clone()).sum() / weights.sum();
    let (on_source, on_target) = (log_sigmoid(on_source), log_sigmoid(on_target.neg()));
    (mean(on_source, source) + mean(on_target, target)).mul_scalar(-0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projections_keep_the_products_of_the_outer_products() {
        let device = Device::flex();
        let rows = |seed, width: usize| {
            let mut random = rng(seed, "rows", 0, 0);
            let values = (0..2 * width).map(|_| random.normal() as f32).collect();
            Tensor::<2>::from_data(TensorData::new(values, [2, width]), &device)
        };
        let (features, predictions) = (rows(1, 80), rows(2, 60));
        let method = Cdan { widest: 4000, ..Cdan::default() };
        assert_eq!(method.width(80, 60), 4000);
        let squares = |joint: Tensor<2>| -> Vec<f32> {
            (joint.clone() * joint).sum_dim(1).into_data().try_to_vec().unwrap()
        };
        let exact = squares(multilinear(features.clone(), predictions.clone()));
        let condition = || squares(method.condition(features.clone(), predictions.clone(), 7));
        let projected = condition();
        // Each is a mean of 4,000 products with a deviation of about √8 of it: 4.5 %.
        for (found, expected) in projected.iter().zip(exact) {
            assert!((found / expected - 1.0).abs() < 0.25, "{found} {expected}");
        }
        assert_eq!(projected, condition());
    }
}
