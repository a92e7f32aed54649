//! A plan: what happens to each stage, phase after phase, as a value.

mod phase;
mod regulariser;
mod report;
mod resolve;

pub use phase::{Freeze, NormPolicy, Phase, Rates, Solver, Trained};
pub use regulariser::{Pick, Regulariser};
pub use report::{PhaseReport, PhaseTime, StageRow, TrainableReport};
pub use resolve::{ParameterRates, ResolvedPhase, StageSetting, apply};

use serde::{Deserialize, Serialize};

use crate::{CoreError, OptimizerConfig, Stage};

/// The version of the written form of a [`Plan`].
pub const PLAN_SCHEMA: u32 = 1;

/// A list of phases over one network and one optimizer.
///
/// ```
/// use tl_core::{Phase, Plan};
///
/// let plan = Plan::new(vec![
///     Phase::probe(3),                                       // a new head on frozen stages
///     Phase::finetune(8).from("layer3").layer_decay(0.7),    // earlier stages stay frozen
/// ]);
/// assert_eq!(plan.phases.len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA`] of the program that wrote it.
    pub schema: u32,
    /// The optimizer of all phases: its moments outlive every unfreezing.
    pub optimizer: OptimizerConfig,
    /// What happens, in order.
    pub phases: Vec<Phase>,
}

impl Plan {
    /// A plan with AdamW.
    pub fn new(phases: Vec<Phase>) -> Self {
        Self { schema: PLAN_SCHEMA, optimizer: OptimizerConfig::default(), phases }
    }

    /// The same plan with another optimizer.
    pub fn optimizer(mut self, optimizer: OptimizerConfig) -> Self {
        self.optimizer = optimizer;
        self
    }

    /// Every stage frozen, a new head trained to convergence.
    pub fn probe() -> Self {
        Self::new(vec![Phase::probe(1).solver(Solver::LogisticRegression)])
    }

    /// A head on frozen stages first, then everything (Kumar et al. 2022, LP-FT).
    pub fn probe_then_finetune(epochs: usize) -> Self {
        Self::new(vec![Phase::probe(1).solver(Solver::LogisticRegression), Phase::finetune(epochs)])
    }

    /// Gradual unfreezing (Howard and Ruder 2018): the head first, then stages from the last to the
    /// first in `steps` unfreezings. Half of the `epochs` are for the whole network; the head alone and
    /// the unfreezings before share the other half.
    pub fn gradual(stages: &[String], epochs: usize, steps: usize) -> Self {
        let steps = steps.clamp(1, stages.len().max(1));
        let rising = epochs / 2;
        let mut phases = Vec::new();
        for step in 0..=steps {
            let first = stages.len() - stages.len() * step / steps;
            let share = match step == steps {
                true => epochs - rising,
                false => rising * (step + 1) / steps - rising * step / steps,
            };
            if share == 0 {
                continue;
            }
            if step == 0 {
                phases.push(Phase::probe(share).label_smoothing(0.1));
                continue;
            }
            let phase = Phase::finetune(share).named(&format!("unfreeze-{step}"));
            phases.push(match stages.get(first) {
                Some(name) if first > 0 => phase.from(name),
                _ => phase,
            });
        }
        Self::new(phases)
    }

    /// Changes every phase.
    pub fn each(mut self, change: impl Fn(Phase) -> Phase) -> Self {
        self.phases = self.phases.into_iter().map(change).collect();
        self
    }

    /// What each phase does to each stage of a network with these `stages`.
    ///
    /// # Errors
    /// When a stage is unknown, a pattern matches nothing, a number makes no sense, the plan is empty
    /// or was written by a later version.
    pub fn resolve(&self, stages: &[Stage]) -> Result<Vec<ResolvedPhase>, CoreError> {
        if self.schema > PLAN_SCHEMA {
            return Err(CoreError::Schema { found: self.schema, known: PLAN_SCHEMA });
        }
        if self.phases.is_empty() {
            return Err(CoreError::Empty { what: "the plan".into(), needs: "phase" });
        }
        self.optimizer.validate()?;
        self.phases.iter().map(|phase| resolve::resolve(phase, &self.optimizer, stages)).collect()
    }
}
