//! Pairs of texts that belong together, as what a run is fitted on.

use std::collections::HashSet;
use std::sync::Arc;

use burn::prelude::*;
use tl_core::Activation;
use tl_data::text::Texts;
use tl_data::{Items, View};

use crate::dataset::{Input, pieces};
use crate::{Dataset, TextDataset};

/// Pairs of texts, of which a batch holds the first ones and behind them the second ones: twice as many texts as pairs. The answer
/// for each pair is its own place among the second texts.
///
/// Each second text of a batch stands for what does not belong to the other first ones. Therefore no text stands in a batch twice:
/// of pairs that share one the batch takes the first.
#[derive(Clone, Debug)]
pub struct PairDataset {
    pairs: Arc<Texts>,
    sides: TextDataset,
    lengths: Vec<usize>,
}

impl PairDataset {
    /// These pairs; `sides` are their [texts one by one](Texts::sides).
    pub fn new(pairs: Arc<Texts>, sides: TextDataset) -> Self {
        let count = pairs.count();
        let length = |index| sides.lengths().and_then(|all| all.get(index)).copied().unwrap_or(0);
        let lengths = (0..count).map(|pair| length(pair).max(length(count + pair))).collect();
        Self { pairs, sides, lengths }
    }

    /// The texts one by one.
    pub fn sides(&self) -> &TextDataset {
        &self.sides
    }

    /// For each of these pairs the place of its first text among [`PairDataset::sides`], then for each that of its second.
    pub fn places(&self, pairs: &[usize]) -> Vec<usize> {
        let second = pairs.iter().map(|pair| self.pairs.count() + pair);
        pairs.iter().copied().chain(second).collect()
    }

    /// Those of `pairs` that share no text with one before them.
    fn without_equals(&self, pairs: &[usize]) -> Vec<usize> {
        let mut seen = HashSet::new();
        let fresh = |pair: &&usize| {
            let own = self.places(&[**pair]);
            let own: Vec<usize> =
                own.into_iter().map(|side| self.sides.items().first_alike(side)).collect();
            let fresh = own.iter().all(|text| !seen.contains(text));
            if fresh {
                seen.extend(own);
            }
            fresh
        };
        pairs.iter().filter(fresh).copied().collect()
    }
}

impl Dataset for PairDataset {
    fn items(&self) -> &dyn Items {
        &*self.pairs
    }

    fn preprocessing(&self) -> String {
        format!("pairs {}", self.sides.preprocessing())
    }

    fn targets(&self, items: &[usize], _: Option<&View>) -> Option<Vec<usize>> {
        Some((0..items.len()).collect())
    }

    /// A batch is no rows side by side that could be kept one by one.
    fn varies(&self) -> bool {
        true
    }

    fn lengths(&self) -> Option<&[usize]> {
        Some(&self.lengths)
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        _: Option<View>,
        _: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        let chunks = order.chunks(batch_size.max(1));
        let batches: Vec<Vec<usize>> = chunks.map(|chunk| self.without_equals(chunk)).collect();
        let rows = &self.sides.texts().rows;
        Box::new(batches.into_iter().map(move |batch| {
            let texts = self.places(&batch).into_iter().map(|place| pieces(rows, place)).collect();
            Ok((batch, Activation::Texts(texts)))
        }))
    }

    fn notes(&self) -> Vec<String> {
        self.sides.notes()
    }
}

#[cfg(test)]
mod tests {
    use tl_data::text::{EncodedTexts, Encoding};

    use super::*;

    /// Pairs in which text `n` has the one piece `n`.
    fn pairs(of: &[(u32, u32)]) -> PairDataset {
        let mut texts = Texts::lines(&"\n".repeat(of.len()));
        for (item, (first, second)) in texts.items.iter_mut().zip(of) {
            item.text = first.to_string();
            item.pair = Some(second.to_string());
        }
        let sides = Arc::new(texts.sides());
        let row = |item: &tl_data::text::TextItem| {
            let ids = item.text.parse().map(|number| vec![number]).unwrap_or_default();
            Encoding { segments: vec![0; ids.len()], ids }
        };
        let rows = sides.items.iter().map(row).collect();
        let encoded = EncodedTexts {
            texts: sides,
            rows,
            max_length: 8,
            cut: 0,
            windows: None,
            tokenizer: "t".into(),
        };
        PairDataset::new(Arc::new(texts), TextDataset::new(encoded))
    }

    fn batches(data: &PairDataset, order: &[usize], size: usize) -> Vec<(Vec<usize>, Vec<u32>)> {
        let device = Device::flex();
        let found = data.batches(order.to_vec(), size, None, &device).map(|batch| {
            let (items, input) = batch.unwrap();
            let texts = input.into_texts("test").unwrap();
            (items, texts.into_iter().flat_map(|text| text.ids).collect())
        });
        found.collect()
    }

    #[test]
    fn a_batch_holds_the_first_texts_and_behind_them_the_second_ones() {
        let data = pairs(&[(1, 11), (2, 12), (3, 13)]);
        let found = batches(&data, &[2, 0, 1], 2);
        assert_eq!(found, [(vec![2, 0], vec![3, 1, 13, 11]), (vec![1], vec![2, 12])]);
        assert_eq!(data.targets(&[2, 0], None), Some(vec![0, 1]));
    }

    #[test]
    fn no_text_stands_in_a_batch_twice() {
        // The second pair has the first one's second text, the third its first as a second; the fourth is twice the same.
        let data = pairs(&[(1, 11), (2, 11), (4, 1), (5, 5)]);
        assert_eq!(batches(&data, &[0, 1, 2, 3], 4), [(vec![0, 3], vec![1, 5, 11, 5])]);
        let found = batches(&data, &[1, 2, 0], 2);
        assert_eq!(found, [(vec![1, 2], vec![2, 4, 11, 1]), (vec![0], vec![1, 11])]);
    }
}
