//! VICReg (Bardes, Ponce and LeCun 2021, *VICReg: Variance-Invariance-Covariance Regularization for
//! Self-Supervised Learning*, arXiv 2105.04906): views of an image lie close together, every value varies, and no
//! two values vary together.

use burn::prelude::*;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};
use tl_data::{Augment, ViewRecipe};

use super::Twins;
use crate::SslError;
use crate::contract::Terms;
use crate::vectors::{centred, column_squares, squares_beside_diagonal};

/// The settings of VICReg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VicReg {
    /// The weight of the distance between views, λ.
    pub invariance: f64,
    /// The weight of the hinge that keeps the deviation of every value at 1, μ.
    pub variance: f64,
    /// The weight of the covariances, ν.
    pub covariance: f64,
    /// The width of both hidden layers and of the vectors: four times the embedding's, as the paper's 8,192
    /// are of 2,048, where it is not given.
    pub width: Option<usize>,
    /// How both views are varied; where it is not given as in the paper, and of small images as SimCLR does.
    pub augment: Option<Augment>,
}

impl Default for VicReg {
    /// 25, 25 and 1, as in the paper.
    fn default() -> Self {
        Self { invariance: 25.0, variance: 25.0, covariance: 1.0, width: None, augment: None }
    }
}

/// Within the root of a variance.
const EPSILON: f64 = 1e-4;

/// Invariance, variance and covariance (equations 1 to 5, as its program weighs them), each `[1]`:
/// the mean of `(a − b)²` over all values; the mean over values and views of `max(0, 1 − √(var + 10⁻⁴))`;
/// the sum over views of `Σ_{i≠j} cov²ᵢⱼ / width`. Variances are unbiased.
///
/// `first` and `second` are `[n, width]`, row by row views of the same images, `n` at least 2.
pub fn vicreg(first: Tensor<2>, second: Tensor<2>) -> [Tensor<1>; 3] {
    let [images, width] = first.dims();
    let apart = first.clone() - second.clone();
    let invariance = column_squares(apart).mean();
    let degrees = images as f64 - 1.0;
    let parts = |rows: Tensor<2>| {
        let rows = centred(rows);
        let variance = column_squares(rows.clone()).mul_scalar(images as f64 / degrees);
        let deviation = variance.add_scalar(EPSILON).sqrt();
        let hinge = relu(deviation.mul_scalar(-1.0).add_scalar(1.0)).mean();
        let covariance = rows.clone().transpose().matmul(rows).div_scalar(degrees);
        (hinge, squares_beside_diagonal(covariance).div_scalar(width as f64))
    };
    let ((first_hinge, first_shared), (second_hinge, second_shared)) =
        (parts(first), parts(second));
    let variance = (first_hinge + second_hinge).div_scalar(2.0);
    [invariance, variance, first_shared + second_shared]
}

impl Twins for VicReg {
    fn name(&self) -> &'static str {
        "vicreg"
    }

    fn pair(&self, image: usize) -> Vec<ViewRecipe> {
        super::pair(&self.augment, image, Augment::two_sided)
    }

    fn widths(&self, embedding: usize) -> Vec<usize> {
        vec![self.width.unwrap_or(4 * embedding); 3]
    }

    fn validate(&self) -> Result<(), SslError> {
        let weights = [self.invariance, self.variance, self.covariance];
        if weights.iter().all(|weight| *weight >= 0.0 && weight.is_finite()) {
            return Ok(());
        }
        let (what, value) = ("a weight of the loss", format!("one of {weights:?}"));
        Err(SslError::BadOption { what, value, expected: "numbers from 0" })
    }

    fn loss(&self, first: Tensor<2>, second: Tensor<2>) -> Terms {
        let [invariance, variance, covariance] = vicreg(first.clone(), second);
        Terms::of(first)
            .with("invariance", self.invariance, invariance)
            .with("variance", self.variance, variance)
            .with("covariance", self.covariance, covariance)
    }
}
