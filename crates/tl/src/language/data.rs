//! Texts without labels as a run reads them: joined into blocks, each with hidden words, or two by two.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tl_core::Backbone;
use tl_data::Split;
use tl_data::text::Blocks;
use tl_models::Architecture;
use tl_ssl::MaskedTexts;
use tl_ssl::methods::{MaskPieces, MaskedLanguage};
use tl_train::{BlockDataset, Dataset, PairDataset};

use crate::examples::{check_pieces, encoded, room, tokenizer};
use crate::{Error, Examples, FinetuneOptions, Network, TextOptions};

/// Texts of one kind.
#[derive(Clone, Debug)]
pub enum LanguageData {
    /// Of whose pieces the next is asked for.
    Blocks(BlockDataset),
    /// Whose hidden pieces are asked for.
    Masked(MaskedTexts),
    /// Of which two belong together.
    Pairs(PairDataset),
}

impl Deref for LanguageData {
    type Target = dyn Dataset;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Blocks(blocks) => blocks,
            Self::Masked(texts) => texts,
            Self::Pairs(pairs) => pairs,
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
            Some(method) => how.masked(examples, *method),
            None if options.text.pairs => how.pairs(examples),
            None => how.blocks(examples),
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
    Err(Error::options("this task is one of texts", "give it texts, not images"))
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

    /// Two by two; pairs with an empty text take no part.
    fn pairs(&self, examples: &Examples) -> Result<(LanguageData, Split), Error> {
        let Examples::Texts(pairs) = examples else { return no_texts() };
        let full = |index: &usize| {
            let item = pairs.items.get(*index);
            let texts = item.and_then(|item| Some([&item.text, item.pair.as_ref()?]));
            texts.is_some_and(|texts| texts.iter().all(|text| !text.trim().is_empty()))
        };
        let all: Vec<usize> = (0..pairs.items.len()).collect();
        if !all.iter().any(full) {
            return Err(Error::options(
                "no text has a second one that belongs to it",
                "name the columns of both with --text-column and --pair-column",
            ));
        }
        let sides = Arc::new(pairs.sides());
        let sides = encoded(&sides, &tokenizer(self.weights)?, self.text, self.network)?;
        let whole = Split::of(&**pairs, self.shares, self.seed)?;
        let of = |part: &[usize]| part.iter().copied().filter(full).collect();
        let split = Split {
            train: of(&whole.train),
            validation: of(&whole.validation),
            test: of(&whole.test),
        };
        Ok((LanguageData::Pairs(PairDataset::new(Arc::clone(pairs), sides)), split))
    }
}

/// How many pieces a network knows, and the most of a text.
pub(super) fn vocabulary(network: &Network) -> Result<usize, Error> {
    Ok(network.expected_input().texts(network.name())?.vocabulary)
}
