//! The folder of an adapter: `adapter_config.json` and `adapter_model.safetensors` as PEFT has them, or one
//! `adapter.safetensors` of our own.
//!
//! Of our own the tensors bear their paths in the classifier (`backbone.layers.0.outer.adapter.bottleneck.down`), and the
//! metadata's key `adapter` holds JSON: `schema`, `network`, `config`, `whole`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tl_core::{Head, Model};
use tl_models::Architecture;
use tl_models::weights::{WeightsFile, save_safetensors};

use crate::folder::{PeftFolder, tensors};
use crate::record::{AdapterRecord, Held};
use crate::{AdapterConfig, PeftError, peft};

/// PEFT's files.
pub const PEFT_CONFIG: &str = "adapter_config.json";
pub const PEFT_MODEL: &str = "adapter_model.safetensors";
/// Ours.
pub const OWN_FILE: &str = "adapter.safetensors";

/// The version of our format.
const SCHEMA: u32 = 1;

/// Which files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// With what PEFT calls the task: `SEQ_CLS` for a class for each text, `TOKEN_CLS` for each word, `CAUSAL_LM` for a
    /// language model; nothing where it has no word for it.
    Peft {
        task_type: Option<&'static str>,
    },
    Own,
}

/// The head of our format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    schema: u32,
    network: String,
    config: AdapterConfig,
    whole: Vec<String>,
    scalings: BTreeMap<String, f64>,
}

impl AdapterRecord {
    /// Writes the folder; `base` is what PEFT's configuration calls the base.
    ///
    /// # Errors
    /// A kind that PEFT does not know in its format; a folder that cannot be written.
    pub fn save<B: Architecture>(
        &self,
        folder: &Path,
        backbone: &B,
        format: Format,
        base: &str,
    ) -> Result<(), PeftError> {
        let fault = |problem: String, mend: &str| PeftError::File {
            path: folder.to_path_buf(),
            problem,
            mend: mend.to_string(),
        };
        let unwritable = |error: std::io::Error| fault(error.to_string(), "give another folder");
        std::fs::create_dir_all(folder).map_err(unwritable)?;
        let triple = |(name, held): (String, Held)| (name, held.shape, held.values);
        let metadata = |key: &str, value: String| BTreeMap::from([(key.to_string(), value)]);
        let Format::Peft { task_type } = format else {
            let header = Header {
                schema: SCHEMA,
                network: backbone.name().to_string(),
                config: self.config.clone(),
                whole: self.whole.clone(),
                scalings: self.scalings.clone(),
            };
            let header = serde_json::to_string(&header).unwrap_or_default();
            let tensors: Vec<_> = self.tensors.clone().into_iter().map(triple).collect();
            let path = folder.join(OWN_FILE);
            return Ok(save_safetensors(&path, &tensors, &[], &metadata("adapter", header))?);
        };
        if !self.config.is_known_to_peft() {
            let problem = format!("PEFT has no format for {}", self.config.kind());
            return Err(fault(problem, "write it in the format of our own"));
        }
        let (tensors, config) = peft::written(self, backbone, (base, task_type));
        let tensors: Vec<_> = tensors.into_iter().map(triple).collect();
        let path = folder.join(PEFT_MODEL);
        save_safetensors(&path, &tensors, &[], &metadata("format", "pt".into()))?;
        let text = serde_json::to_string_pretty(&config).unwrap_or_default();
        std::fs::write(folder.join(PEFT_CONFIG), text).map_err(unwritable)
    }

    /// Reads a folder of either format, made on a network like that of `model`.
    ///
    /// # Errors
    /// A folder without an adapter, a damaged file, one of another network, kind or later version.
    pub fn open<B: Architecture, H: Head>(
        folder: &Path,
        model: &Model<B, H>,
    ) -> Result<Self, PeftError> {
        if PeftFolder::lies_in(folder) {
            return PeftFolder::open(folder)?.read(model);
        }
        let own = folder.join(OWN_FILE);
        let fault = |path: &Path, problem: String, mend: &str| PeftError::File {
            path: path.to_path_buf(),
            problem,
            mend: mend.to_string(),
        };
        if !own.is_file() {
            let problem = format!("holds neither {PEFT_CONFIG} nor {OWN_FILE}");
            return Err(fault(folder, problem, "give the folder of an adapter"));
        }
        let file = WeightsFile::open(&own)?;
        let header =
            file.metadata().get("adapter").map(|text| serde_json::from_str::<Header>(text));
        let header = match header {
            Some(Ok(header)) => header,
            Some(Err(reason)) => {
                let problem = format!("has a header of another kind ({reason})");
                return Err(fault(&own, problem, "fetch the file anew"));
            }
            None => return Err(fault(&own, "is no adapter".into(), "give the file of one")),
        };
        if header.schema > SCHEMA {
            let problem = format!("has schema {}, this program reads {SCHEMA}", header.schema);
            return Err(fault(&own, problem, "use a newer program"));
        }
        let network = model.backbone.name();
        if header.network != network {
            let problem = format!("was made on {}, not on {network}", header.network);
            return Err(fault(&own, problem, "give the network that it was made on"));
        }
        header.config.validate()?;
        let Header { config, whole, scalings, .. } = header;
        let (tensors, passed_over) = (tensors(&file)?, Vec::new());
        Ok(Self { config, whole, tensors, scalings, passed_over })
    }
}
