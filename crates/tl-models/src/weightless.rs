//! Heads without weights: the network makes the answer, or vectors from which it follows.

use burn::prelude::*;
use tl_core::{Activation, CoreError, Head, Pass};

/// The logits of pairs are cosines times this, as in sentence-transformers' `MultipleNegativesRankingLoss`.
const SCALE: f64 = 20.0;

/// Added under the root of a vector's square length, so that a vector of zeros has a gradient.
const EPSILON: f64 = 1e-12;

/// A head that has no weights.
#[derive(Module, Debug)]
pub struct Weightless {
    #[module(skip)]
    answer: Answer,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    /// The network's own, among so many pieces.
    Pieces(usize),
    /// Which of the second texts of a batch belongs to each of the first.
    Pairs,
}

impl Weightless {
    /// Of a language model that knows so many pieces, whose logits its network makes: nothing is left to do.
    pub fn pieces(vocabulary: usize) -> Self {
        Self { answer: Answer::Pieces(vocabulary) }
    }

    /// Of pairs of texts, of which a batch holds the first ones `u` and behind them the second ones `v`, `[2 · pairs, width]`:
    /// logits `[pairs, pairs]` with `20 · cos(uᵢ, vⱼ)`. Their cross-entropy with the targets `0, 1, …` makes of every other
    /// second text in the batch what does not belong to a first one: in-batch negatives (Henderson et al. 2017, arXiv
    /// 1705.00652, equation 3; van den Oord et al. 2018, arXiv 1807.03748, equation 4).
    pub fn pairs() -> Self {
        Self { answer: Answer::Pairs }
    }
}

impl Head for Weightless {
    fn forward(&self, features: Activation, _: Pass) -> Result<Tensor<2>, CoreError> {
        let features = features.pooled()?;
        match self.answer {
            Answer::Pieces(_) => Ok(features),
            Answer::Pairs => similarities(features),
        }
    }

    fn classes(&self) -> usize {
        match self.answer {
            Answer::Pieces(vocabulary) => vocabulary,
            Answer::Pairs => 1,
        }
    }

    fn has_bias(&self) -> bool {
        false
    }

    fn with_values(self, _: Vec<f32>, _: Vec<f32>) -> Self {
        self
    }
}

fn similarities(vectors: Tensor<2>) -> Result<Tensor<2>, CoreError> {
    let [rows, width] = vectors.dims();
    if rows == 0 || !rows.is_multiple_of(2) {
        let what = format!("a batch of {rows} texts");
        return Err(CoreError::Empty { what, needs: "second text for each first" });
    }
    let squares = vectors.clone().powi_scalar(2).sum_dim(1);
    let unit = vectors / (squares + EPSILON).sqrt();
    let side = |of: usize| unit.clone().slice([of * rows / 2..(of + 1) * rows / 2, 0..width]);
    Ok(side(0).matmul(side(1).transpose()) * SCALE)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;
    use tl_kernels::cross_entropy;

    /// Four pairs of vectors of three numbers.
    const VECTORS: [[f64; 3]; 8] = [
        [0.3, -1.2, 0.7],
        [1.1, 0.4, -0.2],
        [-0.6, 0.9, 0.5],
        [0.2, 0.1, -0.8],
        [0.4, -0.9, 0.3],
        [0.7, 0.6, 0.1],
        [-0.9, 0.2, 0.8],
        [0.5, -0.3, -0.4],
    ];

    /// The loss by its formula, in f64.
    fn reference(vectors: &[[f64; 3]; 8]) -> f64 {
        let dot = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = |a, b| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let of = |first: usize| {
            let logits = (4..8).map(|second| 20.0 * cosine(&vectors[first], &vectors[second]));
            let logits: Vec<f64> = logits.collect();
            logits.iter().map(|logit| logit.exp()).sum::<f64>().ln() - logits[first]
        };
        (0..4).map(of).sum::<f64>() / 4.0
    }

    fn tensor(device: &Device) -> Tensor<2> {
        let values: Vec<f32> = VECTORS.iter().flatten().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, [8, 3]), device)
    }

    fn loss(vectors: Tensor<2>) -> Tensor<1> {
        let logits = Weightless::pairs().forward(Activation::Vector(vectors), Pass::default());
        cross_entropy(logits.unwrap(), &[0, 1, 2, 3], 0.0)
    }

    #[test]
    fn the_loss_of_pairs_is_that_of_the_formula() {
        let found = loss(tensor(&Device::flex())).into_data().try_to_vec::<f32>().unwrap()[0];
        let expected = reference(&VECTORS);
        assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
    }

    #[test]
    fn the_gradient_of_pairs_is_that_of_differences() {
        let vectors = tensor(&Device::flex().autodiff()).require_grad();
        let gradients = loss(vectors.clone()).backward();
        let found = vectors.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut vectors = VECTORS;
                vectors[place / 3][place % 3] += by;
                reference(&vectors)
            };
            let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(found) - expected).abs() < 1e-4, "{found} is not {expected}");
        }
    }

    #[test]
    fn an_odd_number_of_texts_is_refused() {
        let vectors = Tensor::<2>::zeros([3, 2], &Device::flex());
        let outcome = Weightless::pairs().forward(Activation::Vector(vectors), Pass::default());
        assert!(outcome.unwrap_err().to_string().contains("a batch of 3 texts"));
    }

    #[test]
    fn vectors_of_zeros_are_like_nothing() {
        let vectors = Tensor::<2>::zeros([4, 2], &Device::flex());
        let outcome = Weightless::pairs().forward(Activation::Vector(vectors), Pass::default());
        let values = outcome.unwrap().into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(values, [0.0; 4]);
    }
}
