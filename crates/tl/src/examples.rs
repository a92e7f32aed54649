//! What a run is fitted on or measured on: images or texts.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use tl_core::{Backbone, ExpectedInput};
use tl_data::text::{Columns, Texts, Tokenizer};
use tl_data::{DataError, Images, Items, Loader, Shift};
use tl_models::Architecture;
use tl_train::{Dataset, TextDataset};

use crate::choice::TOKENIZER_FILE;
use crate::record::Preprocessing;
use crate::source::preprocess;
use crate::{Error, FinetuneOptions, Network, TextOptions};

/// Examples of either kind.
#[derive(Clone, Debug)]
pub enum Examples {
    Images(Arc<Images>),
    Texts(Arc<Texts>),
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

/// The most pieces of a text where nobody says and the network has room.
const USUAL_LENGTH: usize = 128;

/// Ratings up to this are neither positive nor negative.
const NEUTRAL: f64 = 0.5;

/// How a run reads its examples, beside what becomes of them.
pub(crate) struct Reading<'a> {
    /// The weights, beside which a text encoder's tokenizer lies.
    pub weights: Option<&'a Path>,
    pub threads: usize,
    pub strict: bool,
}

impl Examples {
    /// The texts at `name`: what [`Texts::open`] reads, or after `rated:` a file of rated sentences, whose neutral ones
    /// (up to 0.5 either way) are left out ([`Texts::rated`]).
    ///
    /// # Errors
    /// As there.
    pub fn texts(name: &str, columns: &Columns, labelled: bool) -> Result<Self, Error> {
        Ok(match name.strip_prefix("rated:") {
            Some(path) => Texts::rated(Path::new(path), NEUTRAL)?.into(),
            None => Texts::open(Path::new(name), columns, labelled)?.into(),
        })
    }

    /// Names, classes and parts.
    pub fn items(&self) -> &dyn Items {
        match self {
            Self::Images(images) => &**images,
            Self::Texts(texts) => &**texts,
        }
    }

    /// What a reader should be told, one line each.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Images(images) => &images.notes,
            Self::Texts(texts) => &texts.notes,
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
        }
    }

    /// The same examples without labels and classes.
    pub fn unlabelled(&self) -> Self {
        match self {
            Self::Images(images) => images.unlabelled().into(),
            Self::Texts(texts) => texts.unlabelled().into(),
        }
    }

    /// The images after a shift, which is drawn from `seed`.
    ///
    /// # Errors
    /// Texts, which know no shift; a shift without photos.
    pub fn shifted(&self, shift: &Shift, seed: u64) -> Result<Self, Error> {
        match self {
            Self::Images(images) => Ok(images.shifted(&shift.clone().prepare(seed)?).into()),
            Self::Texts(_) => Err(Error::options("texts know no shift", "leave out the shift")),
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
                Ok(Input::Images(loader))
            }
            (Self::Texts(texts), Preprocessing::Texts(options)) => {
                let tokenizer = tokenizer(reading.weights)?;
                Ok(Input::Texts(encoded(texts, &tokenizer, options, network)?))
            }
            (Self::Images(_), Preprocessing::Texts(_)) => other("images", "texts"),
            (Self::Texts(_), Preprocessing::Images(_)) => other("texts", "images"),
        }
    }
}

/// Examples of either kind as a network reads them.
#[derive(Clone)]
pub enum Input {
    Images(Loader),
    Texts(TextDataset),
}

impl Deref for Input {
    type Target = dyn Dataset;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Images(loader) => loader,
            Self::Texts(texts) => texts,
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
    let expected = network.expected_input().texts(network.name())?;
    let length = options.max_length.unwrap_or(USUAL_LENGTH).min(expected.longest);
    let encoded = tokenizer.encode(texts, length)?;
    let largest = encoded.rows.iter().flat_map(|row| &row.ids).max();
    if let Some(id) = largest.filter(|id| **id as usize >= expected.vocabulary) {
        return Err(Error::options(
            format!(
                "{} has a piece with the number {id}, and the weights know {} pieces",
                tokenizer.path().display(),
                expected.vocabulary
            ),
            "give the tokenizer that belongs to the weights",
        ));
    }
    Ok(TextDataset::new(encoded))
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
