//! Classification by the nearest neighbours of an embedding: what features are good for, without training.

use burn::prelude::*;
use rayon::prelude::*;

use crate::TrainError;

/// What keeps neighbours from being found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnnError {
    /// Numbers of features and labels that do not fit each other.
    #[error("{what}: {found} were given, {expected} fit")]
    Count { what: &'static str, found: usize, expected: usize },
    /// Too few examples.
    #[error("{found} examples have no neighbours among them; give {least} or more")]
    Few { found: usize, least: usize },
}

/// How many neighbours vote, and how fast their weight falls: `exp(similarity / temperature)` (Wu et al.
/// 2018; Caron et al. 2021, DINO, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbours {
    pub count: usize,
    pub temperature: f64,
}

impl Default for Neighbours {
    /// 20 neighbours, temperature .07.
    fn default() -> Self {
        Self { count: 20, temperature: 0.07 }
    }
}

/// Embeddings and the label of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// `[examples, width]` in row order.
    pub features: Vec<f32>,
    pub labels: Vec<usize>,
}

impl Labelled {
    /// The width of the features.
    pub fn width(&self) -> usize {
        self.features.len() / self.labels.len().max(1)
    }

    fn check(&self, width: usize) -> Result<(), TrainError> {
        let (found, expected) = (self.features.len(), self.labels.len() * width);
        if found == expected && width > 0 {
            return Ok(());
        }
        Err(KnnError::Count { what: "features for the neighbours", found, expected }.into())
    }
}

/// Similarities that are held at a time: 64 MB.
const CHUNK: usize = 1 << 24;

/// The class of each of `queries` `[queries, width]` by its nearest neighbours in `bank`, by cosine; of
/// classes with the same vote the first.
///
/// # Errors
/// Features that do not fit, an empty bank, a device that fails.
pub fn predict(
    bank: &Labelled,
    queries: &[f32],
    neighbours: Neighbours,
    device: &Device,
) -> Result<Vec<usize>, TrainError> {
    if bank.labels.is_empty() {
        return Err(KnnError::Few { found: 0, least: 1 }.into());
    }
    let width = bank.width();
    bank.check(width)?;
    if !queries.len().is_multiple_of(width) {
        let (found, expected) = (queries.len(), queries.len() / width * width);
        return Err(KnnError::Count { what: "features of the queries", found, expected }.into());
    }
    vote_all(bank, queries, neighbours, false, device)
}

/// The class of each example of `bank` by its nearest neighbours among all others.
///
/// # Errors
/// As [`predict`], and fewer than two examples.
pub fn leave_one_out(
    bank: &Labelled,
    neighbours: Neighbours,
    device: &Device,
) -> Result<Vec<usize>, TrainError> {
    if !bank.labels.is_empty() {
        bank.check(bank.width())?;
    }
    match bank.labels.len() {
        found @ (0 | 1) => Err(KnnError::Few { found, least: 2 }.into()),
        _ => vote_all(bank, &bank.features, neighbours, true, device),
    }
}

/// The classes of whole rows of `queries`; where they are the `bank` itself, none votes for `itself`.
fn vote_all(
    bank: &Labelled,
    queries: &[f32],
    neighbours: Neighbours,
    itself: bool,
    device: &Device,
) -> Result<Vec<usize>, TrainError> {
    let (width, stored) = (bank.width(), bank.labels.len());
    let classes = bank.labels.iter().max().map_or(0, |last| last + 1);
    let at_once = (CHUNK / stored.max(1)).max(1);
    let columns = matrix(unit_rows(&bank.features, width), width, device).transpose();
    let most = stored - usize::from(itself);
    let neighbours = Neighbours { count: neighbours.count.clamp(1, most), ..neighbours };
    let mut predicted = Vec::with_capacity(queries.len() / width);
    for chunk in queries.chunks(at_once * width) {
        let similar = matrix(unit_rows(chunk, width), width, device).matmul(columns.clone());
        let elements = similar.shape().num_elements();
        let similar = tl_core::parameters::values(similar.reshape([elements]));
        let mut similar = similar.map_err(TrainError::Device)?;
        if itself {
            let first = predicted.len();
            for (place, row) in similar.chunks_exact_mut(stored).enumerate() {
                row[first + place] = f32::NEG_INFINITY;
            }
        }
        let rows: Vec<&[f32]> = similar.chunks_exact(stored).collect();
        predicted.par_extend(rows.into_par_iter().map(|row| vote(row, bank, classes, neighbours)));
    }
    Ok(predicted)
}

/// The share of `queries` whose class is found.
///
/// # Errors
/// As [`predict`].
pub fn accuracy(
    bank: &Labelled,
    queries: &Labelled,
    neighbours: Neighbours,
    device: &Device,
) -> Result<f64, TrainError> {
    queries.check(bank.width())?;
    let predicted = predict(bank, &queries.features, neighbours, device)?;
    let right = predicted.iter().zip(&queries.labels).filter(|(one, other)| one == other).count();
    Ok(right as f64 / queries.labels.len().max(1) as f64)
}

fn matrix(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [rows, width]), &device.clone().without_autodiff())
}

/// For each of `queries` the places of the `count` rows of `bank` that are nearest to it by the cosine, the
/// nearest first; both are rows of `width` values.
pub fn nearest(bank: &[f32], queries: &[f32], width: usize, count: usize) -> Vec<Vec<usize>> {
    let (bank, queries) = (unit_rows(bank, width), unit_rows(queries, width));
    let of = |query: &[f32]| {
        let similar = |row: &[f32]| row.iter().zip(query).map(|(a, b)| a * b).sum::<f32>();
        let near: Vec<f32> = bank.chunks_exact(width.max(1)).map(similar).collect();
        nearest_first(&near, count).into_iter().map(|place| place as usize).collect()
    };
    queries.chunks_exact(width.max(1)).map(of).collect()
}

/// The places of the `count` largest of `similar`, the largest first; of equals the one that was stored
/// first, whatever the order of the search.
fn nearest_first(similar: &[f32], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..similar.len() as u32).collect();
    let nearer = |one: &u32, other: &u32| {
        similar[*other as usize].total_cmp(&similar[*one as usize]).then(one.cmp(other))
    };
    if count < order.len() && count > 0 {
        order.select_nth_unstable_by(count - 1, nearer);
    }
    order.truncate(count);
    order.sort_unstable_by(nearer);
    order
}

/// Every row brought to length 1; a row of zeros stays.
pub fn unit_rows(values: &[f32], width: usize) -> Vec<f32> {
    let mut rows = values.to_vec();
    rows.par_chunks_exact_mut(width.max(1)).for_each(|row| {
        let squares: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
        let length = squares.sqrt().max(1e-12);
        row.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    });
    rows
}

fn vote(row: &[f32], bank: &Labelled, classes: usize, neighbours: Neighbours) -> usize {
    let mut votes = vec![0.0; classes];
    for index in nearest_first(row, neighbours.count) {
        let similarity = f64::from(row[index as usize]);
        // From the largest possible similarity down, so that no vote overflows.
        votes[bank.labels[index as usize]] += ((similarity - 1.0) / neighbours.temperature).exp();
    }
    let best = |best: usize, class: usize| if votes[class] > votes[best] { class } else { best };
    (0..classes).fold(0, best)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    fn bank() -> Labelled {
        Labelled {
            features: vec![1.0, 0.0, 0.9, 0.1, 0.0, 2.0, 0.1, 1.5],
            labels: vec![0, 0, 2, 2],
        }
    }

    fn neighbours(count: usize) -> Neighbours {
        Neighbours { count, temperature: 0.07 }
    }

    #[test]
    fn the_direction_alone_decides() {
        let queries = [5.0, 0.1, 0.01, 0.3];
        for count in [1, 2, 3, 4, 100] {
            let found = predict(&bank(), &queries, neighbours(count), &Device::flex()).unwrap();
            assert_eq!(found, [0, 2], "{count}");
        }
    }

    /// One near neighbour outweighs two that are further away.
    #[test]
    fn near_neighbours_weigh_more() {
        let bank = Labelled { features: vec![1.0, 0.0, 0.6, 0.8, 0.6, 0.8], labels: vec![1, 0, 0] };
        let query = [1.0, 0.1];
        assert_eq!(predict(&bank, &query, neighbours(3), &Device::flex()).unwrap(), [1]);
        let flat = Neighbours { count: 3, temperature: 100.0 };
        assert_eq!(predict(&bank, &query, flat, &Device::flex()).unwrap(), [0]);
    }

    #[test]
    fn the_nearest_come_first_and_the_earlier_of_equals() {
        let bank = [1.0, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0, 1.0];
        assert_eq!(nearest(&bank, &[3.0, 0.5, 0.0, 1.0], 2, 3), [[0, 2, 3], [1, 3, 0]]);
        assert_eq!(nearest(&bank, &[1.0, 0.0], 2, 9), [[0, 2, 3, 1]]);
        assert_eq!(nearest(&bank, &[1.0, 0.0], 2, 0), [[0usize; 0]]);
    }

    #[test]
    fn accuracy_is_the_share_of_right_answers() {
        let queries =
            Labelled { features: vec![1.0, 0.0, 0.0, 1.0, 0.2, 1.0], labels: vec![0, 0, 2] };
        let found = accuracy(&bank(), &queries, neighbours(2), &Device::flex()).unwrap();
        assert_eq!(found, 2.0 / 3.0);
    }

    #[test]
    fn no_example_is_its_own_neighbour() {
        // Two pairs, and one that stands alone with its label beside the first pair.
        let bank = Labelled {
            features: vec![1.0, 0.0, 1.0, 0.1, 0.0, 1.0, 0.1, 1.0, 1.0, 0.05],
            labels: vec![0, 0, 1, 1, 1],
        };
        let device = Device::flex();
        assert_eq!(
            predict(&bank, &bank.features, neighbours(1), &device).unwrap(),
            [0, 0, 1, 1, 1]
        );
        // The nearest of the first two is the last one, which lies between them.
        assert_eq!(leave_one_out(&bank, neighbours(1), &device).unwrap(), [1, 1, 1, 1, 0]);
        let two = Labelled { features: vec![1.0, 2.0], labels: vec![0, 1] };
        assert_eq!(leave_one_out(&two, neighbours(20), &device).unwrap(), [1, 0]);
        let one = Labelled { features: vec![1.0], labels: vec![0] };
        assert!(leave_one_out(&one, neighbours(1), &device).is_err());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let device = Device::flex();
        assert!(predict(&Labelled::default(), &[1.0], neighbours(1), &device).is_err());
        assert!(predict(&bank(), &[1.0, 2.0, 3.0], neighbours(1), &device).is_err());
        let short = Labelled { features: vec![1.0], labels: vec![0] };
        assert!(accuracy(&bank(), &short, neighbours(1), &device).is_err());
    }
}
