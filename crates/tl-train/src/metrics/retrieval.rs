//! How well vectors find what belongs to them.

use burn::prelude::*;
use burn::tensor::TensorData;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Interval;

/// Queries of which each has one right answer among all answers, which are ranked by the cosine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// The share of queries whose answer is the nearest of all.
    pub first: f64,
    /// The 95 % Wilson score interval of it, `[low, high]`.
    pub interval: [f64; 2],
    /// The share of queries whose answer is among the ten nearest.
    pub ten: f64,
    /// The mean of one over the rank.
    pub reciprocal_rank: f64,
    /// Number of queries, and of the answers that each chooses from.
    pub n: u64,
}

impl Retrieval {
    /// From the rank of each query's answer, 1 for the nearest; nothing of none.
    pub fn of(ranks: &[usize]) -> Option<Self> {
        let n = ranks.len() as u64;
        if n == 0 {
            return None;
        }
        let within = |most: usize| ranks.iter().filter(|rank| **rank <= most).count();
        let Interval { low, high } = Interval::wilson(within(1) as u64, n);
        let share = |count: usize| count as f64 / n as f64;
        let reciprocal: f64 = ranks.iter().map(|rank| 1.0 / *rank as f64).sum();
        Some(Self {
            first: share(within(1)),
            interval: [low, high],
            ten: share(within(10)),
            reciprocal_rank: reciprocal / n as f64,
            n,
        })
    }
}

impl std::fmt::Display for Retrieval {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { first, interval: [low, high], ten, reciprocal_rank, n } = self;
        write!(
            out,
            "{:.1} % find their own text first of {n} (95 % interval {:.1} to {:.1} %), {:.1} % among ten; \
             mean reciprocal rank {reciprocal_rank:.3}",
            100.0 * first,
            100.0 * low,
            100.0 * high,
            100.0 * ten,
        )
    }
}

/// Cosines that are held at a time: 64 MB.
const CHUNK: usize = 1 << 24;

/// The rank of each query's own answer among all answers: one more than there are others with at least its cosine, so that vectors
/// that are all alike find nothing. `queries` and `answers` are `[n, width]` in row order, row by row belonging together; answers
/// with the same number in `texts` are the same, and none of them stands before another.
///
/// # Errors
/// A device that fails.
pub fn ranks(
    queries: &[f32],
    answers: &[f32],
    texts: &[usize],
    width: usize,
    device: &Device,
) -> Result<Vec<usize>, String> {
    let count = texts.len();
    let device = device.clone().without_autodiff();
    let unit = |rows: &[f32]| {
        let data = TensorData::new(rows.to_vec(), [rows.len() / width.max(1), width]);
        let rows = Tensor::<2>::from_data(data, &device);
        let lengths = rows.clone().powi_scalar(2).sum_dim(1).sqrt().clamp_min(1e-12);
        rows / lengths
    };
    let columns = unit(answers).transpose();
    let at_once = (CHUNK / count.max(1)).max(1);
    let mut found = Vec::with_capacity(count);
    for (chunk, rows) in queries.chunks(at_once * width.max(1)).enumerate() {
        let cosines = unit(rows).matmul(columns.clone());
        let elements = cosines.shape().num_elements();
        let cosines = tl_core::parameters::values(cosines.reshape([elements]))?;
        let rank = |(row, cosines): (usize, &[f32])| {
            let own = chunk * at_once + row;
            let others = cosines.iter().zip(texts).filter(|(_, text)| **text != texts[own]);
            1 + others.filter(|(cosine, _)| **cosine >= cosines[own]).count()
        };
        found.par_extend(cosines.par_chunks_exact(count.max(1)).enumerate().map(rank));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks_of(queries: &[f32], answers: &[f32], texts: &[usize]) -> Vec<usize> {
        ranks(queries, answers, texts, 2, &Device::flex()).unwrap()
    }

    #[test]
    fn an_answer_ranks_behind_those_that_are_nearer() {
        let queries = [1.0, 0.0, 0.0, 2.0, 1.0, 1.0];
        let answers = [3.0, 0.1, 1.0, 0.9, 0.0, 5.0];
        assert_eq!(ranks_of(&queries, &answers, &[0, 1, 2]), [1, 2, 3]);
    }

    #[test]
    fn the_same_text_elsewhere_is_no_other_answer() {
        let queries = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let answers = [1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        assert_eq!(ranks_of(&queries, &answers, &[7, 7, 9]), [1, 1, 3]);
        assert_eq!(ranks_of(&queries, &answers, &[7, 8, 9]), [2, 2, 3]);
    }

    #[test]
    fn vectors_that_are_all_alike_find_nothing() {
        assert_eq!(ranks_of(&[1.0; 8], &[1.0; 8], &[0, 1, 2, 3]), [4; 4]);
    }

    #[test]
    fn the_figures_are_those_of_the_ranks() {
        let found = Retrieval::of(&[1, 2, 1, 20]).unwrap();
        assert_eq!((found.first, found.ten, found.n), (0.5, 0.75, 4));
        assert!((found.reciprocal_rank - (1.0 + 0.5 + 1.0 + 0.05) / 4.0).abs() < 1e-12);
        assert!(found.interval[0] < 0.5 && found.interval[1] > 0.5);
        assert!(Retrieval::of(&[]).is_none());
    }
}
