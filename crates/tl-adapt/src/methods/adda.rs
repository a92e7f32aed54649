//! Adversarial discriminative adaptation (Tzeng et al. 2017, arXiv 1702.05464): the backbone learns
//! to make target features that a domain classifier takes for the features that the source had.

use super::pieces::{domain_accuracy, domain_loss, mean};
use crate::contract::{Method, Round, Sizes, Step, Terms, Trains};
use crate::networks::{DISCRIMINATOR, NetworkShape};
use crate::{AdaptError, Validator};

use burn::prelude::*;
use burn::tensor::activation::log_sigmoid;

/// Begins from a network that was trained on the source: give the plan a phase for that. Source
/// features come from the encoder as it was then; the head stands still.
#[derive(Clone, Debug, PartialEq)]
pub struct Adda {
    /// The width of the domain classifier's two hidden layers.
    pub hidden: usize,
}

impl Default for Adda {
    fn default() -> Self {
        Self { hidden: 256 }
    }
}

/// The mean of −log σ(z) on the target: the backbone's own loss with the labels turned round,
/// equation 9. Shapes: `[batch, 1]` to `[1]`.
pub fn inverted_domain_loss(target: Tensor<2>) -> Tensor<1> {
    mean(log_sigmoid(target).neg())
}

impl Method for Adda {
    fn name(&self) -> &'static str {
        "adda"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn networks(&self, sizes: Sizes) -> Vec<NetworkShape> {
        vec![NetworkShape::discriminator(sizes.features, self.hidden)]
    }

    fn rounds(&self) -> Vec<Round> {
        let discriminate =
            Round { backbone: Trains::Nothing, networks: true, ..Round::TARGET_ALONE };
        vec![discriminate, Round::TARGET_ALONE]
    }

    fn keeps_source_encoder(&self) -> bool {
        true
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let discriminator = step.network(DISCRIMINATOR)?;
        let target = discriminator.forward(step.target()?.features.clone());
        if step.round == 1 {
            return Ok(Terms::default().with("inverted", 1.0, inverted_domain_loss(target)));
        }
        let source =
            step.source_encoder.clone().ok_or_else(|| step.absent("the source encoder"))?;
        let source = discriminator.forward(source);
        let accuracy = domain_accuracy(source.clone(), target.clone())?;
        Ok(Terms::default()
            .with("domain", 1.0, domain_loss(source, target))
            .note("domain_accuracy", accuracy))
    }
}
