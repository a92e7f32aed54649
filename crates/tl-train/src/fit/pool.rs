//! From the windows of a text to the text's answer.

use std::collections::HashMap;

use tl_data::text::Windows;

use super::Predictions;
use crate::Dataset;

/// What the answer of a text is, given those of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pooling {
    /// The mean of the classes' probabilities.
    Probabilities,
    /// The mean of the numbers.
    Numbers,
    /// One for each word, which one window answers for.
    Words,
}

impl Pooling {
    /// That of the answers for `data`.
    pub fn of(data: &dyn Dataset) -> Self {
        match (data.answers(), data.numbers()) {
            (Some(_), _) => Self::Words,
            (None, Some(_)) => Self::Numbers,
            (None, None) => Self::Probabilities,
        }
    }
}

impl Predictions {
    /// The same for items, where these are for their windows.
    ///
    /// Of a class the probability of a text is the mean over its `k` windows, `p(c) = (p₁(c) + … + pₖ(c)) / k`, and its logit is
    /// `ln p(c)`; the logits of a text of one window stay what they are. The number of a text is the mean of its windows'. Words,
    /// each of which one window answers for, are put behind each other.
    pub(super) fn pooled(self, windows: Option<&Windows>, how: Pooling) -> Self {
        let Some(windows) = windows else { return self };
        // The items in the order of their first rows, so that sums over items of one window each are what they are without.
        let items = windows.texts_of(&self.items);
        let mut of_item: HashMap<usize, Vec<(usize, &[f32])>> = HashMap::new();
        for (row, logits) in self.rows() {
            if let Some(item) = windows.texts().get(row) {
                of_item.entry(*item).or_default().push((row, logits));
            }
        }
        let mut found = Self { classes: self.classes, ..Self::default() };
        for item in items {
            let mut rows = of_item.remove(&item).unwrap_or_default();
            // The windows in their order; the words of a window stay in theirs.
            rows.sort_by_key(|(row, _)| *row);
            let rows: Vec<&[f32]> = rows.into_iter().map(|(_, logits)| logits).collect();
            let answers = if how == Pooling::Words { rows.len() } else { 1 };
            found.items.extend(std::iter::repeat_n(item, answers));
            match how {
                _ if rows.len() == 1 => found.logits.extend(rows.concat()),
                Pooling::Words => found.logits.extend(rows.concat()),
                Pooling::Numbers => found.logits.extend(mean(&rows)),
                Pooling::Probabilities => found.logits.extend(log_mean(&rows)),
            }
        }
        found
    }
}

/// The mean of the rows, in f64.
fn mean(rows: &[&[f32]]) -> Vec<f32> {
    let columns = rows.iter().map(|row| row.len()).min().unwrap_or(0);
    let mean = |column: usize| {
        let sum: f64 = rows.iter().map(|row| f64::from(row[column])).sum();
        (sum / rows.len() as f64) as f32
    };
    (0..columns).map(mean).collect()
}

/// The logarithm of the mean of the rows' probabilities, in f64 and without underflow.
fn log_mean(rows: &[&[f32]]) -> Vec<f32> {
    let each: Vec<Vec<f64>> = rows.iter().map(|row| log_softmax(row)).collect();
    let classes = rows.first().map_or(0, |row| row.len());
    let mean = |class: usize| {
        let column: Vec<f64> = each.iter().filter_map(|row| row.get(class).copied()).collect();
        (log_sum_exp(&column) - (column.len() as f64).ln()) as f32
    };
    (0..classes).map(mean).collect()
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let logits: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
    let sum = log_sum_exp(&logits);
    logits.into_iter().map(|logit| logit - sum).collect()
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + values.iter().map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::softmax;

    fn found(rows: &[(usize, [f32; 2])]) -> Predictions {
        Predictions {
            items: rows.iter().map(|(row, _)| *row).collect(),
            logits: rows.iter().flat_map(|(_, logits)| *logits).collect(),
            classes: 2,
        }
    }

    #[test]
    fn the_probabilities_of_a_text_are_the_mean_of_its_windows() {
        // Text 0 has rows 0 to 2, text 1 row 3; they come in another order.
        let windows = Windows::new(1, [3, 1]);
        let rows = [(2, [3.0, -1.0]), (3, [0.1, 0.7]), (0, [0.5, 0.25]), (1, [-2.0, 2.0])];
        let pooled = found(&rows).pooled(Some(&windows), Pooling::Probabilities);
        assert_eq!(pooled.items, [0, 1]);
        for class in 0..2 {
            let mean = [rows[0], rows[2], rows[3]].map(|(_, row)| softmax(&row)[class]);
            let mean = mean.iter().sum::<f64>() / 3.0;
            let one = softmax(&pooled.logits[..2])[class];
            assert!((one - mean).abs() < 1e-7, "{one} is not {mean}");
            assert!((f64::from(pooled.logits[class]).exp() - mean).abs() < 1e-7);
        }
    }

    #[test]
    fn the_mean_of_one_window_is_its_answer_bit_for_bit() {
        let rows = [(1, [0.1 + 0.2, -1e-30]), (0, [f32::MAX, 3.4e-12])];
        let plain = found(&rows);
        let windows = Windows::new(3, [1, 1]);
        let pooled = plain.clone().pooled(Some(&windows), Pooling::Probabilities);
        assert_eq!((&pooled.items, pooled.classes), (&plain.items, 2));
        let bits = |logits: &[f32]| logits.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&pooled.logits), bits(&plain.logits));
        let numbers = plain.clone().pooled(Some(&windows), Pooling::Numbers);
        assert_eq!(bits(&numbers.logits), bits(&pooled.logits));
        assert_eq!(plain.clone().pooled(None, Pooling::Probabilities).logits, plain.logits);
    }

    #[test]
    fn probabilities_that_are_nearly_none_stay_finite() {
        let rows = [(0, [0.0, 900.0]), (1, [0.0, 1000.0])];
        let pooled = found(&rows).pooled(Some(&Windows::new(0, [2])), Pooling::Probabilities);
        // (e⁻⁹⁰⁰ + e⁻¹⁰⁰⁰) / 2
        assert!((f64::from(pooled.logits[0]) + 900.0 + 2f64.ln()).abs() < 1e-3);
        assert_eq!(pooled.logits[1], 0.0);
    }

    #[test]
    fn the_number_of_a_text_is_the_mean_of_those_of_its_windows() {
        let rows = vec![5.0, -7.0, 1.5, 0.25];
        let found = Predictions { items: vec![3, 1, 0, 2], logits: rows, classes: 1 };
        let pooled = found.pooled(Some(&Windows::new(1, [3, 1])), Pooling::Numbers);
        assert_eq!((pooled.items, pooled.logits), (vec![1, 0], vec![5.0, -1.75]));
    }

    #[test]
    fn words_are_put_behind_each_other_and_none_is_a_mean() {
        let rows = [(1, [4.0, 0.0]), (1, [5.0, 0.0]), (2, [1.0, 0.0]), (0, [3.0, 0.0])];
        let pooled = found(&rows).pooled(Some(&Windows::new(1, [2, 1])), Pooling::Words);
        assert_eq!(pooled.items, [0, 0, 0, 1]);
        assert_eq!(pooled.logits, [3.0, 0.0, 4.0, 0.0, 5.0, 0.0, 1.0, 0.0]);
    }
}
