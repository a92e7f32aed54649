//! Items with several answers: words of a sentence, each with a tag.

use std::collections::HashMap;

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_data::text::{OUTSIDE, Scheme};

use crate::metrics::{Entities, Evaluation, argmax};
use crate::{Dataset, Predictions, TrainError};

/// Where the answers of each item stand among the tokens of its sequence, and the true ones.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub scheme: Scheme,
    /// For each word of each item the token that answers for it; none where it was cut off.
    pub places: Vec<Vec<Option<usize>>>,
    /// For each word its true tag; of an item without tags none.
    pub tags: Vec<Vec<usize>>,
}

impl Answers {
    fn places(&self, item: usize) -> impl Iterator<Item = usize> {
        self.places.get(item).into_iter().flatten().filter_map(|place| *place)
    }

    /// How many answers an item has.
    pub fn count(&self, item: usize) -> usize {
        self.places(item).count()
    }

    /// The true tags of the answers of `items`, one after another.
    pub fn labels(&self, items: &[usize]) -> Vec<usize> {
        let of = |&item: &usize| {
            let words = self.places.get(item).into_iter().flatten();
            words.zip(self.tags.get(item).into_iter().flatten())
        };
        items
            .iter()
            .flat_map(of)
            .filter(|(place, _)| place.is_some())
            .map(|(_, tag)| *tag)
            .collect()
    }

    /// Of the rows of all tokens of a batch, padding included, those that answer: `[answers, width]`.
    pub fn select(&self, rows: Tensor<2>, items: &[usize]) -> Tensor<2> {
        let tokens = rows.dims()[0] / items.len().max(1);
        let numbers: Vec<i32> = items
            .iter()
            .enumerate()
            .flat_map(|(at, &item)| self.places(item).map(move |place| at * tokens + place))
            .map(|row| row as i32)
            .collect();
        let count = numbers.len();
        let device = rows.device().without_autodiff();
        let numbers = Tensor::<1, Int>::from_data(TensorData::new(numbers, [count]), &device);
        rows.select(0, numbers)
    }

    /// Whether none of `items` has an answer: a device need not bear tensors without rows.
    pub(crate) fn none(answers: Option<&Self>, items: &[usize]) -> bool {
        answers.is_some_and(|answers| items.iter().all(|item| answers.count(*item) == 0))
    }

    /// The rows that answer; all of them where items have one answer each.
    pub(crate) fn of(answers: Option<&Self>, rows: Tensor<2>, items: &[usize]) -> Tensor<2> {
        match answers {
            Some(answers) => answers.select(rows, items),
            None => rows,
        }
    }
}

/// The logits of one word; none where it has no answer.
pub type WordLogits<'p> = Option<&'p [f32]>;

impl Predictions {
    /// The logits of every word of each item.
    pub fn words<'p>(&'p self, answers: &Answers, items: &[usize]) -> Vec<Vec<WordLogits<'p>>> {
        let mut rows: HashMap<usize, Vec<&[f32]>> = HashMap::new();
        for (item, row) in self.rows() {
            rows.entry(item).or_default().push(row);
        }
        let of = |item: &usize| {
            let mut rows = rows.get(item).into_iter().flatten();
            let places = answers.places.get(*item).into_iter().flatten();
            places.map(|place| place.and_then(|_| rows.next().copied())).collect()
        };
        items.iter().map(of).collect()
    }

    /// How good the answers for `items` of `data` are; nothing if there is no labelled one.
    ///
    /// Of words with tags the figures count words that have an answer, and entities are those of whole sentences, in
    /// which a word without an answer is `O`.
    ///
    /// # Errors
    /// Labels that are no class.
    pub fn measure(
        &self,
        data: &dyn Dataset,
        names: &[String],
        items: &[usize],
    ) -> Result<Option<Evaluation>, TrainError> {
        let Some(answers) = data.answers() else {
            return self.evaluate(names, &data.items().labels());
        };
        let tagged = |item: &usize| answers.tags.get(*item).is_some_and(|tags| !tags.is_empty());
        let items: Vec<usize> = items.iter().copied().filter(tagged).collect();
        let words = self.words(answers, &items);
        let name = |tag: usize| names.get(tag).map_or(OUTSIDE, String::as_str);
        let (mut logits, mut truth, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        for (item, words) in items.iter().zip(&words) {
            let Some(tags) = answers.tags.get(*item) else { continue };
            for (row, tag) in words.iter().zip(tags) {
                if let Some(row) = row {
                    logits.extend_from_slice(row);
                    truth.push(*tag);
                }
            }
            let predicted = words.iter().map(|row| row.map_or(OUTSIDE, |row| name(argmax(row))));
            sentences.push((tags.iter().map(|tag| name(*tag)).collect(), predicted.collect()));
        }
        if truth.is_empty() {
            return Ok(None);
        }
        let found = Evaluation::from_logits(names, &logits, &truth)?;
        Ok(Some(Evaluation { entities: Some(Entities::of(&sentences, answers.scheme)), ..found }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers {
            scheme: Scheme::Iob2,
            places: vec![vec![Some(1), None, Some(3)], vec![Some(2)]],
            tags: vec![vec![0, 1, 2], vec![1]],
        }
    }

    #[test]
    fn answers_are_the_rows_of_first_pieces() {
        let rows = Tensor::<2>::from_data(
            TensorData::new((0..10).map(|it| it as f32).collect(), [10, 1]),
            &Device::flex(),
        );
        let found = answers().select(rows, &[1, 0]).into_data().try_into_vec::<f32>().unwrap();
        assert_eq!(found, [2.0, 6.0, 8.0]);
        assert_eq!(answers().labels(&[1, 0]), [1, 0, 2]);
    }

    #[test]
    fn every_word_has_its_own_logits_and_one_that_was_cut_has_none() {
        let found = Predictions { items: vec![1, 0, 0], logits: vec![5.0, 6.0, 7.0], classes: 1 };
        let words = found.words(&answers(), &[0, 1]);
        assert_eq!(words[0], [Some(&[6.0][..]), None, Some(&[7.0][..])]);
        assert_eq!(words[1], [Some(&[5.0][..])]);
    }
}
