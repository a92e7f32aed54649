//! Recipes: how a network is tuned, as plans.

use serde::{Deserialize, Serialize};
use tl_core::{Freeze, NormPolicy, Phase, Plan, Solver};

use crate::Error;

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
}

impl Recipe {
    /// All recipes by name.
    pub const ALL: [(&'static str, Recipe); 4] = [
        ("auto", Recipe::Auto),
        ("probe", Recipe::Probe),
        ("finetune", Recipe::Finetune),
        ("gradual", Recipe::Gradual),
    ];
}

/// What may be said about a plan without writing one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    pub recipe: Recipe,
    /// Epochs of training by gradient; by the size of the data where it is not given. A probe without
    /// it is trained to convergence.
    pub epochs: Option<usize>,
    /// The head's learning rate; the stages get three tenths of it.
    pub learning_rate: Option<f64>,
    /// Each stage nearer to the input gets its successor's rate times this.
    pub layer_decay: Option<f64>,
    /// The stages up to and with this one stay frozen.
    pub freeze_through: Option<String>,
    /// The stages whose whole name matches this regular expression stay frozen.
    pub freeze_matching: Option<String>,
    pub norm: Option<NormPolicy>,
    /// The largest norm of all gradients together.
    pub clip_norm: Option<f64>,
    /// Whether training images are cut and mirrored at random.
    pub augment: bool,
}

/// The head's rate where none is given, and the stages' share of it.
const RATE: f64 = 1e-3;
const BODY_SHARE: f64 = 0.3;
/// How many unfreezings a gradual recipe makes.
const UNFREEZINGS: usize = 3;

impl Tuning {
    /// The plan for a network with these stages and `images` training images.
    ///
    /// # Errors
    /// Settings that exclude each other. Whether stages exist and numbers make sense is checked when the
    /// plan is laid over the network.
    pub fn plan(&self, stages: &[String], images: usize) -> Result<Plan, Error> {
        if self.freeze_through.is_some() && self.freeze_matching.is_some() {
            return Err(Error::options(
                "stages are frozen both through a name and by a pattern",
                "give one of --freeze-through and --freeze-matching",
            ));
        }
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
            Recipe::Gradual => Plan::gradual(stages, epochs, UNFREEZINGS),
        };
        Ok(plan.each(|phase| self.apply(phase)))
    }

    fn apply(&self, mut phase: Phase) -> Phase {
        let rate = self.learning_rate.unwrap_or(RATE);
        phase = phase.rates(rate, rate * BODY_SHARE);
        if let Some(decay) = self.layer_decay {
            phase = phase.layer_decay(decay);
        }
        if let Some(policy) = self.norm {
            phase = phase.norm(policy);
        }
        phase.clip_norm = self.clip_norm;
        if phase.freeze == Freeze::Nothing {
            if let Some(stage) = &self.freeze_through {
                phase = phase.freeze_through(stage);
            }
            if let Some(pattern) = &self.freeze_matching {
                phase = phase.freeze_matching(pattern);
            }
        }
        let by_gradient = phase.solver == Solver::Gradient;
        phase.augment(self.augment && by_gradient)
    }
}
