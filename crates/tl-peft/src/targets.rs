//! Which layers get an adapter.
//!
//! A target is a regular expression over the end of a layer's path, from a point on: `query`, `layers\.[01]\.value`.
//! In front of it, before a `/`, may stand one over the whole name of its stage: `layer.5/query`.

use std::collections::BTreeSet;

use burn::module::Module;
use tl_core::{Backbone, Pattern, Stage};
use tl_kernels::adapter::{Site, SiteKind, sites};

use crate::PeftError;

/// A layer that may get an adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its path in the backbone (`layers.0.query`).
    pub path: String,
    pub site: Site,
    /// The place of its stage.
    pub stage: usize,
}

/// The layers of `backbone` in the order of its fields, tables left out.
pub fn layers<B: Backbone>(backbone: &B) -> Vec<Layer> {
    let stages = backbone.stages();
    let open = |kind| matches!(kind, SiteKind::Linear | SiteKind::Convolution);
    let found = sites(backbone).into_iter().filter(|(_, site, _)| open(site.kind));
    found
        .map(|(path, site, _)| {
            let stage = stage_of(&stages, &path);
            Layer { path, site, stage }
        })
        .collect()
}

fn stage_of(stages: &[Stage], path: &str) -> usize {
    stages.iter().position(|stage| stage.owns(path)).unwrap_or(0)
}

/// Those of `all` that one of `targets` matches.
///
/// # Errors
/// A target that matches nothing, or is no regular expression.
pub fn chosen<B: Backbone>(
    backbone: &B,
    all: &[Layer],
    targets: &[String],
) -> Result<Vec<Layer>, PeftError> {
    let stages = backbone.stages();
    let mut taken = vec![false; all.len()];
    for target in targets {
        let (stage, layer) = match target.split_once('/') {
            Some((stage, layer)) => (Some(Pattern::whole(stage)?), layer),
            None => (None, target.as_str()),
        };
        let layer = Pattern::tail(layer)?;
        let mut any = false;
        for (place, candidate) in all.iter().enumerate() {
            let name = stages.get(candidate.stage).map_or("", |stage| &stage.name);
            if stage.as_ref().is_none_or(|stage| stage.matches(name))
                && layer.matches(&candidate.path)
            {
                (taken[place], any) = (true, true);
            }
        }
        if !any {
            return Err(PeftError::NoTarget { target: target.clone(), layers: kinds(all) });
        }
    }
    let kept = all.iter().zip(taken).filter(|(_, taken)| *taken);
    Ok(kept.map(|(layer, _)| layer.clone()).collect())
}

/// The paths of layers, those that differ in numbers alone told once.
pub(crate) fn kinds(all: &[Layer]) -> Vec<String> {
    let numbered = |path: &str| {
        let parts = path.split('.');
        let shown = parts.map(|part| if part.parse::<usize>().is_ok() { "*" } else { part });
        shown.collect::<Vec<_>>().join(".")
    };
    let kinds: BTreeSet<String> = all.iter().map(|layer| numbered(&layer.path)).collect();
    kinds.into_iter().collect()
}

/// The first of `preferred` of which every name ends some layer's path; nothing where none does.
pub(crate) fn usual<'a>(all: &[Layer], preferred: &[&'a [&'a str]]) -> Option<Vec<String>> {
    let ends = |name: &str| {
        let tail = format!(".{name}");
        all.iter().any(|layer| layer.path == name || layer.path.ends_with(&tail))
    };
    let found = preferred.iter().find(|names| names.iter().all(|name| ends(name)))?;
    Some(found.iter().map(|name| name.to_string()).collect())
}

/// The ungrouped convolutions behind the first stage: what a convolutional network is adapted at.
pub(crate) fn convolutions(all: &[Layer]) -> Vec<Layer> {
    let kept = all.iter().filter(|layer| {
        layer.site.kind == SiteKind::Convolution && layer.site.groups == 1 && layer.stage > 0
    });
    kept.cloned().collect()
}

/// The paths of layers of `module` that hold an adapter.
pub fn adapted<M: Module>(module: &M) -> Vec<String> {
    let all = sites(module).into_iter();
    all.filter_map(|(path, _, adapter)| adapter.map(|_| path)).collect()
}
