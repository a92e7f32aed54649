//! From long texts to windows of pieces.

use std::ops::Range;
use std::sync::Arc;

use super::windows::{best, windows};
use super::word_places::places;
use super::{EncodedTagged, EncodedTexts, Encoding, Tagged, Texts, Tokenizer, Windows};
use crate::DataError;

impl Tokenizer {
    /// Cuts all texts into windows of at most `max_length` pieces each, those that mark beginning and end included. Neighbours
    /// share `stride` pieces, as `stride` and `return_overflowing_tokens` of transformers' tokenizers have it; a text that is
    /// no longer is one window.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`]; pairs of texts, a stride that leaves no room for new pieces.
    pub fn encode_windows(
        &self,
        texts: &Arc<Texts>,
        max_length: usize,
        stride: usize,
    ) -> Result<EncodedTexts, DataError> {
        if texts.items.iter().any(|item| item.pair.is_some()) {
            return Err(DataError::Windows(
                "pairs of texts are not read in windows; leave out --stride".into(),
            ));
        }
        let all = texts.items.iter().map(|item| item.text.as_str());
        let (mut rows, mut counts) = (Vec::new(), Vec::new());
        for whole in self.whole(all.collect(), max_length, stride)? {
            let cuts = whole.windows(max_length, stride);
            counts.push(cuts.len());
            rows.extend(cuts.iter().map(|cut| whole.window(cut)));
        }
        Ok(EncodedTexts {
            texts: Arc::clone(texts),
            rows,
            max_length,
            cut: 0,
            windows: Some(Windows::new(stride, counts)),
            tokenizer: self.key().to_string(),
        })
    }

    /// The same for sentences of words. A word's first piece answers for it, once: in the window where that has the most context
    /// on the side where it has less, in the first of equals.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_windows`].
    pub fn encode_word_windows(
        &self,
        tagged: &Arc<Tagged>,
        max_length: usize,
        stride: usize,
    ) -> Result<EncodedTagged, DataError> {
        let all = tagged.items.iter().map(|item| item.text.as_str());
        let found = self.whole(all.collect(), max_length, stride)?;
        let mut encoded = EncodedTagged {
            tagged: Arc::clone(tagged),
            rows: Vec::new(),
            words: Vec::new(),
            places: Vec::new(),
            max_length,
            cut: 0,
            windows: None,
            tokenizer: self.key().to_string(),
        };
        let mut counts = Vec::new();
        for (whole, item) in found.iter().zip(&tagged.items) {
            let cuts = whole.windows(max_length, stride);
            let mut answering = vec![Vec::new(); cuts.len()];
            let mut at = 0;
            for place in places(&whole.row, &item.words) {
                // A word without a piece has no answer wherever it is counted.
                at = place.map_or(at, |place| best(&cuts, at, place - whole.head));
                let begin = cuts.get(at).map_or(0, |cut| cut.start);
                if let Some(window) = answering.get_mut(at) {
                    window.push(place.map(|place| place - begin));
                }
            }
            let mut word = 0;
            for (cut, places) in cuts.iter().zip(answering) {
                encoded.rows.push(whole.window(cut));
                encoded.words.push(word..word + places.len());
                word += places.len();
                encoded.places.push(places);
            }
            counts.push(cuts.len());
        }
        encoded.windows = Some(Windows::new(stride, counts));
        Ok(encoded)
    }

    /// All pieces of each text.
    fn whole(
        &self,
        texts: Vec<&str>,
        max_length: usize,
        stride: usize,
    ) -> Result<Vec<Whole>, DataError> {
        let room = self.room(false, max_length)?;
        if stride >= room {
            let marks = max_length - room;
            return Err(DataError::Windows(format!(
                "windows of {max_length} pieces, {marks} of them marks, that share {stride} hold nothing new; give --stride below {room}, or a larger --max-length"
            )));
        }
        Ok(self.uncut(texts)?.into_iter().map(Whole::of).collect())
    }
}

/// A whole text in pieces, between the marks of its ends.
struct Whole {
    row: tokenizers::Encoding,
    /// How many marks stand before the pieces, and how many behind them.
    head: usize,
    tail: usize,
}

impl Whole {
    fn of(row: tokenizers::Encoding) -> Self {
        let marks = row.get_special_tokens_mask();
        let head = marks.iter().take_while(|mark| **mark != 0).count();
        let tail = marks[head..].iter().rev().take_while(|mark| **mark != 0).count();
        Self { row, head, tail }
    }

    fn windows(&self, max_length: usize, stride: usize) -> Vec<Range<usize>> {
        let marks = self.head + self.tail;
        windows(self.row.len() - marks, max_length.saturating_sub(marks), stride)
    }

    /// The pieces `cut` between the marks.
    fn window(&self, cut: &Range<usize>) -> Encoding {
        let end = self.row.len() - self.tail;
        let pieces = self.head + cut.start..self.head + cut.end;
        let of = |all: &[u32]| [&all[..self.head], &all[pieces.clone()], &all[end..]].concat();
        Encoding { ids: of(self.row.get_ids()), segments: of(self.row.get_type_ids()) }
    }
}
