//! Barlow Twins (Zbontar et al. 2021, *Barlow Twins: Self-Supervised Learning via Redundancy Reduction*, arXiv
//! 2103.03230): each value of a vector is to be the same in both views, and no two values alike.

use burn::prelude::*;
use serde::{Deserialize, Serialize};
use tl_data::{Augment, ViewRecipe};

use super::Twins;
use crate::SslError;
use crate::contract::Terms;
use crate::vectors::{centred, column_squares, squares_beside_diagonal};

/// The settings of Barlow Twins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BarlowTwins {
    /// The weight of what lies beside the diagonal, λ; .005 is the paper's.
    pub redundancy: f64,
    /// The width of both hidden layers and of the vectors: four times the embedding's, as the paper's 8,192
    /// are of 2,048, where it is not given.
    pub width: Option<usize>,
    /// How both views are varied; where it is not given as in the paper, and of small images as SimCLR does.
    pub augment: Option<Augment>,
}

impl Default for BarlowTwins {
    fn default() -> Self {
        Self { redundancy: 5e-3, width: None, augment: None }
    }
}

/// Keeps a value that never varies from being divided by 0; a batch norm's own.
const EPSILON: f64 = 1e-5;

/// Equation 1 in its two parts: `Σᵢ (1 − Cᵢᵢ)²` and `Σᵢ Σ_{j≠i} Cᵢⱼ²` of the correlations `C = AᵀB / n`, where `A`
/// and `B` are the views' vectors, every value brought to mean 0 and variance 1 over the batch.
///
/// `first` and `second` are `[n, width]`, row by row views of the same images; both results are `[1]`.
pub fn barlow_twins(first: Tensor<2>, second: Tensor<2>) -> [Tensor<1>; 2] {
    let [images, _] = first.dims();
    let standard = |rows: Tensor<2>| {
        let rows = centred(rows);
        let deviation = column_squares(rows.clone()).add_scalar(EPSILON).sqrt();
        rows / deviation
    };
    let (first, second) = (standard(first), standard(second));
    let same = (first.clone() * second.clone()).mean_dim(0);
    let apart = same.mul_scalar(-1.0).add_scalar(1.0);
    let correlations = first.transpose().matmul(second).div_scalar(images as f64);
    [(apart.clone() * apart).sum(), squares_beside_diagonal(correlations)]
}

impl Twins for BarlowTwins {
    fn name(&self) -> &'static str {
        "barlow_twins"
    }

    fn pair(&self, image: usize) -> Vec<ViewRecipe> {
        super::pair(&self.augment, image, Augment::two_sided)
    }

    fn widths(&self, embedding: usize) -> Vec<usize> {
        vec![self.width.unwrap_or(4 * embedding); 3]
    }

    fn validate(&self) -> Result<(), SslError> {
        if self.redundancy >= 0.0 && self.redundancy.is_finite() {
            return Ok(());
        }
        let (what, value) = ("the weight of redundancy", self.redundancy.to_string());
        Err(SslError::BadOption { what, value, expected: "a number from 0" })
    }

    fn loss(&self, first: Tensor<2>, second: Tensor<2>) -> Terms {
        let [same, redundant] = barlow_twins(first.clone(), second);
        Terms::of(first).with("invariance", 1.0, same).with(
            "redundancy",
            self.redundancy,
            redundant,
        )
    }
}
