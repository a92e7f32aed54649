//! From a phase and a network's stages to what holds for each stage.

use burn::module::Module;

use super::{Freeze, NormPolicy, Phase, Trained};
use crate::parameters::{Control, is_statistic, set_trained};
use crate::pattern::Pattern;
use crate::{Backbone, CoreError, HEAD, Head, Model, OptimizerConfig, Stage};

/// What holds for one stage (or the head) in one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct StageSetting {
    pub name: String,
    /// Whether it is trained; if not, it is frozen whole.
    pub trained: bool,
    /// The learning rate at a schedule's factor of 1; 0 when frozen.
    pub rate: f64,
    /// Whether running statistics move.
    pub statistics_move: bool,
}

/// A phase, laid over the stages of a network.
#[derive(Clone, Debug)]
pub struct ResolvedPhase {
    pub phase: Phase,
    /// One for each stage in order, and the head's at the end.
    pub settings: Vec<StageSetting>,
    /// How many leading stages are frozen: the prefix that runs on the plain device.
    pub cut: usize,
    stages: Vec<Stage>,
    weight_decay: f64,
}

/// The learning rate and weight decay of one parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterRates {
    pub rate: f64,
    pub weight_decay: f64,
}

impl ResolvedPhase {
    /// The setting for a parameter or flag of a [`Model`], by its path (`backbone.…`, `head.…`).
    pub fn setting(&self, path: &str) -> Option<&StageSetting> {
        match path.strip_prefix("backbone.") {
            Some(inner) => {
                let stage = self.stages.iter().position(|stage| stage.owns(inner))?;
                self.settings.get(stage)
            }
            None => self.settings.last(),
        }
    }

    /// Whether the parameter at `path` of a [`Model`] is trained.
    pub fn trains(&self, path: &str) -> bool {
        let Some(setting) = self.setting(path) else { return false };
        let trained = &self.phase.trained;
        setting.trained
            && !is_statistic(path)
            && (!path.starts_with("backbone.")
                || trained.is_whole(&setting.name)
                || trained.selects(path))
    }

    /// Rate and decay of a parameter with `rank` dimensions: norms and biases, which have one, do not
    /// decay.
    pub fn rates(&self, path: &str, rank: usize) -> ParameterRates {
        ParameterRates {
            rate: self.setting(path).map_or(0.0, |setting| setting.rate),
            weight_decay: if rank > 1 { self.weight_decay } else { 0.0 },
        }
    }
}

pub(super) fn resolve(
    phase: &Phase,
    optimizer: &OptimizerConfig,
    stages: &[Stage],
) -> Result<ResolvedPhase, CoreError> {
    phase.validate()?;
    let names: Vec<String> = stages.iter().map(|stage| stage.name.clone()).collect();
    let position = |name: &str| {
        names.iter().position(|known| known == name).ok_or_else(|| CoreError::UnknownStage {
            name: name.to_string(),
            stages: names.clone(),
        })
    };
    for stage in phase.rates.stages.keys().filter(|stage| *stage != HEAD) {
        position(stage)?;
    }
    if let Trained::Adapters { whole } | Trained::Biases { whole } = &phase.trained {
        whole.iter().try_for_each(|stage| position(stage).map(|_| ()))?;
    }
    let frozen: Vec<bool> = match &phase.freeze {
        Freeze::Nothing => vec![false; names.len()],
        Freeze::Backbone => vec![true; names.len()],
        Freeze::Through(name) => {
            let last = position(name)?;
            (0..names.len()).map(|stage| stage <= last).collect()
        }
        Freeze::Before(name) => {
            let first = position(name)?;
            (0..names.len()).map(|stage| stage < first).collect()
        }
        Freeze::Matching(patterns) => matching(patterns, &names)?,
    };
    let rates = &phase.rates;
    let mut settings: Vec<StageSetting> = names
        .iter()
        .enumerate()
        .map(|(stage, name)| {
            let decayed = rates.body * rates.layer_decay.powi((names.len() - 1 - stage) as i32);
            let rate = rates.stages.get(name).copied().unwrap_or(decayed);
            let norm = match phase.trained.is_whole(name) {
                true => phase.norm,
                false => NormPolicy::Frozen,
            };
            setting(name, !frozen[stage], rate, norm)
        })
        .collect();
    let head = rates.stages.get(HEAD).copied().unwrap_or(rates.head);
    settings.push(setting(HEAD, true, head, phase.norm));
    Ok(ResolvedPhase {
        phase: phase.clone(),
        cut: frozen.iter().take_while(|frozen| **frozen).count(),
        settings,
        stages: stages.to_vec(),
        weight_decay: optimizer.weight_decay(),
    })
}

fn setting(name: &str, trained: bool, rate: f64, norm: NormPolicy) -> StageSetting {
    StageSetting {
        name: name.to_string(),
        trained,
        rate: if trained { rate } else { 0.0 },
        statistics_move: trained && norm == NormPolicy::Train,
    }
}

fn matching(patterns: &[String], names: &[String]) -> Result<Vec<bool>, CoreError> {
    let mut frozen = vec![false; names.len()];
    for pattern in patterns {
        let whole = Pattern::whole(pattern)?;
        let mut found = false;
        for (stage, name) in names.iter().enumerate() {
            if whole.matches(name) {
                frozen[stage] = true;
                found = true;
            }
        }
        if !found {
            return Err(CoreError::PatternMatchesNothing {
                pattern: pattern.clone(),
                stages: names.to_vec(),
            });
        }
    }
    Ok(frozen)
}

/// Sets every gradient and every `training` flag of `model` to what `phase` says, whatever they were:
/// after a load, a resume or another phase.
///
/// A frozen stage is frozen whole. In a trained stage the norms' flags follow the norm policy, all
/// other flags (dropout) are on.
pub fn apply<B: Backbone, H: Head>(phase: &ResolvedPhase, model: Model<B, H>) -> Model<B, H> {
    let norms = norm_modules(&model);
    set_trained(model, |path, control| {
        let Some(setting) = phase.setting(path) else {
            return false;
        };
        match control {
            Control::Gradient => phase.trains(path),
            Control::Flag => {
                let module = path.rsplit_once('.').map_or("", |(module, _)| module);
                if norms.contains(module) { setting.statistics_move } else { setting.trained }
            }
        }
    })
}

/// The paths of the modules that hold running statistics.
fn norm_modules<M: Module>(module: &M) -> std::collections::HashSet<String> {
    crate::parameters::parameters(module)
        .into_iter()
        .filter_map(|info| info.path.strip_suffix(".running_mean").map(str::to_string))
        .collect()
}
