//! Maximum classifier discrepancy (Saito et al. 2018, arXiv 1712.02560): two classifiers look for
//! target examples on which they disagree, and the backbone leaves them none.

use burn::prelude::*;
use burn::tensor::activation::softmax;
use tl_train::loss::cross_entropy;

use super::pieces::rising_lambda;
use crate::contract::{Method, Round, Sizes, Step, Terms, Trains};
use crate::networks::NetworkShape;
use crate::{AdaptError, Validator};

const SECOND: &str = "second_classifier";

/// The mean absolute difference of two classifiers' probabilities, equation 9.
///
/// Shapes: both logits are `[batch, classes]`; the result is `[1]`.
pub fn discrepancy(first: Tensor<2>, second: Tensor<2>) -> Tensor<1> {
    let [batch, classes] = first.dims();
    let difference = (softmax(first, 1) - softmax(second, 1)).abs();
    difference.sum().div_scalar((batch * classes).max(1) as f64)
}

/// Three kinds of rounds (section 3.3): A, everything learns the source; B, both classifiers keep
/// the source and disagree on the target; C, repeated, the backbone makes them agree. The model's
/// head is the first classifier and answers alone in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Mcd {
    /// How often round C is repeated: the paper's n.
    pub repeats: usize,
    pub weight: f64,
    /// How fast the weight rises. In the paper both classifiers begin at random values; here the
    /// first one has learned the source before, and the second would pull the backbone towards what
    /// it has not learned yet.
    pub gamma: f64,
    /// The width of the second classifier's hidden layer; 0 for a linear one, like the head.
    pub hidden: usize,
}

impl Default for Mcd {
    /// The paper's n is 4 for digits; 2 costs half as much.
    fn default() -> Self {
        Self { repeats: 2, weight: 3.0, gamma: 10.0, hidden: 0 }
    }
}

impl Method for Mcd {
    fn name(&self) -> &'static str {
        "mcd"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn networks(&self, sizes: Sizes) -> Vec<NetworkShape> {
        let widths = match self.hidden {
            0 => vec![sizes.features, sizes.classes],
            hidden => vec![sizes.features, hidden, sizes.classes],
        };
        vec![NetworkShape::classifier(SECOND, widths)]
    }

    fn rounds(&self) -> Vec<Round> {
        let mut rounds =
            vec![Round::SOURCE_ALONE, Round { backbone: Trains::Nothing, ..Round::JOINT }];
        rounds.extend(vec![Round::TARGET_ALONE; self.repeats]);
        rounds
    }

    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError> {
        let second = step.network(SECOND)?;
        let mut terms = Terms::default();
        if step.round < 2 {
            let source = step.source()?;
            let logits = second.forward(source.features.clone());
            terms =
                terms.with("second_classifier", 1.0, cross_entropy(logits, &source.labels, 0.0));
        }
        if step.round > 0 {
            let target = step.target()?;
            let apart = discrepancy(target.logits.clone(), second.forward(target.features.clone()));
            let weight = self.weight * rising_lambda(step.progress, self.gamma);
            let weight = if step.round == 1 { -weight } else { weight };
            terms = terms.with("discrepancy", weight, apart);
        }
        Ok(terms)
    }
}
