//! Numbers that texts are to be answered with, one for each.

use serde::{Deserialize, Serialize};
use tl_core::parameters::map_values;
use tl_data::text::Windows;
use tl_kernels::LinearHead;

use crate::ema::snapshot;
use crate::metrics::Regression;
use crate::{Predictions, TrainError};

/// The numbers of items, and the scale in which a network learns them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// By item, in the data's own unit; none where it is not known.
    pub values: Vec<Option<f64>>,
    pub scale: Scale,
}

/// What a network answers with in place of a number `y`: `(y − mean) / deviation`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    pub mean: f64,
    pub deviation: f64,
}

/// That of the numbers themselves.
impl Default for Scale {
    fn default() -> Self {
        Self { mean: 0.0, deviation: 1.0 }
    }
}

impl Scale {
    /// From a network's answer to a number in the data's unit.
    pub fn number(self, answer: f32) -> f64 {
        self.mean + self.deviation * f64::from(answer)
    }

    /// `head`, whose answers are in this scale, as one that answers in the data's unit: its weights times the deviation, and
    /// the mean in its bias. A head without a bias has learnt in a scale without a mean.
    ///
    /// # Errors
    /// A device that cannot be read.
    pub fn into_units(self, head: LinearHead) -> Result<LinearHead, TrainError> {
        let known = snapshot(&head)?;
        Ok(map_values(head, |info| {
            let added = if info.path.ends_with("bias") { self.mean } else { 0.0 };
            let unit = |value: &f32| (self.deviation * f64::from(*value) + added) as f32;
            Some(known.get(&info.path)?.iter().map(unit).collect())
        }))
    }
}

impl Numbers {
    /// In their own unit.
    pub fn new(values: Vec<Option<f64>>) -> Self {
        Self { values, scale: Scale::default() }
    }

    /// The same in the scale of the items `train`: their mean and deviation become 0 and 1. Where the head can add nothing,
    /// as one without a bias, they are not `centred`, and the root of their mean square becomes 1.
    ///
    /// # Errors
    /// No number among them, or all of them the same as far as an f32 tells.
    pub fn scaled(self, train: &[usize], centred: bool) -> Result<Self, TrainError> {
        let known: Vec<f64> = train.iter().filter_map(|item| *self.values.get(*item)?).collect();
        let Some(first) = known.first() else {
            let mend = "give texts with a number each, in the column that --label-column names";
            return Err(TrainError::NothingToUse { part: "training", mend });
        };
        let count = known.len() as f64;
        let around = |mean: f64| {
            (known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
        };
        let mean = known.iter().sum::<f64>() / count;
        let spread = around(mean);
        let least = (mean.abs() * f64::from(f32::EPSILON)).max(f64::from(f32::MIN_POSITIVE));
        if spread < least {
            let (what, expected) = ("every number of the training part", "numbers that differ");
            let same = known.iter().all(|value| value == first);
            let value = match same {
                true => first.to_string(),
                false => format!("{mean} as far as an f32 tells"),
            };
            return Err(TrainError::BadOption { what, value, expected });
        }
        let scale = match centred {
            true => Scale { mean, deviation: spread },
            false => Scale { mean: 0.0, deviation: around(0.0) },
        };
        Ok(Self { scale, ..self })
    }

    /// For each item 0 where its number is known: as if all were of one class.
    pub fn labels(&self) -> Vec<Option<usize>> {
        self.values.iter().map(|value| value.map(|_| 0)).collect()
    }

    /// What the network is to answer for these rows: all windows of an item have its number.
    pub fn targets(&self, rows: &[usize], windows: Option<&Windows>) -> Vec<f32> {
        let Scale { mean, deviation } = self.scale;
        let item =
            |row: usize| windows.map_or(Some(row), |windows| windows.texts().get(row).copied());
        let of = |row: &usize| {
            let value = item(*row).and_then(|item| *self.values.get(item)?);
            value.map(|value| ((value - mean) / deviation) as f32)
        };
        rows.iter().filter_map(of).collect()
    }
}

impl Predictions {
    /// The first answer of each item, as a number.
    pub fn numbers(&self, scale: Scale) -> impl Iterator<Item = (usize, f64)> {
        self.rows().filter_map(move |(item, row)| Some((item, scale.number(*row.first()?))))
    }

    /// How near the answers, which are in the scale `scale`, are to the numbers of the items; nothing where none is known.
    ///
    /// # Errors
    /// An answer that is not finite.
    pub fn regression(
        &self,
        values: &[Option<f64>],
        scale: Scale,
    ) -> Result<Option<Regression>, TrainError> {
        let known = self
            .numbers(scale)
            .filter_map(|(item, answer)| Some((values.get(item).copied().flatten()?, answer)));
        let (truth, answers): (Vec<f64>, Vec<f64>) = known.unzip();
        if truth.is_empty() {
            return Ok(None);
        }
        Ok(Some(Regression::of(&truth, &answers)?))
    }
}

#[cfg(test)]
mod tests {
    use burn::prelude::*;
    use tl_core::{Activation, Head, Pass};

    use super::*;

    fn numbers(values: &[f64]) -> Numbers {
        Numbers::new(values.iter().map(|value| Some(*value)).collect())
    }

    #[test]
    fn the_training_part_has_mean_0_and_deviation_1_and_the_rest_its_scale() {
        let found = numbers(&[1.0, 5.0, 100.0]).scaled(&[0, 1], true).unwrap();
        assert_eq!(found.scale, Scale { mean: 3.0, deviation: 2.0 });
        assert_eq!(found.targets(&[1, 0, 2], None), [1.0, -1.0, 48.5]);
        // Text 0 in two windows, the others in one.
        let windows = Windows::new(1, [2, 1, 1]);
        assert_eq!(found.targets(&[0, 1, 2], Some(&windows)), [-1.0, -1.0, 1.0]);
        assert_eq!(found.scale.number(48.5), 100.0);
        // Around 0, where nothing can be added: √((9 + 16) / 2).
        let found = numbers(&[3.0, 4.0]).scaled(&[0, 1], false).unwrap();
        assert_eq!(found.scale, Scale { mean: 0.0, deviation: 12.5f64.sqrt() });
    }

    #[test]
    fn numbers_that_are_all_the_same_or_not_known_are_told() {
        let told = |values: Numbers| values.scaled(&[0, 1, 2], true).unwrap_err().to_string();
        assert!(told(numbers(&[0.1; 3])).contains("is 0.1; give numbers that differ"));
        let message = told(numbers(&[1e9, 1e9 + 1.0, 1e9]));
        assert!(message.contains("as far as an f32 tells"), "{message}");
        assert!(told(numbers(&[1e-44, 2e-44, 0.0])).contains("as far as an f32 tells"));
        let message = told(Numbers::new(vec![None; 3]));
        assert!(message.contains("holds nothing that has a label"), "{message}");
        let some = Numbers::new(vec![None, Some(2.0)]);
        assert_eq!(some.labels(), [None, Some(0)]);
    }

    #[test]
    fn a_head_in_units_answers_with_the_numbers() {
        let device = Device::flex();
        let head = LinearHead::new(2, 1, 0.0, &device).with_values(vec![0.5, -2.0], vec![0.25]);
        let row = Activation::Vector(Tensor::<2>::from_floats([[3.0, 1.0], [0.0, 1.0]], &device));
        let answers = |head: &LinearHead, row: &Activation| {
            let found = head.forward(row.clone(), Pass::default()).unwrap();
            Activation::Vector(found).into_rows().unwrap()
        };
        let scale = Scale { mean: 40.0, deviation: 8.0 };
        let before = answers(&head, &row);
        let after = answers(&scale.into_units(head.clone()).unwrap(), &row);
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(scale.number(*before), f64::from(*after));
        }
        let bare = Scale { mean: 0.0, deviation: 8.0 }.into_units(head.without_bias()).unwrap();
        assert_eq!(answers(&bare, &row), [-4.0, -16.0]);
    }

    #[test]
    fn answers_are_measured_in_the_unit_of_the_numbers() {
        let found = Predictions { items: vec![2, 0, 1], logits: vec![1.0, 0.0, 9.0], classes: 1 };
        let scale = Scale { mean: 10.0, deviation: 2.0 };
        // Of item 1 nothing is known.
        let values = [Some(10.0), None, Some(14.0)];
        let measured = found.regression(&values, scale).unwrap().unwrap();
        assert_eq!((measured.n, measured.mean_absolute_error), (2, 1.0));
        assert_eq!(measured.r2, Some(0.5));
        assert!(found.regression(&[None; 3], scale).unwrap().is_none());
        let wild = Predictions { logits: vec![f32::NAN, 0.0, 9.0], ..found };
        let message = wild.regression(&values, scale).unwrap_err().to_string();
        assert!(message.contains("NaN"), "{message}");
    }
}
