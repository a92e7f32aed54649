//! Texts as numbers.

use std::ops::Range;
use std::sync::Arc;

use super::{Tagged, Texts, Windows};

/// The pieces of one text, by their numbers in a vocabulary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    pub ids: Vec<u32>,
    /// 0, or 1 where a piece belongs to the second text of a pair.
    pub segments: Vec<u32>,
}

/// Texts and their pieces.
#[derive(Clone, Debug)]
pub struct EncodedTexts {
    pub texts: Arc<Texts>,
    /// One for each text, or for each of its windows.
    pub rows: Vec<Encoding>,
    /// The most pieces of a row: what was longer was cut at its end, or is read in windows.
    pub max_length: usize,
    /// How many texts were cut.
    pub cut: usize,
    /// Which rows are the windows of which text, where long texts are read in windows.
    pub windows: Option<Windows>,
    /// What identifies the tokenizer.
    pub tokenizer: String,
}

impl EncodedTexts {
    /// How many pieces each row has.
    pub fn lengths(&self) -> Vec<usize> {
        self.rows.iter().map(|row| row.ids.len()).collect()
    }

    /// The pieces of a text; of several windows the first.
    pub fn first(&self, text: usize) -> Option<&Encoding> {
        let row = self.windows.as_ref().map_or(text, |windows| windows.rows(text).start);
        self.rows.get(row)
    }

    /// What a reader should be told, one line each: texts that were cut, or how many windows there are.
    pub fn notes(&self) -> Vec<String> {
        let Self { cut, max_length, rows, .. } = self;
        if let Some(windows) = &self.windows {
            return vec![windows.note("texts", *max_length)];
        }
        let all = rows.len();
        let note = || format!("{cut} of {all} texts are cut to {max_length} pieces (--max-length)");
        (*cut > 0).then(note).into_iter().collect()
    }
}

/// Texts, their pieces, and which of these are one word.
#[derive(Clone, Debug)]
pub struct EncodedWords {
    pub texts: EncodedTexts,
    /// For each text its words as places of pieces that lie side by side; marks are no words.
    pub words: Vec<Vec<Range<usize>>>,
}

/// Sentences, their pieces, and which piece answers for which word.
#[derive(Clone, Debug)]
pub struct EncodedTagged {
    pub tagged: Arc<Tagged>,
    /// One for each sentence, or for each of its windows.
    pub rows: Vec<Encoding>,
    /// For each row the words of its sentence that it answers for: all, or of windows each word once.
    pub words: Vec<Range<usize>>,
    /// For each of these words the place of its first piece; none where it was cut off or has no piece.
    pub places: Vec<Vec<Option<usize>>>,
    pub max_length: usize,
    /// How many sentences were cut.
    pub cut: usize,
    /// Which rows are the windows of which sentence, where long ones are read in windows.
    pub windows: Option<Windows>,
    /// What identifies the tokenizer.
    pub tokenizer: String,
}

impl EncodedTagged {
    /// What a reader should be told, one line each: sentences that were cut, and what that costs, or how many windows there are.
    pub fn notes(&self) -> Vec<String> {
        let lost = self.places.iter().flatten().filter(|place| place.is_none()).count();
        let Self { cut, max_length, rows, .. } = self;
        if let Some(windows) = &self.windows {
            let silent = || format!("{lost} words have no piece and no answer, and count as O");
            let note = windows.note("sentences", *max_length);
            return std::iter::once(note).chain((lost > 0).then(silent)).collect();
        }
        let all = rows.len();
        let note = || {
            format!(
                "{cut} of {all} sentences are cut to {max_length} pieces (--max-length); {lost} words have no answer and count as O"
            )
        };
        (*cut + lost > 0).then(note).into_iter().collect()
    }
}
