//! Recipes: how a network is tuned, as plans.

use serde::{Deserialize, Serialize};
use tl_core::{Freeze, NormPolicy, Phase, Plan, Regulariser, Solver, Stage, Trained};

use tl_data::Augment;
use tl_peft::AdapterConfig;

use crate::Error;
use crate::finetune::augment;

/// How a network is tuned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// A probe, then every stage from there; the validation part chooses the epoch that is kept, the
    /// probe among them.
    #[default]
    Auto,
    /// A new head on frozen stages.
    Probe,
    /// Every stage and a new head.
    Finetune,
    /// A probe, then stage after stage from the last to the first.
    Gradual,
    /// Adapters in frozen stages and a new head.
    Lora,
}

impl Recipe {
    /// All recipes by name.
    pub const ALL: [(&'static str, Recipe); 5] = [
        ("auto", Recipe::Auto),
        ("probe", Recipe::Probe),
        ("finetune", Recipe::Finetune),
        ("gradual", Recipe::Gradual),
        ("lora", Recipe::Lora),
    ];
}

/// What may be said about a plan without writing one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    pub recipe: Recipe,
    /// Which adapters, and where; LoRA as PEFT has it where the recipe is of adapters and nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterConfig>,
    /// Epochs of training by gradient; by the size of the data where it is not given. A probe without
    /// it is trained to convergence.
    pub epochs: Option<usize>,
    /// The rate of a new head; the stages, and a head that a probe has found, get three tenths of it.
    pub learning_rate: Option<f64>,
    /// Each stage nearer to the input gets its successor's rate times this.
    pub layer_decay: Option<f64>,
    /// The stages up to and with this one stay frozen.
    pub freeze_through: Option<String>,
    /// The stages whose whole name matches this regular expression stay frozen.
    pub freeze_matching: Option<String>,
    /// What norms of trained stages do with their statistics; where it is not given they stay, or
    /// move if the weights are random.
    pub norm: Option<NormPolicy>,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// The share of a label that is spread over all classes, in phases by gradient; those of the recipe where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_smoothing: Option<f64>,
    /// Whether training images are varied at random.
    pub augment: bool,
    /// How; cut and mirrored where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augment>,
    /// What is added to the loss in phases that train stages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<Regulariser>,
}

/// The head's rate where none is given, and the stages' share of it.
const RATE: f64 = 1e-3;
const BODY_SHARE: f64 = 0.3;
/// How many unfreezings a gradual recipe makes.
const UNFREEZINGS: usize = 3;

/// The same for text encoders, whose stages stand nearer to where they should be.
pub(crate) const TEXT_RATE: f64 = 1e-4;
/// Of adapters in them and of the head, which begin at nothing.
const TEXT_ADAPTER_RATE: f64 = 1e-3;
/// Of recurrent networks, which take larger steps.
const RECURRENT_RATE: f64 = 2e-3;

impl Tuning {
    /// What is usual for networks of texts, where nothing else was said, for so many training texts; a `fresh` one has
    /// nothing that a probe could stand on, and all to learn.
    pub(crate) fn for_texts(mut self, texts: usize, recurrent: bool, fresh: bool) -> Self {
        if fresh && self.recipe == Recipe::Auto {
            self.recipe = Recipe::Finetune;
        }
        self.learning_rate.get_or_insert(match self.recipe {
            Recipe::Lora => TEXT_ADAPTER_RATE,
            _ if recurrent => RECURRENT_RATE,
            _ => TEXT_RATE,
        });
        if self.recipe != Recipe::Probe {
            let times = if fresh { 3 } else { 1 };
            self.epochs.get_or_insert(match texts {
                0..=100 => 20 * times,
                101..=500 => 10 * times,
                _ => 3 * times,
            });
        }
        self
    }

    /// How training images are varied.
    pub fn varied(&self) -> Augment {
        match (self.augment, &self.augmentation) {
            (true, Some(augment)) => augment.clone(),
            (wanted, _) => augment(wanted),
        }
    }

    /// The adapters that are asked for.
    ///
    /// # Errors
    /// Adapters beside a recipe that trains none.
    pub fn adapters(&self) -> Result<Option<AdapterConfig>, Error> {
        match (self.recipe, &self.adapter) {
            (Recipe::Lora, adapter) => Ok(Some(adapter.clone().unwrap_or_default())),
            (_, None) => Ok(None),
            (_, Some(adapter)) => Err(Error::options(
                format!("the adapter {adapter} has no place in a recipe of whole stages"),
                "give --recipe lora with it, or leave out --adapter",
            )),
        }
    }

    /// The plan for a network with these stages and `images` training images.
    ///
    /// # Errors
    /// Settings that exclude each other, a stage that does not exist, a pattern that matches nothing.
    /// Whether numbers make sense is checked when the plan is laid over the network.
    pub fn plan(&self, stages: &[Stage], images: usize) -> Result<Plan, Error> {
        if self.freeze_through.is_some() && self.freeze_matching.is_some() {
            return Err(Error::options(
                "stages are frozen both through a name and by a pattern",
                "give one of --freeze-through and --freeze",
            ));
        }
        if self.epochs == Some(0) {
            return Err(Error::options("0 epochs train nothing", "give --epochs from 1"));
        }
        if let (Recipe::Probe, [first, ..]) = (self.recipe, &self.regularisers[..]) {
            return Err(Error::options(
                format!("{} says nothing to a probe, which trains no stage", first.kind()),
                "leave out --regularise, or give --recipe finetune",
            ));
        }
        let frozen = self.frozen(stages)?;
        let names: Vec<String> = stages.iter().map(|stage| stage.name.clone()).collect();
        let epochs = self.epochs.unwrap_or(match images {
            0..=100 => 30,
            101..=500 => 20,
            _ => 10,
        });
        let plan = match self.recipe {
            Recipe::Auto => Plan::probe_then_finetune(epochs),
            Recipe::Probe => match self.epochs {
                Some(epochs) => Plan::new(vec![Phase::probe(epochs)]),
                None => Plan::probe(),
            },
            Recipe::Finetune => Plan::new(vec![Phase::finetune(epochs)]),
            Recipe::Gradual => Plan::gradual(&names, epochs, UNFREEZINGS),
            Recipe::Lora => Plan::new(vec![Phase::finetune(epochs).named("adapters")]),
        };
        Ok(plan.each(|phase| self.apply(phase, &frozen, &names)))
    }

    /// The stages that stay frozen in every phase, found also for a recipe that freezes all of them
    /// anyway, so that a wrong name never goes unnoticed.
    fn frozen(&self, stages: &[Stage]) -> Result<Vec<bool>, Error> {
        let mut phase = Phase::finetune(1);
        if let Some(stage) = &self.freeze_through {
            phase = phase.freeze_through(stage);
        }
        if let Some(pattern) = &self.freeze_matching {
            phase = phase.freeze_matching(pattern);
        }
        let resolved = Plan::new(vec![phase]).resolve(stages)?;
        let settings = resolved.into_iter().flat_map(|phase| phase.settings);
        Ok(settings.take(stages.len()).map(|setting| !setting.trained).collect())
    }

    fn apply(&self, mut phase: Phase, frozen: &[bool], names: &[String]) -> Phase {
        let rate = self.learning_rate.unwrap_or(RATE);
        // A head that a probe has found already needs no more speed than the stages.
        let solved = self.recipe == Recipe::Auto;
        let head = if solved { rate * BODY_SHARE } else { rate };
        // Adapters begin as fresh as the head.
        let share = if self.recipe == Recipe::Lora { 1.0 } else { BODY_SHARE };
        phase = phase.rates(head, rate * share);
        if let Some(decay) = self.layer_decay {
            phase = phase.layer_decay(decay);
        }
        if let Some(policy) = self.norm {
            phase = phase.norm(policy);
        }
        phase.clip_norm = self.clip_norm;
        if phase.freeze != Freeze::Backbone {
            phase.regularisers.clone_from(&self.regularisers);
        }
        match &phase.freeze {
            Freeze::Nothing => {
                if let Some(stage) = &self.freeze_through {
                    phase = phase.freeze_through(stage);
                }
                if let Some(pattern) = &self.freeze_matching {
                    phase = phase.freeze_matching(pattern);
                }
            }
            // A phase that freezes the stages before one keeps those frozen that lie behind it.
            Freeze::Before(first) if frozen.contains(&true) => {
                let first = names.iter().position(|name| name == first).unwrap_or(0);
                let kept = (0..names.len()).filter(|&stage| stage < first || frozen[stage]);
                let patterns = kept.map(|stage| literal(&names[stage])).collect();
                phase.freeze = Freeze::Matching(patterns);
            }
            _ => {}
        }
        let by_gradient = phase.solver == Solver::Gradient;
        if let Some(share) = self.label_smoothing.filter(|_| by_gradient) {
            phase = phase.label_smoothing(share);
        }
        phase.augment(self.augment && by_gradient)
    }
}

/// `plan` with `trained` alone in its phases, and the stages `idle`, in which that is nothing, frozen whole.
pub(crate) fn with_adapters(
    plan: Plan,
    stages: &[Stage],
    trained: &Trained,
    idle: &[String],
) -> Result<Plan, Error> {
    let mut resolved = plan.resolve(stages)?.into_iter();
    let change = |phase: Phase| {
        let settings = resolved.next().map(|phase| phase.settings).unwrap_or_default();
        let frozen = settings.iter().filter(|setting| !setting.trained).map(|it| &it.name);
        let kept: Vec<String> = frozen.chain(idle).map(|name| literal(name)).collect();
        let phase = phase.trained(trained.clone());
        if kept.is_empty() { phase } else { Phase { freeze: Freeze::Matching(kept), ..phase } }
    };
    let phases = plan.phases.into_iter().map(change).collect();
    Ok(Plan { phases, ..plan })
}

/// A regular expression that matches `name` alone.
fn literal(name: &str) -> String {
    name.chars()
        .map(
            |c| {
                if c.is_ascii_alphanumeric() || c == '_' { c.to_string() } else { format!("\\{c}") }
            },
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages() -> Vec<Stage> {
        ["a.0", "a.1", "a.2", "a.3", "a.4", "a.5"].map(|name| Stage::new(name, &[name])).into()
    }

    fn trained(tuning: &Tuning) -> Vec<Vec<bool>> {
        let plan = tuning.plan(&stages(), 50).unwrap();
        let phases = plan.resolve(&stages()).unwrap();
        let of = |phase: tl_core::ResolvedPhase| {
            phase.settings.iter().take(6).map(|setting| setting.trained).collect()
        };
        phases.into_iter().map(of).collect()
    }

    #[test]
    fn a_stage_that_stays_frozen_is_frozen_in_every_phase() {
        let gradual = Tuning { recipe: Recipe::Gradual, ..Tuning::default() };
        let through = Tuning { freeze_through: Some("a.4".into()), ..gradual.clone() };
        let last = vec![false, false, false, false, false, true];
        assert_eq!(trained(&through)[1..], [last.clone(), last.clone(), last]);
        let matching = Tuning { freeze_matching: Some("a.[15]".into()), ..gradual };
        assert_eq!(
            trained(&matching)[1..],
            [
                vec![false, false, false, false, true, false],
                vec![false, false, true, true, true, false],
                vec![true, false, true, true, true, false],
            ]
        );
    }

    #[test]
    fn a_wrong_stage_is_told_also_where_the_recipe_freezes_everything() {
        for (_, recipe) in Recipe::ALL {
            let through = Tuning { recipe, freeze_through: Some("b".into()), ..Tuning::default() };
            let error = through.plan(&stages(), 50).unwrap_err().to_string();
            assert!(
                error.contains("no stage is called \"b\"; the stages are: a.0, a.1"),
                "{error}"
            );
            let matching =
                Tuning { recipe, freeze_matching: Some("b".into()), ..Tuning::default() };
            let error = matching.plan(&stages(), 50).unwrap_err().to_string();
            assert!(error.contains("\"b\" matches no stage"), "{error}");
        }
    }
}
