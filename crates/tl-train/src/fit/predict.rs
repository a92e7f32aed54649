//! What a model answers, without a graph.

use std::collections::HashMap;

use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::log_softmax;
use sha2::{Digest, Sha256};
use tl_core::{Activation, Backbone, Head, Model, Pass};
use tl_data::text::longest_first;

use super::feed::{Feed, stream};
use super::pool::Pooling;
use crate::metrics::{Evaluation, Measure, Rows};
use crate::progress::Progress;
use crate::{Answers, Dataset, TrainError};

/// The logits of some items.
#[derive(Clone, Debug, Default)]
pub struct Predictions {
    /// The items' numbers, in the order they were asked for, without those that could not be read; one that has
    /// several answers stands there once for each.
    pub items: Vec<usize>,
    /// `[items, classes]` in row order.
    pub logits: Vec<f32>,
    pub classes: usize,
}

impl Predictions {
    /// The logits of each item.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.items.iter().copied().zip(self.logits.chunks(self.classes.max(1)))
    }

    /// A hash over items and bits of the logits, 64 hexadecimal digits: equal where no bit differs.
    pub fn fingerprint(&self) -> String {
        let mut hasher = Sha256::new();
        for (item, row) in self.rows() {
            hasher.update((item as u64).to_le_bytes());
            row.iter().for_each(|logit| hasher.update(logit.to_le_bytes()));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The same in the order of `items`.
    fn in_order_of(self, items: &[usize]) -> Self {
        if self.items == items {
            return self;
        }
        let mut rows: HashMap<usize, Vec<&[f32]>> = HashMap::new();
        for (item, row) in self.rows() {
            rows.entry(item).or_default().push(row);
        }
        let mut sorted = Self { classes: self.classes, ..Self::default() };
        for (item, rows) in items.iter().filter_map(|item| Some((*item, rows.get(item)?))) {
            for row in rows {
                sorted.items.push(item);
                sorted.logits.extend_from_slice(row);
            }
        }
        sorted
    }

    /// How good they are, given the label of every item; nothing if there is no labelled one.
    ///
    /// # Errors
    /// Labels that are no class.
    pub fn evaluate(
        &self,
        names: &[String],
        labels: &[Option<usize>],
    ) -> Result<Option<Evaluation>, TrainError> {
        let (logits, truth) = self.labelled(labels);
        if truth.is_empty() {
            return Ok(None);
        }
        Ok(Some(Evaluation::from_logits(names, &logits, &truth)?))
    }

    /// The logits of the items that have a label, row after row, and their labels.
    pub fn labelled(&self, labels: &[Option<usize>]) -> (Vec<f32>, Vec<usize>) {
        let mut logits = Vec::with_capacity(self.logits.len());
        let mut truth = Vec::with_capacity(self.items.len());
        for (item, row) in self.rows() {
            if let Some(label) = labels.get(item).copied().flatten() {
                logits.extend_from_slice(row);
                truth.push(label);
            }
        }
        (logits, truth)
    }

    /// As [`Predictions::measure`], of items with one label each at a temperature and with
    /// [further figures](crate::metrics::Figures).
    ///
    /// # Errors
    /// As there.
    pub fn measure_all(
        &self,
        data: &dyn Dataset,
        names: &[String],
        items: &[usize],
        temperature: f64,
    ) -> Result<Option<Evaluation>, TrainError> {
        if data.answers().is_some() {
            return self.measure(data, names, items);
        }
        let (logits, truth) = self.labelled(&data.items().labels());
        if truth.is_empty() {
            return Ok(None);
        }
        Ok(Some(Evaluation::with_figures(names, &logits, &truth, temperature)?))
    }
}

/// Runs `items` through a plain model, reading them on the way; those of like length together.
///
/// # Errors
/// An image that cannot be read under a strict loader, a device that fails.
pub fn predict<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Predictions, TrainError> {
    let rows = data.rows(items);
    progress.begin("evaluation", rows.len() as u64);
    let sorted = match data.lengths() {
        Some(lengths) => longest_first(&rows, lengths),
        None => rows,
    };
    let batches = stream(data, None, sorted, batch_size, None, device);
    let found = collect(model, batches, (0, data.answers()), progress)
        .map(|found| found.pooled(data.windows(), Pooling::of(data)).in_order_of(items));
    progress.end();
    found
}

/// The logits of the items of `rows` from the cut on.
pub(super) fn classify<B: Backbone, H: Head>(
    model: &Model<B, H>,
    feed: &Feed<'_>,
    (cut, data): (usize, &dyn Dataset),
    rows: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Predictions, TrainError> {
    progress.begin("validation", rows.len() as u64);
    let batches = feed.batches(rows.to_vec(), batch_size, None, device);
    let found = collect(model, batches, (cut, data.answers()), progress)
        .map(|found| found.pooled(data.windows(), Pooling::of(data)));
    progress.end();
    found
}

fn collect<B: Backbone, H: Head>(
    model: &Model<B, H>,
    batches: impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>>,
    (from, answers): (usize, Option<&Answers>),
    progress: &mut dyn Progress,
) -> Result<Predictions, TrainError> {
    let mut found = Predictions { classes: model.head.classes(), ..Predictions::default() };
    for batch in batches {
        let (indices, activation) = batch?;
        if Answers::none(answers, &indices) {
            continue;
        }
        let logits = model.forward_from(activation, from, Pass::default())?;
        let logits = Answers::of(answers, logits, &indices);
        progress.advance(indices.len() as u64, "");
        found.logits.extend(Activation::Vector(logits).into_rows().map_err(TrainError::Device)?);
        match answers {
            None => found.items.extend(indices),
            Some(answers) => {
                let each = |&item: &usize| std::iter::repeat_n(item, answers.count(item));
                found.items.extend(indices.iter().flat_map(each));
            }
        }
    }
    Ok(found)
}

/// Measures a plain model's answers, from the cut on, against the [targets](Dataset::targets) of so many items; only the sums of
/// a batch are kept. Nothing where there is no item.
///
/// # Errors
/// Items that cannot be used, a device that fails.
pub fn measure_targets<B: Backbone, H: Head>(
    model: &Model<B, H>,
    batches: impl Iterator<Item = Result<(Vec<usize>, Activation), TrainError>>,
    (from, items): (usize, usize),
    data: &dyn Dataset,
    progress: &mut dyn Progress,
) -> Result<Option<Measure>, TrainError> {
    let mut rows = Rows::default();
    progress.begin("measuring", items as u64);
    for batch in batches {
        let (indices, activation) = batch?;
        let logits = model.forward_from(activation, from, Pass::default())?;
        let targets = data.targets(&indices, None).unwrap_or_default();
        let (count, device) = (targets.len(), logits.device());
        let numbers: Vec<i64> = targets.iter().map(|&target| target as i64).collect();
        let wanted = Tensor::<2, Int>::from_data(TensorData::new(numbers, [count, 1]), &device);
        let best = logits.clone().argmax(1).equal(wanted.clone()).float();
        let chosen = log_softmax(logits, 1).gather(1, wanted);
        let [losses, right] = [chosen.neg(), best].map(|rows| Activation::Vector(rows).into_rows());
        let (losses, right) =
            (losses.map_err(TrainError::Device)?, right.map_err(TrainError::Device)?);
        let mut place = 0;
        for index in &indices {
            let length = data.targets(&[*index], None).map_or(0, |own| own.len());
            let own = place..(place + length).min(losses.len());
            rows.add(&losses[own.clone()], &right[own]);
            place += length;
        }
        progress.advance(indices.len() as u64, "");
    }
    progress.end();
    Ok(rows.measure())
}

/// The same for items of a part, read on the way.
///
/// # Errors
/// As [`measure_targets`].
pub fn measure_part<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    batch_size: usize,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Option<Measure>, TrainError> {
    let batches = stream(data, None, items.to_vec(), batch_size, None, device);
    measure_targets(model, batches, (0, items.len()), data, progress)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_one_bit() {
        let of = |items: &[usize], last: f32| {
            let logits = vec![0.5, -1.0, 2.0, last];
            Predictions { items: items.to_vec(), logits, classes: 2 }.fingerprint()
        };
        let next = f32::from_bits(1.5_f32.to_bits() + 1);
        assert_eq!(of(&[3, 4], 1.5), of(&[3, 4], 1.5));
        assert_ne!(of(&[3, 4], 1.5), of(&[3, 4], next));
        assert_ne!(of(&[3, 4], 0.0), of(&[3, 4], -0.0));
        assert_ne!(of(&[3, 4], 1.5), of(&[4, 3], 1.5));
        assert_eq!(of(&[3, 4], 1.5).len(), 64);
    }
}
