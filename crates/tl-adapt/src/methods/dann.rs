//! Domain-adversarial training (Ganin et al. 2016, JMLR 17(59), arXiv 1505.07818).
//!
//! A domain classifier learns to tell source features from target features; through a reversed
//! gradient the backbone learns to make that impossible.

use tl_kernels::reverse_gradient;

use super::pieces::{domain_accuracy, domain_loss, rising_lambda};
use crate::contract::{Method, Sizes, Step, Terms};
use crate::networks::{DISCRIMINATOR, NetworkShape};
use crate::{AdaptError, Validator};

/// A domain loss of ln 2 = .693 is what a classifier that cannot tell has: the domains are aligned,
/// or the classifier has not learned anything. The logged domain accuracy beside it (.5 in both
/// cases) does not decide; the A-distance, measured by a classifier of its own, does.
#[derive(Clone, Debug, PartialEq)]
pub struct Dann {
    /// The weight of the domain loss.
    pub weight: f64,
    /// How fast λ rises.
    pub gamma: f64,
    /// The width of the domain classifier's two hidden layers.
    pub hidden: usize,
}

impl Default for Dann {
    /// The paper's schedule, γ = 10.
    fn default() -> Self {
        Self { weight: 1.0, gamma: 10.0, hidden: 256 }
    }
}

impl Method for Dann {
    fn name(&self) -> &'static str {
        "dann"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn networks(&self, sizes: Sizes) -> Vec<NetworkShape> {
        vec![NetworkShape::discriminator(sizes.features, self.hidden)]
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let discriminator = step.network(DISCRIMINATOR)?;
        let lambda = rising_lambda(step.progress, self.gamma);
        let [source, target] = [&step.source()?.features, &step.target()?.features]
            .map(|features| discriminator.forward(reverse_gradient(features.clone(), lambda)));
        let accuracy = domain_accuracy(source.clone(), target.clone())?;
        Ok(Terms::default()
            .with("domain", self.weight, domain_loss(source, target))
            .note("lambda", lambda)
            .note("domain_accuracy", accuracy))
    }
}
