//! Adapters in a fitting: into the network before it, into a folder of their own after it, and back from there.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use tl_core::{Backbone, Head, Model, Plan, TokenPooling};
use tl_models::Architecture;
use tl_peft::file::{Format, OWN_FILE};
use tl_peft::{AdapterConfig, AdapterRecord, PeftFolder, attach, check_mergeable, merge, trained};

use crate::network::GPT2;
use crate::recipe::with_adapters;
use crate::record::RunRecord;
use crate::source::{Pretrained, pretrained_as};
use crate::{Error, FinetuneOptions, Network, Tuning, text_family};

/// The folder of the adapters in that of a run. `transformers` takes a folder that holds PEFT's files itself for
/// adapters and looks for their base, so that they cannot lie beside the merged weights.
pub const ADAPTER_FOLDER: &str = "adapter";

/// The key of a weights file's metadata that says that it is a base whose adapters lie beside it.
pub const BESIDE: &str = "adapters_beside";

/// The adapters of a fitting.
#[derive(Clone, Debug)]
pub(crate) struct Adapters {
    config: AdapterConfig,
    /// Stages that began fresh.
    whole: Vec<String>,
}

impl Adapters {
    /// Puts adapters into a network that was just loaded.
    pub fn put_into(
        found: &mut Pretrained,
        config: AdapterConfig,
        seed: u64,
    ) -> Result<Self, Error> {
        let whole = fresh_stages(found);
        let backbone = attach(found.model.backbone.clone(), &config, seed)?;
        found.model.backbone = backbone;
        Ok(Self { config, whole })
    }

    /// `plan` for the adapters alone. Images that are varied must run through all stages, frozen or not.
    pub fn plan(&self, plan: Plan, network: &Network, augment: bool) -> Result<Plan, Error> {
        let (selection, idle) = trained(network, &self.config, self.whole.clone());
        let idle = if augment { Vec::new() } else { idle };
        with_adapters(plan, &network.stages(), &selection, &idle)
    }

    /// Writes what was trained into the run's folder, and gives the network with it merged, where that can be done.
    pub fn finish<H: Head>(
        &self,
        folder: &Path,
        model: Model<Network, H>,
        options: &FinetuneOptions,
        purpose: Purpose,
    ) -> Result<Model<Network, H>, Error> {
        let record = AdapterRecord::of(&model, &self.config, &self.whole)?;
        let place = folder.join(ADAPTER_FOLDER);
        let format = self.format(options, purpose);
        record.save(&place, &model.backbone, format, &base_name(&options.weights))?;
        merged(model)
    }

    /// PEFT's format where it has one and transformers a class for the network.
    fn format(&self, options: &FinetuneOptions, purpose: Purpose) -> Format {
        let network = options.network.as_str();
        let texts = text_family(network).is_some() || network == GPT2;
        let task_type = match purpose {
            // The classes of texts have a pooler, or the last piece, and no mean.
            Purpose::Classes if options.patches.pooling == Some(TokenPooling::Mean) => None,
            Purpose::Classes if options.text.tokens => Some(Some("TOKEN_CLS")),
            Purpose::Classes => Some(Some("SEQ_CLS")),
            // No class of transformers makes vectors of texts by their mean.
            Purpose::Language if options.text.pairs => None,
            Purpose::Language if options.text.masked.is_none() => Some(Some("CAUSAL_LM")),
            // PEFT keeps a module with all that is tied to it, the table of pieces too.
            Purpose::Language if self.whole.iter().any(|stage| stage == "prediction") => None,
            Purpose::Language => Some(None),
        };
        match task_type.filter(|_| texts && self.config.is_known_to_peft()) {
            Some(task_type) => Format::Peft { task_type },
            None => Format::Own,
        }
    }
}

/// What a network with adapters answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Classes,
    Language,
}

/// What tells a run with adapters from others that began with the same weights: of another kind, rank or scale they go on
/// to another result.
pub(crate) fn keyed(weights_key: &str, adapters: Option<&Adapters>, tuning: &Tuning) -> String {
    let said = tuning.adapter.as_ref().filter(|_| adapters.is_some());
    said.map_or(weights_key.to_string(), |config| format!("{weights_key} {config}"))
}

/// Notes in the metadata of a file that it is a base, where the adapters of `model` are no part of the weights.
pub(crate) fn note_beside<M: Module>(model: &M, metadata: &mut BTreeMap<String, String>) {
    if check_mergeable(model).is_err() {
        metadata.insert(BESIDE.to_string(), "true".to_string());
    }
}

/// `model` with its adapters in its weights, where that can be done.
pub(crate) fn merged<H: Head>(model: Model<Network, H>) -> Result<Model<Network, H>, Error> {
    match check_mergeable(&model) {
        Ok(()) => Ok(merge(model)?.module),
        Err(_) => Ok(model),
    }
}

/// What PEFT's configuration calls the base: the repository, or the folder of the file.
fn base_name(weights: &str) -> String {
    if let Some(rest) = weights.strip_prefix("hub:") {
        let parts: Vec<&str> = rest.split('/').take(2).collect();
        return parts.join("/");
    }
    let path = Path::new(weights);
    let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
    folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()).to_string_lossy().into_owned()
}

/// The stages of which a parameter was not in the file, and those that PEFT counts to the head.
fn fresh_stages(found: &Pretrained) -> Vec<String> {
    let network = &found.model.backbone;
    let missing = found.report.as_ref().map(|report| report.missing.clone()).unwrap_or_default();
    let root = network.head_name().split('.').next().unwrap_or_default();
    let several = root != network.head_name();
    let of_head = |name: &str| several && name.split('.').next() == Some(root);
    let all = tl_core::parameters::parameters(network);
    let fresh = network.stages().into_iter().filter(|stage| {
        let mut own = all.iter().filter(|info| stage.owns(&info.path));
        own.any(|info| {
            let name = network.origin_name(&info.path);
            missing.contains(&name) || of_head(&name)
        })
    });
    fresh.map(|stage| stage.name).collect()
}

/// Whether the folder of a run holds adapters.
pub(crate) fn lie_in(folder: &Path) -> bool {
    let place = folder.join(ADAPTER_FOLDER);
    PeftFolder::lies_in(&place) || place.join(OWN_FILE).is_file()
}

/// `model`, the base of a run, with the adapters in its folder.
pub(crate) fn read<H: Head>(
    folder: &Path,
    model: Model<Network, H>,
) -> Result<Model<Network, H>, Error> {
    let record = AdapterRecord::open(&folder.join(ADAPTER_FOLDER), &model)?;
    Ok(record.apply(model)?)
}

/// The network of a run whose merged weights are gone: its base, loaded anew and made by `of` into what was fitted, with
/// its adapters merged into it.
pub(crate) fn on_base<H: Head>(
    folder: &Path,
    record: &RunRecord,
    device: &Device,
    of: impl FnOnce(Pretrained) -> Result<Model<Network, H>, Error>,
) -> Result<Model<Network, H>, Error> {
    let options = &record.options;
    // A language model has no labels, and its head is none.
    let classes = Some(record.labels.len().max(1));
    let (partial, seed) = (options.partial_weights, options.settings.seed);
    let found = pretrained_as(&options.choice(), &options.weights, classes, partial, seed, device)?;
    if found.key != record.weights_key {
        return Err(Error::Run {
            path: folder.to_path_buf(),
            problem: format!("has adapters for other weights than {} holds now", options.weights),
            mend: "put the weights back that the run began with",
        });
    }
    merged(read(folder, of(found)?)?)
}
