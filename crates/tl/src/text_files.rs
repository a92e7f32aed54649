//! What a run on texts holds beside its weights, so that `transformers` opens its folder.

use std::path::{Path, PathBuf};

use tl_data::text::Tokenizer;
use tl_train::TrainError;
use tl_train::files::write_bytes;

use crate::choice::{CONFIG_FILE, TOKENIZER_FILE};
use crate::examples::tokenizer;
use crate::record::Preprocessing;
use crate::{Error, Network};

/// What `transformers` reads of a tokenizer; the first is needed, the others are taken where they are.
const TOKENIZER_FILES: [&str; 6] = [
    TOKENIZER_FILE,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
];

/// Where the tokenizer of a fitting comes from.
#[derive(Clone, Debug)]
pub(crate) enum TokenizerFiles {
    /// Beside these weights; nowhere without any.
    Beside(Option<PathBuf>),
    Learned(Box<Tokenizer>),
}

impl TokenizerFiles {
    /// The tokenizer itself.
    ///
    /// # Errors
    /// Weights without one beside them.
    pub fn open(&self) -> Result<Tokenizer, Error> {
        match self {
            Self::Beside(weights) => tokenizer(weights.as_deref()),
            Self::Learned(tokenizer) => Ok((**tokenizer).clone()),
        }
    }

    /// Puts them into a run's folder.
    ///
    /// # Errors
    /// A folder that cannot be written.
    pub fn put_into(&self, folder: &Path) -> Result<(), Error> {
        match self {
            Self::Beside(None) => Ok(()),
            Self::Beside(Some(weights)) => copy_tokenizer(weights, folder),
            Self::Learned(tokenizer) => {
                write_bytes(&folder.join(TOKENIZER_FILE), tokenizer.to_json()?.as_bytes())?;
                Ok(write_bytes(&folder.join(TOKENIZER_FILES[1]), LEARNED_KIND.as_bytes())?)
            }
        }
    }
}

/// What `transformers` is told of a tokenizer that belongs to none of its networks.
const LEARNED_KIND: &str =
    "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"pad_token\": \"<pad>\"}\n";

/// Copies the tokenizer that lies beside the file `weights` into a run's folder.
///
/// # Errors
/// A folder that cannot be written.
pub(crate) fn copy_tokenizer(weights: &Path, folder: &Path) -> Result<(), Error> {
    for name in TOKENIZER_FILES {
        let (from, to) = (weights.with_file_name(name), folder.join(name));
        if from == to || !from.is_file() {
            continue;
        }
        let bytes = std::fs::read(&from)
            .map_err(|reason| TrainError::file("cannot read", &from, reason))?;
        write_bytes(&to, &bytes)?;
    }
    Ok(())
}

/// Succeeds where a run on texts has its `config.json`.
///
/// # Errors
/// A run on texts without it.
pub(crate) fn require_config(folder: &Path, how: &Preprocessing) -> Result<(), Error> {
    require(folder, how, &[CONFIG_FILE])
}

/// Succeeds where a run on texts has its tokenizer.
///
/// # Errors
/// A run on texts without it.
pub(crate) fn require_tokenizer(folder: &Path, how: &Preprocessing) -> Result<(), Error> {
    require(folder, how, &[TOKENIZER_FILE, "vocab.txt"])
}

fn require(folder: &Path, how: &Preprocessing, names: &[&str]) -> Result<(), Error> {
    let found = names.iter().any(|name| folder.join(name).is_file());
    match (how, names.first()) {
        (Preprocessing::Texts(_), Some(name)) if !found => Err(Error::Run {
            path: folder.join(name),
            problem: "is not there, and a run on texts is not opened without it".into(),
            mend: "put it back, or fit the run again",
        }),
        _ => Ok(()),
    }
}

/// Writes the `config.json` of a text encoder with these labels; of another network nothing.
///
/// # Errors
/// As [`copy_tokenizer`].
pub(crate) fn write_config(
    network: &Network,
    labels: &[String],
    folder: &Path,
) -> Result<(), Error> {
    let config = match network {
        Network::Encoder(encoder) => encoder.config().to_json(labels),
        Network::Gpt2(network) => network.config().to_json(labels),
        Network::Lstm(network) => network.config().to_json(labels),
        _ => return Ok(()),
    };
    let text = serde_json::to_string_pretty(&config).unwrap_or_default();
    Ok(write_bytes(&folder.join(CONFIG_FILE), text.as_bytes())?)
}
