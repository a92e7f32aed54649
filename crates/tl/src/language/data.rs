//! Texts as a language model reads them: joined into blocks, or each with hidden words.

use std::ops::Deref;
use std::path::Path;

use tl_core::Backbone;
use tl_data::Split;
use tl_data::text::Blocks;
use tl_models::Architecture;
use tl_ssl::MaskedTexts;
use tl_ssl::methods::{MaskPieces, MaskedLanguage};
use tl_train::{BlockDataset, Dataset};

use crate::examples::{check_pieces, room, tokenizer};
use crate::{Error, Examples, FinetuneOptions, Network, TextOptions};

/// Texts of either kind.
#[derive(Clone, Debug)]
pub enum LanguageData {
    /// Of whose pieces the next is asked for.
    Blocks(BlockDataset),
    /// Whose hidden pieces are asked for.
    Masked(MaskedTexts),
}

impl Deref for LanguageData {
    type Target = dyn Dataset;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Masked(texts) => texts,
        }
    }
}

impl LanguageData {
    /// The texts of `examples` as `network` reads them, and how they are divided.
    ///
    /// # Errors
    /// Images; a tokenizer that is not there, has no mask where one is needed, or does not fit the network.
    pub(super) fn of(
        examples: &Examples,
        shares: [f64; 3],
        network: &Network,
        weights: Option<&Path>,
        text: &TextOptions,
        options: &FinetuneOptions,
    ) -> Result<(Self, Split), Error> {
        let how = Reading { shares, network, weights, text, seed: options.settings.seed };
        match &options.text.masked {
            None => how.blocks(examples),
            Some(method) => how.masked(examples, *method),
        }
    }
}

struct Reading<'a> {
    shares: [f64; 3],
    network: &'a Network,
    weights: Option<&'a Path>,
    text: &'a TextOptions,
    seed: u64,
}

fn no_texts<T>() -> Result<T, Error> {
    Err(Error::options("a language model is of texts", "give it texts, not images"))
}

impl Reading<'_> {
    /// Joined and cut.
    fn blocks(&self, examples: &Examples) -> Result<(LanguageData, Split), Error> {
        let Examples::Texts(texts) = examples else { return no_texts() };
        let config = self.network.causal()?.config();
        let tokenizer = tokenizer(self.weights)?;
        let length = self.text.max_length.unwrap_or(config.positions);
        let found = Blocks::of(texts, self.shares, self.seed, &tokenizer, config.end, length)?;
        check_pieces(found.rows(), config.vocabulary, &tokenizer)?;
        let split = found.split();
        Ok((LanguageData::Blocks(BlockDataset::new(found)), split))
    }

    /// One by one, words of them hidden.
    fn masked(
        &self,
        examples: &Examples,
        method: MaskedLanguage,
    ) -> Result<(LanguageData, Split), Error> {
        let Examples::Texts(texts) = examples else { return no_texts() };
        method.check()?;
        let tokenizer = tokenizer(self.weights)?;
        let (length, known) = room(self.text, self.network)?;
        let usable = |piece: &u32| (*piece as usize) < known;
        let mask = tokenizer.mask().filter(usable).ok_or_else(|| {
            let path = tokenizer.path().display();
            let problem = format!("{path} has no piece [MASK] or <mask> that the weights know");
            let name = self.network.name();
            Error::options(problem, format!("give the tokenizer of a {name} that fills in words"))
        })?;
        let ordinary = tokenizer.ordinary().into_iter().filter(usable).collect();
        let encoded = tokenizer.encode_whole_words(texts, length)?;
        check_pieces(&encoded.texts.rows, known, &tokenizer)?;
        let pieces = MaskPieces { mask, ordinary };
        let found = MaskedTexts::new(encoded, method, pieces, self.seed);
        let split = found.with_words(&Split::of(&**texts, self.shares, self.seed)?);
        Ok((LanguageData::Masked(found), split))
    }
}

/// How many pieces a network knows, and the most of a text.
pub(super) fn vocabulary(network: &Network) -> Result<usize, Error> {
    Ok(network.expected_input().texts(network.name())?.vocabulary)
}
