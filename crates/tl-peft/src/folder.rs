//! A folder in PEFT's format as it lies there, before its base is at hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tl_core::{Head, Model};
use tl_models::Architecture;
use tl_models::weights::WeightsFile;

use crate::file::{PEFT_CONFIG, PEFT_MODEL};
use crate::record::{AdapterRecord, Held};
use crate::{PeftError, peft};

/// What PEFT called its weights before it wrote safetensors.
pub const OLD_PEFT_MODEL: &str = "adapter_model.bin";

const MEND: &str = "give a LoRA, DoRA, IA3 or prompt that was made on this network";

/// `adapter_config.json` and the weights beside it.
#[derive(Clone, Debug)]
pub struct PeftFolder {
    folder: PathBuf,
    text: String,
    said: Map<String, Value>,
}

impl PeftFolder {
    /// Whether `folder` is one.
    pub fn lies_in(folder: &Path) -> bool {
        folder.join(PEFT_CONFIG).is_file()
    }

    /// Reads the configuration in `folder`.
    ///
    /// # Errors
    /// None that can be read, one of a kind that is not known here.
    pub fn open(folder: &Path) -> Result<Self, PeftError> {
        let path = folder.join(PEFT_CONFIG);
        let fault = |problem: String, mend: &str| PeftError::File {
            path: path.clone(),
            problem,
            mend: mend.to_string(),
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| fault(error.to_string(), "give another folder"))?;
        let said = serde_json::from_str(&text).map_err(|error| {
            fault(format!("is no configuration ({error})"), "fetch the file anew")
        })?;
        peft::check_kind(&said).map_err(|problem| fault(problem, MEND))?;
        Ok(Self { folder: folder.to_path_buf(), text, said })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    fn word(&self, key: &str) -> Option<&str> {
        self.said.get(key).and_then(Value::as_str).filter(|word| !word.is_empty())
    }

    /// What the configuration calls the base: a folder, or `owner/repo` of a hub.
    pub fn base(&self) -> Option<&str> {
        self.word("base_model_name_or_path")
    }

    /// The revision of the base in its hub.
    pub fn revision(&self) -> Option<&str> {
        self.word("revision")
    }

    /// What PEFT calls the task: `SEQ_CLS`, `TOKEN_CLS`, `CAUSAL_LM`, …
    pub fn task_type(&self) -> Option<&str> {
        self.word("task_type")
    }

    /// The weights.
    ///
    /// # Errors
    /// None that can be read.
    pub fn weights(&self) -> Result<WeightsFile, PeftError> {
        let paths = [PEFT_MODEL, OLD_PEFT_MODEL].map(|name| self.folder.join(name));
        let Some(path) = paths.iter().find(|path| path.is_file()) else {
            return Err(PeftError::File {
                path: self.folder.clone(),
                problem: format!("holds {PEFT_CONFIG} and no {PEFT_MODEL}"),
                mend: "fetch the whole folder".into(),
            });
        };
        Ok(WeightsFile::open(path)?)
    }

    /// What tells these adapters from all others: the hash of their weights, and one of what is said of them.
    ///
    /// # Errors
    /// As [`PeftFolder::weights`].
    pub fn key(&self) -> Result<String, PeftError> {
        Ok(format!("{} {:016x}", self.weights()?.sha256()?, tl_random::hash(&self.text)))
    }

    /// The adapters, made on a network like that of `model`.
    ///
    /// # Errors
    /// A damaged file, adapters of another network, what is not known here.
    pub fn read<B: Architecture, H: Head>(
        &self,
        model: &Model<B, H>,
    ) -> Result<AdapterRecord, PeftError> {
        let tensors = tensors(&self.weights()?)?;
        peft::read(model, &self.said, tensors).map_err(|problem| PeftError::File {
            path: self.folder.clone(),
            problem,
            mend: MEND.to_string(),
        })
    }
}

/// All tensors of a file.
pub(crate) fn tensors(file: &WeightsFile) -> Result<BTreeMap<String, Held>, PeftError> {
    let held = |name: &str| {
        let shape = file.shape(name).unwrap_or_default().to_vec();
        Ok((name.to_string(), Held { shape, values: file.values(name)? }))
    };
    file.names().map(held).collect()
}
