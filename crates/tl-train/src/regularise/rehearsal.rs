//! Rehearsal: examples of earlier tasks are shown again (Robins 1995, *Catastrophic Forgetting, Rehearsal and Pseudorehearsal*; with a
//! small memory Chaudhry et al. 2019, arXiv 1902.10486).
//!
//! Of the examples that are kept of all earlier tasks together, each step draws `batch` without putting one back, by the seed and the
//! step alone. Beside the loss stands `λ · mean over them of −log softmax(W_k·a + b_k)_y`: `a` the vector of the network now, `W_k`
//! and `b_k` the head of the example's task, which stands still, `y` its class there.
//!
//! Examples are read once where they fit into memory, those of a phase behind frozen stages as what these make of them.

use burn::prelude::*;
use tl_core::{Backbone, FrozenPrefix, Head, Model, Pass, rng};
use tl_data::text::longest_first;

use super::earlier::{Memory, StandingHead};
use crate::features::{FeatureStore, Room};
use crate::fit::feed::{Feed, stream};
use crate::loss::cross_entropy;
use crate::{Dataset, TrainError};

/// The examples of earlier tasks at the cut of a phase.
pub(crate) struct Memories<'a> {
    tasks: Vec<Remembered<'a>>,
    /// The task and the row of every example.
    rows: Vec<(usize, usize)>,
}

struct Remembered<'a> {
    feed: Feed<'a>,
    labels: Vec<Option<usize>>,
    head: usize,
}

/// How examples are brought to the cut.
pub(crate) struct Reach<'r> {
    /// The stages before the cut, if there are some; made anew for each that keeps it.
    pub prefix: &'r dyn Fn() -> Option<FrozenPrefix>,
    /// The most bytes of inputs that may be kept; nothing where nothing is.
    pub keep: Option<u64>,
    pub batch_size: usize,
    pub device: &'r Device,
}

impl<'a> Memories<'a> {
    /// Reads what can be kept.
    ///
    /// # Errors
    /// A task none of whose examples can be read.
    pub fn of(memory: &'a [Memory<'a>], reach: &Reach<'_>) -> Result<Self, TrainError> {
        let mut found = Self { tasks: Vec::new(), rows: Vec::new() };
        for memory in memory.iter().filter(|memory| !memory.items.is_empty()) {
            let data = memory.data;
            let labels = data.labels();
            let known = |row: &usize| labels.get(*row).copied().flatten().is_some();
            let rows: Vec<usize> = data.rows(&memory.items).into_iter().filter(known).collect();
            let rows = match data.lengths() {
                Some(lengths) => longest_first(&rows, lengths),
                None => rows,
            };
            let lost = TrainError::NothingRemembered { task: memory.head + 1 };
            let Some((feed, rows)) = feed(data, rows, reach)? else { return Err(lost) };
            let task = found.tasks.len();
            found.rows.extend(rows.into_iter().map(|row| (task, row)));
            found.tasks.push(Remembered { feed, labels, head: memory.head });
        }
        Ok(found)
    }

    /// The loss of the examples that `pass` draws, of shape `[1]`; nothing where none of them can be read. `from` is the stage behind
    /// the cut.
    ///
    /// # Errors
    /// As [`Model::forward_from`].
    pub(super) fn loss<B: Backbone, H: Head>(
        &self,
        model: &Model<B, H>,
        heads: &[StandingHead],
        batch: usize,
        (from, pass): (usize, Pass),
        device: &Device,
    ) -> Result<Option<Tensor<1>>, TrainError> {
        let drawn = draw(self.rows.len(), batch, pass.seed, pass.step);
        let stages = model.backbone.stages().len();
        let mut shown = Vec::new();
        for (number, task) in self.tasks.iter().enumerate() {
            let of_task = drawn.iter().map(|place| self.rows[*place]);
            let rows: Vec<usize> =
                of_task.filter(|(task, _)| *task == number).map(|(_, row)| row).collect();
            let Some(head) = heads.get(task.head).filter(|_| !rows.is_empty()) else { continue };
            let size = rows.len();
            for batch in task.feed.batches(rows, size, None, device) {
                let (rows, input) = batch?;
                if rows.is_empty() {
                    continue;
                }
                let output = pass.during(|| {
                    model.backbone.forward_stages(input.autodiff(), from..stages, pass)
                })?;
                let logits = head.logits(model.head.features(output)?);
                let label = |row: &usize| task.labels.get(*row).copied().flatten();
                shown.push((logits, rows.iter().filter_map(label).collect()));
            }
        }
        Ok(mean(shown))
    }
}

/// Where the examples come from, and which of `rows` there are; nothing where none can be read.
fn feed<'a>(
    data: &'a dyn Dataset,
    rows: Vec<usize>,
    reach: &Reach<'_>,
) -> Result<Option<(Feed<'a>, Vec<usize>)>, TrainError> {
    let prefix = (reach.prefix)();
    let inputs = rows.len() as u64 * data.input_bytes();
    let fits = |most: u64| prefix.is_some() || (1..=most).contains(&inputs);
    if reach.keep.is_some_and(fits) && !data.varies() {
        let (prefix, order) = (prefix.as_ref(), rows.clone());
        let batches = stream(data, prefix, order, reach.batch_size, None, reach.device);
        let room = Room { memory: u64::MAX, folder: None, key: String::new() };
        let store = FeatureStore::fill(batches, rows.len(), &room)?;
        return Ok(store.map(|store| {
            let rows = rows.into_iter().filter(|row| store.contains(*row)).collect();
            (Feed::Stored(store), rows)
        }));
    }
    for batch in data.batches(rows.clone(), 1, None, reach.device) {
        if !batch?.0.is_empty() {
            return Ok(Some((Feed::Streamed { data, prefix }, rows)));
        }
    }
    Ok(None)
}

/// The places of `count` examples that a step draws, at most `batch` of them.
fn draw(count: usize, batch: usize, seed: u64, step: u64) -> Vec<usize> {
    let mut order = rng(seed, "rehearsal", step, 0).permutation(count);
    order.truncate(batch);
    order
}

/// The mean cross-entropy over all rows of all `[batch, classes]`.
fn mean(shown: Vec<(Tensor<2>, Vec<usize>)>) -> Option<Tensor<1>> {
    let whole: usize = shown.iter().map(|(_, labels)| labels.len()).sum();
    let own = shown.into_iter().filter(|(_, labels)| !labels.is_empty()).map(|(logits, labels)| {
        let share = labels.len() as f64 / whole as f64;
        cross_entropy(logits, &labels, 0.0).mul_scalar(share)
    });
    own.reduce(|sum, own| sum + own)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    const VECTORS: [f64; 6] = [0.5, -1.0, 1.5, 0.75, -0.25, 0.5];
    /// A head of two classes for the first two vectors, one of three for the last.
    const ONE: ([f64; 4], [f64; 2]) = ([0.4, -0.7, 1.1, 0.3], [0.1, -0.3]);
    const OTHER: ([f64; 6], [f64; 3]) = ([1.0, 0.5, -0.5, -1.5, 0.2, 0.8], [0.0, 0.2, -0.1]);
    const LABELS: [usize; 3] = [1, 0, 2];

    fn narrow(values: &[f64]) -> Vec<f32> {
        values.iter().map(|value| *value as f32).collect()
    }

    fn rows(values: &[f64], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(narrow(values), [values.len() / 2, 2]), device)
    }

    fn head(weight: &[f64], bias: &[f64]) -> StandingHead {
        let device = Device::flex();
        let bias = Tensor::from_floats(narrow(bias).as_slice(), &device);
        StandingHead { weight: rows(weight, &device), bias }
    }

    /// The formula in f64.
    fn reference(vectors: &[f64; 6]) -> f64 {
        let loss = |vector: &[f64], weight: &[f64], bias: &[f64], label: usize| {
            let logit =
                |(row, bias): (&[f64], &f64)| row[0] * vector[0] + row[1] * vector[1] + bias;
            let logits: Vec<f64> = weight.chunks(2).zip(bias).map(logit).collect();
            logits.iter().map(|it| it.exp()).sum::<f64>().ln() - logits[label]
        };
        let rows: Vec<&[f64]> = vectors.chunks(2).collect();
        let first = loss(rows[0], &ONE.0, &ONE.1, LABELS[0]);
        let second = loss(rows[1], &ONE.0, &ONE.1, LABELS[1]);
        (first + second + loss(rows[2], &OTHER.0, &OTHER.1, LABELS[2])) / 3.0
    }

    #[test]
    fn value_and_gradient_are_those_of_the_formula() {
        let vectors = rows(&VECTORS, &Device::flex().autodiff()).require_grad();
        let shown = vec![
            (head(&ONE.0, &ONE.1).logits(vectors.clone().narrow(0, 0, 2)), LABELS[..2].to_vec()),
            (head(&OTHER.0, &OTHER.1).logits(vectors.clone().narrow(0, 2, 1)), vec![LABELS[2]]),
        ];
        let found = mean(shown).unwrap();
        let value = found.clone().into_data().try_to_vec::<f32>().unwrap()[0];
        assert!((f64::from(value) - reference(&VECTORS)).abs() < 5e-6, "{value}");
        let gradients = found.backward();
        let found = vectors.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut vectors = VECTORS;
                vectors[place] += by;
                reference(&vectors)
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(found) - expected).abs() < 1e-5, "{found} is not {expected}");
        }
        assert!(mean(Vec::new()).is_none());
    }

    #[test]
    fn what_a_step_draws_follows_from_seed_and_step_and_holds_no_example_twice() {
        let drawn = draw(50, 20, 3, 9);
        assert_eq!(drawn, draw(50, 20, 3, 9));
        assert_ne!(drawn, draw(50, 20, 3, 10));
        assert_ne!(drawn, draw(50, 20, 4, 9));
        let mut sorted = drawn;
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 20);
        assert_eq!(draw(5, 20, 1, 1).len(), 5);
    }
}
