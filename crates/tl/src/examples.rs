//! What a run is fitted on or measured on: images or texts.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tl_core::{Backbone, ExpectedInput};
use tl_data::text::{Columns, Encoding, Tagged, Texts, Tokenizer};
use tl_data::{DataError, Images, Items, Loader, Shift};
use tl_models::Architecture;
use tl_train::{Dataset, Numbers, SeveralDataset, TaggedDataset, TextDataset};

use crate::adapt::open_images_as;
use crate::choice::TOKENIZER_FILE;
use crate::network::works_on_texts;
use crate::record::Preprocessing;
use crate::several::are_several;
use crate::source::preprocess;
use crate::{Error, FinetuneOptions, Network, TextOptions};

/// Examples of either kind.
#[derive(Clone, Debug)]
pub enum Examples {
    Images(Arc<Images>),
    Texts(Arc<Texts>),
    /// Sentences whose words have tags.
    Tagged(Arc<Tagged>),
}

impl From<Images> for Examples {
    fn from(images: Images) -> Self {
        Self::Images(Arc::new(images))
    }
}

impl From<Texts> for Examples {
    fn from(texts: Texts) -> Self {
        Self::Texts(Arc::new(texts))
    }
}

impl From<Tagged> for Examples {
    fn from(tagged: Tagged) -> Self {
        Self::Tagged(Arc::new(tagged))
    }
}

/// The most pieces of a text where nobody says and the network has room.
const USUAL_LENGTH: usize = 128;

/// Ratings up to this are neither positive nor negative.
const NEUTRAL: f64 = 0.5;

/// How a run reads its examples, beside what becomes of them.
pub(crate) struct Reading<'a> {
    /// The weights, beside which a text encoder's tokenizer lies.
    pub weights: Option<&'a Path>,
    /// The tokenizer of a network that begins with none.
    pub own: Option<&'a Tokenizer>,
    pub threads: usize,
    pub strict: bool,
}

impl Reading<'_> {
    fn tokenizer(&self) -> Result<Tokenizer, Error> {
        match self.own {
            Some(tokenizer) => Ok(tokenizer.clone()),
            None => tokenizer(self.weights),
        }
    }
}

impl Examples {
    /// A tokenizer of at most `pieces` pieces, learned from the examples `part`.
    ///
    /// # Errors
    /// Images, texts without a letter.
    pub(crate) fn learn_pieces(&self, part: &[usize], pieces: usize) -> Result<Tokenizer, Error> {
        let texts: Vec<&str> = match self {
            Self::Images(_) => Vec::new(),
            Self::Texts(texts) => part
                .iter()
                .filter_map(|index| texts.items.get(*index))
                .flat_map(|item| std::iter::once(&*item.text).chain(item.pair.as_deref()))
                .collect(),
            Self::Tagged(tagged) => {
                part.iter().filter_map(|index| Some(&*tagged.items.get(*index)?.text)).collect()
            }
        };
        if texts.iter().all(|text| text.trim().is_empty()) {
            return Err(Error::options(
                "there is no text to learn pieces of words from",
                "give --model another network, or texts that are not empty",
            ));
        }
        Ok(Tokenizer::learned(texts.into_iter(), pieces)?)
    }

    /// What the network called `network` works on, at `name`: images as [`open_images_as`] opens them, texts as [`Examples::texts`] reads them, or words with
    /// their tags or texts with numbers where `text` says so.
    ///
    /// # Errors
    /// As the readers of each.
    pub fn open(
        name: &str,
        network: &str,
        text: &TextOptions,
        labelled: bool,
    ) -> Result<Self, Error> {
        match works_on_texts(network) {
            true if text.tokens => Ok(Tagged::open(Path::new(name))?.into()),
            true if text.numbers => Self::texts_with_numbers(name, &text.columns, labelled),
            true => Self::texts(name, &text.columns, labelled),
            false => Ok(open_images_as(name, &text.columns, labelled)?.into()),
        }
    }

    /// The texts at `name`: what [`Texts::open`] reads, or after `rated:` a file of rated sentences, whose neutral ones
    /// (up to 0.5 either way) are left out ([`Texts::rated`]).
    ///
    /// # Errors
    /// As there.
    pub fn texts(name: &str, columns: &Columns, labelled: bool) -> Result<Self, Error> {
        Ok(match name.strip_prefix("rated:") {
            Some(path) => Texts::rated(Path::new(path), NEUTRAL, labelled)?.into(),
            None => Texts::open(Path::new(name), columns, labelled)?.into(),
        })
    }

    /// The same of texts whose labels are numbers: of rated sentences the ratings are the labels, and none is left out.
    ///
    /// # Errors
    /// As there.
    fn texts_with_numbers(name: &str, columns: &Columns, labelled: bool) -> Result<Self, Error> {
        match name.strip_prefix("rated:") {
            Some(path) => Ok(Texts::ratings(Path::new(path))?.into()),
            None => Self::texts(name, columns, labelled),
        }
    }

    /// Names, classes and parts.
    pub fn items(&self) -> &dyn Items {
        match self {
            Self::Images(images) => &**images,
            Self::Texts(texts) => &**texts,
            Self::Tagged(tagged) => &**tagged,
        }
    }

    /// What a reader should be told, one line each.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Images(images) => &images.notes,
            Self::Texts(texts) => &texts.notes,
            Self::Tagged(tagged) => &tagged.notes,
        }
    }

    /// The same examples, each with the number that its class has among `classes`.
    ///
    /// # Errors
    /// A class that is none of them.
    pub fn with_classes(&self, classes: &[String]) -> Result<Self, DataError> {
        match self {
            Self::Images(images) => Ok(images.with_classes(classes)?.into()),
            Self::Texts(texts) => Ok(texts.with_classes(classes)?.into()),
            Self::Tagged(tagged) => Ok(tagged.with_classes(classes)?.into()),
        }
    }

    /// The same examples without labels and classes.
    pub fn unlabelled(&self) -> Self {
        match self {
            Self::Images(images) => images.unlabelled().into(),
            Self::Texts(texts) => texts.unlabelled().into(),
            Self::Tagged(tagged) => tagged.unlabelled().into(),
        }
    }

    /// The images after a shift, which is drawn from `seed`.
    ///
    /// # Errors
    /// Texts, which know no shift; a shift without photos.
    pub fn shifted(&self, shift: &Shift, seed: u64) -> Result<Self, Error> {
        match self {
            Self::Images(images) => Ok(images.shifted(&shift.clone().prepare(seed)?).into()),
            Self::Texts(_) | Self::Tagged(_) => {
                Err(Error::options("texts know no shift", "leave out the shift"))
            }
        }
    }

    /// These as the input of `network`, made as `how` says.
    ///
    /// # Errors
    /// Examples of the other kind, a tokenizer that is not there or does not fit.
    pub(crate) fn dataset(
        &self,
        how: &Preprocessing,
        network: &Network,
        reading: &Reading<'_>,
    ) -> Result<Input, Error> {
        let other = |given: &str, expected: &str| {
            let name = network.name();
            Err(Error::options(
                format!("{name} works on {expected} and was given {given}"),
                format!("give it {expected}, or another --model"),
            ))
        };
        match (self, how) {
            (Self::Images(images), Preprocessing::Images(preprocess)) => {
                let (threads, strict) = (reading.threads, reading.strict);
                let loader = Loader::new(images.clone(), preprocess.clone(), threads, strict)?;
                Ok(match are_several(self) {
                    true => Input::Several(SeveralDataset::new(loader)),
                    false => Input::Images(loader),
                })
            }
            (Self::Texts(texts), Preprocessing::Texts(options)) if !options.tokens => {
                let tokenizer = reading.tokenizer()?;
                let found = encoded(texts, &tokenizer, options, network)?;
                Ok(Input::Texts(match options.numbers {
                    true => found.with_numbers(Numbers::new(self.numbers()?)),
                    false => found,
                }))
            }
            (Self::Tagged(tagged), Preprocessing::Texts(options)) if options.tokens => {
                let tokenizer = reading.tokenizer()?;
                Ok(Input::Tagged(encoded_words(tagged, &tokenizer, options, network)?))
            }
            (Self::Tagged(_), _) => other("words with tags", how.noun()),
            (Self::Images(_), Preprocessing::Texts(_)) => other("images", "texts"),
            (Self::Texts(_), Preprocessing::Images(_)) => other("texts", "images"),
            (Self::Texts(_), Preprocessing::Texts(_)) => other("texts", "words with tags"),
        }
    }
}

/// Examples of either kind as a network reads them.
#[derive(Clone)]
pub enum Input {
    Images(Loader),
    /// Images that may have several labels.
    Several(SeveralDataset),
    Texts(TextDataset),
    Tagged(TaggedDataset),
}

impl Input {
    /// The same, where texts are answered with numbers in the scale of the texts `train`; `centred` where the head can add
    /// something to its answers.
    ///
    /// # Errors
    /// No number among them, or all of them the same.
    pub(crate) fn scaled(self, train: &[usize], centred: bool) -> Result<Self, Error> {
        Ok(match self {
            Self::Texts(texts) => Self::Texts(texts.scaled(train, centred)?),
            other => other,
        })
    }
}

impl Deref for Input {
    type Target = dyn Dataset;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Images(loader) => loader,
            Self::Several(images) => images,
            Self::Texts(texts) => texts,
            Self::Tagged(tagged) => tagged,
        }
    }
}

/// The tokenizer beside `weights`.
pub(crate) fn tokenizer(weights: Option<&Path>) -> Result<Tokenizer, Error> {
    let weights = weights.ok_or_else(|| {
        Error::options(
            "random weights bring no tokenizer",
            "give --weights a folder with tokenizer.json, config.json and model.safetensors",
        )
    })?;
    Ok(Tokenizer::open(&weights.with_file_name(TOKENIZER_FILE))?)
}

/// Texts as the pieces that `network` knows.
pub(crate) fn encoded(
    texts: &Arc<Texts>,
    tokenizer: &Tokenizer,
    options: &TextOptions,
    network: &Network,
) -> Result<TextDataset, Error> {
    let (length, known) = room(options, network)?;
    let encoded = match options.stride {
        Some(stride) => tokenizer.encode_windows(texts, length, stride)?,
        None => tokenizer.encode(texts, length)?,
    };
    check_pieces(&encoded.rows, known, tokenizer)?;
    Ok(TextDataset::new(encoded))
}

/// Sentences as the pieces that `network` knows, and which of them answers for which word.
pub(crate) fn encoded_words(
    tagged: &Arc<Tagged>,
    tokenizer: &Tokenizer,
    options: &TextOptions,
    network: &Network,
) -> Result<TaggedDataset, Error> {
    let (length, known) = room(options, network)?;
    let encoded = match options.stride {
        Some(stride) => tokenizer.encode_word_windows(tagged, length, stride)?,
        None => tokenizer.encode_words(tagged, length)?,
    };
    check_pieces(&encoded.rows, known, tokenizer)?;
    Ok(TaggedDataset::new(encoded))
}

/// The most pieces of a text, and how many different ones the network knows.
pub(crate) fn room(options: &TextOptions, network: &Network) -> Result<(usize, usize), Error> {
    let expected = network.expected_input().texts(network.name())?;
    let length = options.max_length.unwrap_or(USUAL_LENGTH).min(expected.longest);
    Ok((length, expected.vocabulary))
}

/// Succeeds where the network knows every piece.
pub(crate) fn check_pieces(
    rows: &[Encoding],
    known: usize,
    tokenizer: &Tokenizer,
) -> Result<(), Error> {
    let largest = rows.iter().flat_map(|row| &row.ids).max();
    match largest.filter(|id| **id as usize >= known) {
        None => Ok(()),
        Some(id) => Err(Error::options(
            format!(
                "{} has a piece with the number {id}, and the weights know {known} pieces",
                tokenizer.path().display(),
            ),
            "give the tokenizer that belongs to the weights",
        )),
    }
}

/// What becomes of an example before it is `network`'s input.
pub(crate) fn preprocessing(
    network: &Network,
    options: &FinetuneOptions,
) -> Result<Preprocessing, Error> {
    let longest = match network.expected_input() {
        ExpectedInput::Images(_) => {
            let found = preprocess(network, options.image_size, options.resize)?;
            return Ok(Preprocessing::Images(found));
        }
        ExpectedInput::Texts(expected) => expected.longest,
    };
    let length = options.text.max_length.unwrap_or(USUAL_LENGTH.min(longest));
    if length > longest || length == 0 {
        return Err(Error::options(
            format!("texts of {length} pieces do not fit {}", network.name()),
            format!("give --max-length from 3 to {longest}"),
        ));
    }
    Ok(Preprocessing::Texts(TextOptions { max_length: Some(length), ..options.text.clone() }))
}
