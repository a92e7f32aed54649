//! From texts to numbers of pieces.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::normalizers::Lowercase;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TruncationDirection, TruncationParams, TruncationStrategy};

use super::word_pieces::of_vocabulary;
use super::word_places::{places, whole_words};
use super::{EncodedTagged, EncodedTexts, EncodedWords, Encoding, Tagged, Texts};
use crate::DataError;

/// The file of pieces, one a line, that old folders have instead of a `tokenizer.json`.
const VOCABULARY: &str = "vocab.txt";

/// The piece that stands for nothing.
const PADDING: &str = "<pad>";

/// A `tokenizer.json`, as Hugging Face's `tokenizers` writes it.
#[derive(Clone)]
pub struct Tokenizer {
    path: PathBuf,
    inner: tokenizers::Tokenizer,
    key: String,
}

impl Tokenizer {
    /// Opens the file at `path`, or where it is not there, builds one of the `vocab.txt` beside it, as BERT's is. Its own padding
    /// and truncation are left aside.
    ///
    /// # Errors
    /// A file that cannot be read or is no tokenizer.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let vocab = path.with_file_name(VOCABULARY);
        if !path.exists() && vocab.is_file() {
            return Self::of_vocabulary(&vocab);
        }
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

    fn of_vocabulary(path: &Path) -> Result<Self, DataError> {
        let bytes = std::fs::read(path).map_err(|source| DataError::read(path, source))?;
        let config = std::fs::read_to_string(path.with_file_name("tokenizer_config.json")).ok();
        let inner = of_vocabulary(path, config.as_deref()).map_err(|reason| {
            let reason = reason.lines().next().unwrap_or_default();
            fault(path, format!("is no vocabulary of BERT's ({reason}); fetch the file anew"))
        })?;
        let mut hasher = Sha256::new();
        hasher.update(&bytes);
        hasher.update(config.unwrap_or_default());
        let key = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path: path.to_path_buf(), inner, key })
    }

    /// A tokenizer for a network that begins with none: at most `pieces` byte pairs (Sennrich et al. 2016, arXiv
    /// 1508.07909; their bytes as GPT-2 has them) that are frequent in `texts`, without regard to case. Piece 0 is padding.
    ///
    /// The same texts give the same tokenizer.
    ///
    /// # Errors
    /// Texts without a letter.
    pub fn learned<'a>(
        texts: impl Iterator<Item = &'a str> + Send,
        pieces: usize,
    ) -> Result<Self, DataError> {
        let path = PathBuf::from("the vocabulary of the training texts");
        let failed = |reason: tokenizers::Error| fault(&path, format!("failed: {reason}"));
        let bytes = ByteLevel::new(true, true, true);
        let mut inner = tokenizers::Tokenizer::new(BPE::default());
        inner.with_normalizer(Some(Lowercase)).map_err(failed)?;
        inner.with_pre_tokenizer(Some(bytes));
        inner.with_post_processor(Some(bytes));
        inner.with_decoder(Some(bytes));
        let trainer = BpeTrainer::builder()
            .vocab_size(pieces)
            .min_frequency(2)
            .show_progress(false)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(vec![AddedToken::from(PADDING, true)])
            .build();
        let mut trainer = tokenizers::models::TrainerWrapper::from(trainer);
        inner.train(&mut trainer, texts).map_err(failed)?;
        let text = inner.to_string(false).map_err(failed)?;
        let key = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { path, inner, key })
    }

    /// The text of its `tokenizer.json`.
    ///
    /// # Errors
    /// A tokenizer that cannot be written down.
    pub fn to_json(&self) -> Result<String, DataError> {
        let text = self.inner.to_string(false);
        text.map_err(|reason| fault(&self.path, format!("failed: {reason}")))
    }

    /// The number of different pieces.
    pub fn vocabulary(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The number of a piece, if there is one.
    pub fn number(&self, piece: &str) -> Option<u32> {
        self.inner.token_to_id(piece)
    }

    /// The piece that stands for a hidden one, if there is one.
    pub fn mask(&self) -> Option<u32> {
        ["[MASK]", "<mask>"].iter().find_map(|piece| self.number(piece))
    }

    /// The numbers of all pieces but the marks, in rising order.
    pub fn ordinary(&self) -> Vec<u32> {
        let marks = self.inner.get_added_tokens_decoder();
        let special = |number: &u32| marks.get(number).is_some_and(|mark| mark.special);
        let vocabulary = self.inner.get_vocab(true);
        let mut found: Vec<u32> = vocabulary.into_values().filter(|it| !special(it)).collect();
        found.sort_unstable();
        found
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
        Ok(self.encoded(texts, max_length)?.0)
    }

    /// The same, with the words that the pieces make: pieces of one word by the tokenizer's own cut, between which the text
    /// has no space.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_whole_words(
        &self,
        texts: &Arc<Texts>,
        max_length: usize,
    ) -> Result<EncodedWords, DataError> {
        let (encoded, found) = self.encoded(texts, max_length)?;
        let words = found.iter().zip(&texts.items).map(|(row, item)| whole_words(row, item));
        Ok(EncodedWords { words: words.collect(), texts: encoded })
    }

    fn encoded(
        &self,
        texts: &Arc<Texts>,
        max_length: usize,
    ) -> Result<(EncodedTexts, Vec<tokenizers::Encoding>), DataError> {
        let pairs = texts.items.iter().any(|item| item.pair.is_some());
        let inputs = texts.items.iter().map(|item| match &item.pair {
            Some(pair) => (item.text.as_str(), pair.as_str()).into(),
            None => item.text.as_str().into(),
        });
        let found = self.cut(inputs.collect(), pairs, max_length)?;
        let cut = cut_ones(&found);
        let rows = found.iter().map(encoding);
        let encoded = EncodedTexts {
            texts: Arc::clone(texts),
            rows: rows.collect(),
            max_length,
            cut,
            windows: None,
            tokenizer: self.key.clone(),
        };
        Ok((encoded, found))
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
            words: tagged.items.iter().map(|item| 0..item.words.len()).collect(),
            tagged: Arc::clone(tagged),
            max_length,
            windows: None,
            tokenizer: self.key.clone(),
        })
    }

    /// For each piece of a text cut as [`Tokenizer::encode`] does the bytes that it stands for; none for a mark.
    ///
    /// # Errors
    /// As there.
    pub fn spans(
        &self,
        text: &str,
        max_length: usize,
    ) -> Result<Vec<Option<Range<usize>>>, DataError> {
        let rows = self.cut(vec![text.into()], false, max_length)?;
        let pieces = rows.first().map(|row| {
            let pieces = row.get_offsets().iter().zip(row.get_special_tokens_mask());
            pieces.map(|((from, to), special)| (*special == 0).then_some(*from..*to)).collect()
        });
        Ok(pieces.unwrap_or_default())
    }

    /// The pieces of all inputs, at most `max_length` each.
    fn cut(
        &self,
        inputs: Vec<tokenizers::EncodeInput<'_>>,
        pairs: bool,
        max_length: usize,
    ) -> Result<Vec<tokenizers::Encoding>, DataError> {
        // The tokenizer reads no further than it was told to: where no mark takes a place of what it reads, a piece more shows
        // whether a text ends there.
        let beyond = usize::from(self.room(pairs, max_length)? == max_length && !pairs);
        let mut cutting = self.inner.clone();
        let truncation = TruncationParams {
            max_length: max_length + beyond,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        let refused = |reason: tokenizers::Error| fault(&self.path, format!("failed: {reason}"));
        cutting.with_truncation(Some(truncation)).map_err(refused)?;
        let mut rows = cutting.encode_batch(inputs, true).map_err(refused)?;
        if beyond > 0 {
            rows.iter_mut().for_each(|row| row.truncate(max_length, 0, TruncationDirection::Right));
        }
        Ok(rows)
    }

    /// All pieces of each text, between its marks.
    pub(super) fn uncut(&self, texts: Vec<&str>) -> Result<Vec<tokenizers::Encoding>, DataError> {
        let mut cutting = self.inner.clone();
        let refused = |reason: tokenizers::Error| fault(&self.path, format!("failed: {reason}"));
        cutting.with_truncation(None).map_err(refused)?;
        cutting.encode_batch(texts, true).map_err(refused)
    }

    /// How many of `max_length` pieces are left beside the marks.
    ///
    /// # Errors
    /// Where none is.
    pub(super) fn room(&self, pairs: bool, max_length: usize) -> Result<usize, DataError> {
        let marks = self.marks(pairs);
        match max_length.checked_sub(marks).filter(|room| *room > 0) {
            Some(room) => Ok(room),
            None => {
                let least = marks + 1;
                let problem =
                    format!("needs {marks} pieces beside a text; give --max-length from {least}");
                Err(fault(&self.path, problem))
            }
        }
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

fn fault(path: &Path, problem: String) -> DataError {
    DataError::Tokenizer { path: path.to_path_buf(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] =
        ["The film was good", "the Film was bad, so bad", "good film, good day", "a ü was ☃ there"];

    #[test]
    fn a_learned_vocabulary_is_the_same_again_and_cuts_any_text() {
        let learned = || Tokenizer::learned(TEXTS.into_iter(), 400).unwrap();
        let (one, other) = (learned(), learned());
        assert_eq!(one.key(), other.key());
        assert_eq!(one.number(PADDING), Some(0));
        // 256 bytes, the padding, and pairs of them that stand there twice.
        assert!(one.vocabulary() > 260, "{}", one.vocabulary());
        let cut = one.pieces(&["Film", "film", "good film", "", "☃ unheard of"]).unwrap();
        assert_eq!((&cut[0], cut[0].len(), cut[2].len()), (&cut[1], 1, 2));
        assert!(cut[3].is_empty() && cut[4].len() > 3);
        assert_eq!(one.text(&cut[4]).unwrap().trim(), "☃ unheard of");
        let folder = std::env::temp_dir().join(format!("tl-vocabulary-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, one.to_json().unwrap()).unwrap();
        let again = Tokenizer::open(&path).unwrap();
        assert_eq!(again.pieces(&TEXTS).unwrap(), one.pieces(&TEXTS).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
