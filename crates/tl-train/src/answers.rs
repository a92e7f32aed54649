//! Items with several answers: words of a sentence, each with a tag.

use std::collections::HashMap;
use std::ops::Range;

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_data::text::{OUTSIDE, Scheme, Windows};

use crate::metrics::{Entities, Evaluation, argmax};
use crate::{Dataset, Predictions, TrainError};

/// Where the answers of each row stand among the tokens of its sequence, and the true ones.
///
/// A row is a whole item, or a window of one: then it answers for some of the words, and every word is answered for once.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub scheme: Scheme,
    /// For each word of each row the token that answers for it; none where it was cut off.
    pub places: Vec<Vec<Option<usize>>>,
    /// For each word its true tag; of an item without tags none.
    pub tags: Vec<Vec<usize>>,
    /// Which rows are the windows of which item.
    pub windows: Option<Windows>,
}

impl Answers {
    fn rows(&self, item: usize) -> Range<usize> {
        self.windows.as_ref().map_or(item..item + 1, |windows| windows.rows(item))
    }

    /// For each word of an item whether it has an answer.
    fn answered(&self, item: usize) -> impl Iterator<Item = bool> {
        let rows = self.places.get(self.rows(item)).unwrap_or_default();
        rows.iter().flatten().map(Option::is_some)
    }

    /// For each word of an item its true tag.
    fn tags(&self, item: usize) -> impl Iterator<Item = usize> {
        self.tags.get(self.rows(item)).unwrap_or_default().iter().flatten().copied()
    }

    fn places(&self, row: usize) -> impl Iterator<Item = usize> {
        self.places.get(row).into_iter().flatten().filter_map(|place| *place)
    }

    /// How many answers a row has.
    pub fn count(&self, row: usize) -> usize {
        self.places(row).count()
    }

    /// The true tags of the answers of `rows`, one after another.
    pub fn labels(&self, rows: &[usize]) -> Vec<usize> {
        let of = |&row: &usize| {
            let words = self.places.get(row).into_iter().flatten();
            words.zip(self.tags.get(row).into_iter().flatten())
        };
        rows.iter().flat_map(of).filter(|(place, _)| place.is_some()).map(|(_, tag)| *tag).collect()
    }

    /// Of the vectors of all tokens of a batch of `rows`, padding included, those that answer: `[answers, width]`.
    pub fn select(&self, vectors: Tensor<2>, rows: &[usize]) -> Tensor<2> {
        let tokens = vectors.dims()[0] / rows.len().max(1);
        let numbers: Vec<i32> = rows
            .iter()
            .enumerate()
            .flat_map(|(at, &row)| self.places(row).map(move |place| at * tokens + place))
            .map(|token| token as i32)
            .collect();
        let count = numbers.len();
        let device = vectors.device().without_autodiff();
        let numbers = Tensor::<1, Int>::from_data(TensorData::new(numbers, [count]), &device);
        vectors.select(0, numbers)
    }

    /// Whether none of `rows` has an answer: a device need not bear tensors without rows.
    pub(crate) fn none(answers: Option<&Self>, rows: &[usize]) -> bool {
        answers.is_some_and(|answers| rows.iter().all(|row| answers.count(*row) == 0))
    }

    /// The vectors that answer; all of them where rows have one answer each.
    pub(crate) fn of(answers: Option<&Self>, vectors: Tensor<2>, rows: &[usize]) -> Tensor<2> {
        match answers {
            Some(answers) => answers.select(vectors, rows),
            None => vectors,
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
            let mut rows = rows.get(item).into_iter().flatten().peekable();
            let next = |answered: bool| rows.next_if(|_| answered).copied();
            answers.answered(*item).map(next).collect()
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
        let tagged = |item: &usize| answers.tags(*item).next().is_some();
        let items: Vec<usize> = items.iter().copied().filter(tagged).collect();
        let words = self.words(answers, &items);
        let name = |tag: usize| names.get(tag).map_or(OUTSIDE, String::as_str);
        let (mut logits, mut truth, mut sentences) = (Vec::new(), Vec::new(), Vec::new());
        for (item, words) in items.iter().zip(&words) {
            let tags: Vec<usize> = answers.tags(*item).collect();
            for (row, tag) in words.iter().zip(&tags) {
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
            windows: None,
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
