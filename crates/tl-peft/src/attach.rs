//! Adapters into a network and out of it, and what a plan then trains.

use std::collections::HashMap;

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{parameters, visit_parameters};
use tl_core::{Backbone, Trained};
use tl_kernels::adapter::{Adapter, Site, SiteKind, replace};

use crate::config::{AdapterConfig, Lora};
use crate::targets::{Layer, adapted, chosen, convolutions, kinds, layers, usual};
use crate::{PeftError, bitfit, bottleneck, dora, ia3, lora, prompt};

/// `backbone`, which lies on the plain device, with adapters as they begin for `seed`: each changes nothing at first,
/// save a prompt. Its weights keep their bits and their identities.
///
/// # Errors
/// Numbers that make no sense, a target that matches no layer, a layer that the adapter cannot stand at.
pub fn attach<B: Backbone>(backbone: B, config: &AdapterConfig, seed: u64) -> Result<B, PeftError> {
    config.validate()?;
    let all = layers(&backbone);
    let device = plain_device(&backbone);
    let changes: HashMap<String, Option<Adapter>> = match config {
        AdapterConfig::Bitfit => return Ok(backbone),
        AdapterConfig::Prompt(prompt) => prompt::begin(&backbone, prompt.tokens, seed, &device)?,
        AdapterConfig::Lora(config) => low_rank(&backbone, config, &all, seed, &device)?,
        AdapterConfig::Bottleneck(config) => {
            let found = usual_or(&backbone, &all, &config.targets, bottleneck::USUAL)?;
            let begin = |layer: &Layer| bottleneck::begin(config.width, layer, seed, &device);
            found.iter().map(|layer| (layer.path.clone(), Some(begin(layer)))).collect()
        }
        AdapterConfig::Ia3(config) => {
            let config = ia3::filled(config, &all);
            let mut changes = HashMap::new();
            for (targets, on_input) in [(&config.targets, false), (&config.feedforward, true)] {
                for layer in chosen(&backbone, &all, targets)? {
                    let adapter = ia3::begin(&layer, on_input, &device)?;
                    changes.insert(layer.path, Some(adapter));
                }
            }
            if changes.is_empty() {
                return Err(PeftError::Config {
                    text: "ia3".into(),
                    problem: "knows no usual layers of this network".into(),
                    mend: "give targets or feedforward".into(),
                });
            }
            changes
        }
    };
    Ok(replace(backbone, changes))
}

fn low_rank<B: Backbone>(
    backbone: &B,
    config: &Lora,
    all: &[Layer],
    seed: u64,
    device: &Device,
) -> Result<HashMap<String, Option<Adapter>>, PeftError> {
    let found = usual_or(backbone, all, &config.targets, lora::USUAL)?;
    let mut changes = HashMap::new();
    for layer in &found {
        check_low_rank(&layer.path, &layer.site, config.dora)?;
        let path = lora::begin(config, &layer.path, &layer.site, seed, device);
        changes.insert(layer.path.clone(), path);
    }
    if config.dora {
        visit_parameters(backbone, |info, weight| {
            let layer = info.path.strip_suffix(".weight").unwrap_or_default();
            if let (Some(path), [output, input]) = (changes.remove(layer), info.shape.as_slice()) {
                let path = dora::begin(path, weight.reshape([*output, *input]));
                changes.insert(layer.to_string(), path);
            }
        });
    }
    let hold = |path| Adapter { low_rank: Some(path), ..Adapter::default() };
    Ok(changes.into_iter().map(|(layer, path)| (layer, Some(hold(path)))).collect())
}

pub(crate) fn check_low_rank(path: &str, site: &Site, dora: bool) -> Result<(), PeftError> {
    let fault = |problem: String, mend| PeftError::WrongSite {
        kind: if dora { "dora" } else { "lora" },
        layer: path.to_string(),
        problem,
        mend,
    };
    if site.groups > 1 {
        let problem = format!("a convolution of {} groups", site.groups);
        return Err(fault(problem, "give targets without it"));
    }
    if dora && site.kind == SiteKind::Convolution {
        return Err(fault("a convolution".into(), "give lora, or targets that are linear layers"));
    }
    Ok(())
}

/// The layers that `targets` choose; without any those that `preferred` does, or else convolutions.
fn usual_or<B: Backbone>(
    backbone: &B,
    all: &[Layer],
    targets: &[String],
    preferred: &[&[&str]],
) -> Result<Vec<Layer>, PeftError> {
    if !targets.is_empty() {
        return chosen(backbone, all, targets);
    }
    if let Some(names) = usual(all, preferred) {
        return chosen(backbone, all, &names);
    }
    match convolutions(all) {
        found if found.is_empty() => Err(PeftError::Config {
            text: "these adapters".into(),
            problem: format!(
                "know no usual layers of this network, which has {}",
                kinds(all).join(", ")
            ),
            mend: "give targets".into(),
        }),
        found => Ok(found),
    }
}

/// `module` with every slot empty: the network as it was before.
pub fn detach<M: Module>(module: M) -> M {
    let changes = adapted(&module).into_iter().map(|path| (path, None)).collect();
    replace(module, changes)
}

/// What a phase trains of a backbone with adapters, and the names of the stages in which that is nothing.
///
/// The stages `whole` are trained as they are: those that began fresh.
pub fn trained<B: Backbone>(
    backbone: &B,
    config: &AdapterConfig,
    whole: Vec<String>,
) -> (Trained, Vec<String>) {
    let trained = match config {
        AdapterConfig::Bitfit => bitfit::trained(whole),
        _ => Trained::Adapters { whole },
    };
    let all = parameters(backbone);
    let idle = backbone.stages().into_iter().filter(|stage| {
        let selected = |path: &str| stage.owns(path) && trained.selects(path);
        !trained.is_whole(&stage.name) && !all.iter().any(|info| selected(&info.path))
    });
    let idle = idle.map(|stage| stage.name).collect();
    (trained, idle)
}

/// Where the parameters of `module` lie, without autodiff.
pub(crate) fn plain_device<M: Module>(module: &M) -> Device {
    let found = module.devices().into_iter().next();
    found.map(Device::without_autodiff).unwrap_or_default()
}
