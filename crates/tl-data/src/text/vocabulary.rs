//! From texts to numbers of pieces.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::{TruncationParams, TruncationStrategy};

use super::{EncodedTagged, EncodedTexts, Encoding, Tagged, Texts};
use crate::DataError;

/// A `tokenizer.json`, as Hugging Face's `tokenizers` writes it.
#[derive(Clone)]
pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    key: String,
}

impl Tokenizer {
    /// Opens the file at `path`. Its own padding and truncation are left aside.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => DataError::Tokenizer {
                path: path.to_path_buf(),
                problem: "is not there; give --weights a folder that holds it beside the weights"
                    .into(),
            },
            _ => DataError::read(path, source),
        })?;
        let key = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut inner = tokenizers::Tokenizer::from_bytes(&bytes).map_err(|reason| {
            let reason = reason.to_string();
            let reason = reason.lines().next().unwrap_or_default();
            fault(path, format!("is no tokenizer ({reason}); fetch the file anew"))
        })?;
        inner.with_padding(None);
        Ok(Self { path: path.to_path_buf(), inner, key })
    }

    /// The number of different pieces.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The number of a piece, if there is one.
    pub fn number(&self, piece: &str) -> Option<u32> {
        self.inner.token_to_id(piece)
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The pieces of each text, whatever its length, without marks at its ends.
    ///
    /// # Errors
    /// A text that the tokenizer cannot cut.
    pub fn pieces(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, DataError> {
        let mut cutting = self.inner.clone();
        let refused = |reason: tokenizers::Error| fault(&self.path, format!("failed: {reason}"));
        cutting.with_truncation(None).map_err(refused)?;
        let found = cutting.encode_batch(texts.to_vec(), false).map_err(refused)?;
        Ok(found.into_iter().map(|row| row.get_ids().to_vec()).collect())
    }

    /// The text that these pieces stand for, without marks.
    ///
    /// # Errors
    /// Pieces that the tokenizer cannot put together.
    pub fn text(&self, pieces: &[u32]) -> Result<String, DataError> {
        let text = self.inner.decode(pieces, true);
        text.map_err(|reason| fault(&self.path, format!("failed: {reason}")))
    }

    /// What identifies it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Cuts all texts into at most `max_length` pieces each, those that mark beginning and end included; of a pair
    /// the longer one is cut.
    ///
    /// # Errors
    /// A length that leaves no room beside the marks, a text that the tokenizer cannot cut.
    pub fn encode(&self, texts: &Arc<Texts>, max_length: usize) -> Result<EncodedTexts, DataError> {
        let pairs = texts.items.iter().any(|item| item.pair.is_some());
        let inputs = texts.items.iter().map(|item| match &item.pair {
            Some(pair) => (item.text.as_str(), pair.as_str()).into(),
            None => item.text.as_str().into(),
        });
        let found = self.cut(inputs.collect(), pairs, max_length)?;
        let cut = cut_ones(&found);
        let rows = found.iter().map(encoding);
        Ok(EncodedTexts {
            texts: Arc::clone(texts),
            rows: rows.collect(),
            max_length,
            cut,
            tokenizer: self.key.clone(),
        })
    }

    /// The same for sentences of words: the first piece of a word answers for it.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_words(
        &self,
        tagged: &Arc<Tagged>,
        max_length: usize,
    ) -> Result<EncodedTagged, DataError> {
        let inputs = tagged.items.iter().map(|item| item.text.as_str().into());
        let found = self.cut(inputs.collect(), false, max_length)?;
        let places = found.iter().zip(&tagged.items).map(|(row, item)| places(row, &item.words));
        Ok(EncodedTagged {
            places: places.collect(),
            cut: cut_ones(&found),
            rows: found.iter().map(encoding).collect(),
            tagged: Arc::clone(tagged),
            max_length,
            tokenizer: self.key.clone(),
        })
    }

    /// The pieces of all inputs, at most `max_length` each.
    fn cut(
        &self,
        inputs: Vec<tokenizers::EncodeInput<'_>>,
        pairs: bool,
        max_length: usize,
    ) -> Result<Vec<tokenizers::Encoding>, DataError> {
        let marks = self.marks(pairs);
        if max_length <= marks {
            let problem =
                format!("needs {marks} pieces beside a text; give --max-length from {}", marks + 1);
            return Err(fault(&self.path, problem));
        }
        let mut cutting = self.inner.clone();
        let truncation = TruncationParams {
            max_length,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        let refused = |reason: tokenizers::Error| fault(&self.path, format!("failed: {reason}"));
        cutting.with_truncation(Some(truncation)).map_err(refused)?;
        cutting.encode_batch(inputs, true).map_err(refused)
    }

    /// How many pieces a text without a letter has.
    fn marks(&self, pairs: bool) -> usize {
        let empty: tokenizers::EncodeInput<'_> = if pairs { ("", "").into() } else { "".into() };
        self.inner.encode(empty, true).map_or(0, |row| row.len())
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Tokenizer({}, {} pieces)", self.path.display(), self.vocabulary())
    }
}

fn encoding(row: &tokenizers::Encoding) -> Encoding {
    Encoding { ids: row.get_ids().to_vec(), segments: row.get_type_ids().to_vec() }
}

fn cut_ones(rows: &[tokenizers::Encoding]) -> usize {
    rows.iter().filter(|row| !row.get_overflowing().is_empty()).count()
}

/// The first piece of each word: the first one that shares a byte with it and belongs to no word before.
fn places(row: &tokenizers::Encoding, words: &[Range<usize>]) -> Vec<Option<usize>> {
    let pieces = row.get_offsets().iter().zip(row.get_special_tokens_mask()).enumerate();
    let mut pieces = pieces
        .filter(|(_, ((from, to), special))| **special == 0 && from < to)
        .map(|(place, ((from, to), _))| (place, *from, *to))
        .peekable();
    words
        .iter()
        .map(|word| {
            while pieces.next_if(|(_, _, to)| *to <= word.start).is_some() {}
            // Of a piece that reaches into the next word that one has nothing of its own.
            pieces.next_if(|(_, from, _)| *from < word.end).map(|(place, ..)| place)
        })
        .collect()
}

fn fault(path: &Path, problem: String) -> DataError {
    DataError::Tokenizer { path: path.to_path_buf(), problem }
}
