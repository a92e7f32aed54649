//! Texts with hidden words as what a run is fitted on.

use burn::prelude::*;
use tl_core::{Activation, Pieces, rng};
use tl_data::text::EncodedWords;
use tl_data::{Items, Split, View};
use tl_train::Dataset;
use tl_train::dataset::Input;

use crate::methods::{MaskPieces, MaskedLanguage, MaskedText};

/// Texts of which words are hidden anew in every epoch, and thereby at every step: a text stands in one step of an epoch.
///
/// What is hidden follows from the seed, the epoch and the text's number alone. What is measured without an epoch, such as
/// a validation part, has masks that stay, so that one epoch can be compared with the next.
#[derive(Clone, Debug)]
pub struct MaskedTexts {
    encoded: EncodedWords,
    lengths: Vec<usize>,
    method: MaskedLanguage,
    pieces: MaskPieces,
    seed: u64,
}

impl MaskedTexts {
    /// These texts, hidden by `method`; the masks that stay are drawn from `seed`.
    pub fn new(
        encoded: EncodedWords,
        method: MaskedLanguage,
        pieces: MaskPieces,
        seed: u64,
    ) -> Self {
        Self { lengths: encoded.texts.lengths(), encoded, method, pieces, seed }
    }

    /// `split` without the texts that have no word.
    pub fn with_words(&self, split: &Split) -> Split {
        let full = |item: &&usize| self.encoded.words.get(**item).is_some_and(|it| !it.is_empty());
        let of = |part: &[usize]| part.iter().filter(full).copied().collect();
        Split { train: of(&split.train), validation: of(&split.validation), test: of(&split.test) }
    }

    /// A text with hidden words.
    pub fn masked(&self, item: usize, view: Option<&View>) -> MaskedText {
        let mut random = match view {
            Some(view) => rng(view.seed, "hidden words", view.epoch, item as u64),
            None => rng(self.seed, "hidden words that stay", 0, item as u64),
        };
        match (self.encoded.texts.rows.get(item), self.encoded.words.get(item)) {
            (Some(row), Some(words)) => {
                self.method.mask(&row.ids, words, &self.pieces, &mut random)
            }
            _ => MaskedText::default(),
        }
    }

    fn pieces(&self, item: usize, view: Option<&View>) -> Pieces {
        let MaskedText { ids, asked, .. } = self.masked(item, view);
        let segments = self.encoded.texts.rows.get(item).map(|row| row.segments.clone());
        Pieces { ids, segments: segments.unwrap_or_default(), asked }
    }
}

impl Dataset for MaskedTexts {
    fn items(&self) -> &dyn Items {
        &*self.encoded.texts.texts
    }

    fn preprocessing(&self) -> String {
        let texts = &self.encoded.texts;
        format!("hidden words {:?} {} {}", self.method, texts.tokenizer, texts.max_length)
    }

    fn targets(&self, items: &[usize], view: Option<&View>) -> Option<Vec<usize>> {
        let of = |item: &usize| self.masked(*item, view).targets;
        Some(items.iter().flat_map(of).map(|piece| piece as usize).collect())
    }

    fn asks_for_pieces(&self) -> bool {
        true
    }

    fn lengths(&self) -> Option<&[usize]> {
        Some(&self.lengths)
    }

    fn varies(&self) -> bool {
        true
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        view: Option<View>,
        _: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        let batches: Vec<Vec<usize>> = order.chunks(batch_size.max(1)).map(<[_]>::to_vec).collect();
        Box::new(batches.into_iter().map(move |batch| {
            let texts = batch.iter().map(|item| self.pieces(*item, view.as_ref())).collect();
            Ok((batch, Activation::Texts(texts)))
        }))
    }

    fn notes(&self) -> Vec<String> {
        self.encoded.texts.notes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tl_data::Augment;
    use tl_data::text::{EncodedTexts, Encoding, Texts};

    use super::*;

    /// Ten texts of twelve words of one piece each, and one of none.
    fn texts() -> MaskedTexts {
        let lines = "a b c d e f g h i j k l\n".repeat(10) + "\n";
        let row = |length: usize| Encoding {
            ids: (10..10 + length as u32).collect(),
            segments: vec![0; length],
        };
        let rows: Vec<Encoding> = (0..11).map(|at| row(if at < 10 { 14 } else { 2 })).collect();
        let words = |row: &Encoding| (1..row.ids.len() - 1).map(|place| place..place + 1).collect();
        let encoded = EncodedWords {
            words: rows.iter().map(words).collect(),
            texts: EncodedTexts {
                texts: Arc::new(Texts::lines(&lines)),
                rows,
                max_length: 20,
                cut: 0,
                windows: None,
                tokenizer: String::new(),
            },
        };
        let pieces = MaskPieces { mask: 4, ordinary: (10..30).collect() };
        MaskedTexts::new(encoded, MaskedLanguage::default(), pieces, 1)
    }

    fn view(epoch: u64) -> Option<View> {
        Some(View { augment: Augment::none(), seed: 1, epoch })
    }

    #[test]
    fn a_batch_asks_for_what_its_targets_are_in_whatever_order_it_comes() {
        let (texts, device) = (texts(), Device::flex());
        let order = vec![7, 2, 5];
        for view in [view(0), view(1), None] {
            let batches = texts.batches(order.clone(), 2, view.clone(), &device);
            let (mut asked, mut pieces) = (0, Vec::new());
            for batch in batches {
                let (items, input) = batch.unwrap();
                let found = input.into_texts("test").unwrap();
                let targets = texts.targets(&items, view.as_ref()).unwrap();
                asked += targets.len();
                let places = found.iter().flat_map(|text| &text.asked);
                assert!(targets.into_iter().eq(places.map(|place| place + 10)));
                pieces.extend(found);
            }
            // 15 % of twelve.
            assert_eq!(asked, 3 * 2);
            let other = texts.batches(vec![5], 1, view, &device).next().unwrap().unwrap().1;
            assert_eq!(other.into_texts("test").unwrap()[0], pieces[2]);
        }
        let all = |view: Option<View>| -> Vec<MaskedText> {
            (0..10).map(|item| texts.masked(item, view.as_ref())).collect()
        };
        assert_eq!(all(view(3)), all(view(3)));
        assert_ne!(all(view(3)), all(view(4)));
        assert_ne!(all(view(0)), all(None));
    }

    #[test]
    fn texts_without_a_word_take_no_part() {
        let split = Split { train: vec![0, 10], validation: vec![10], test: vec![1] };
        let found = texts().with_words(&split);
        assert_eq!((found.train, found.validation, found.test), (vec![0], vec![], vec![1]));
    }
}
