//! One phase of a plan.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Regulariser;
use crate::parameters::is_adapter;
use crate::{CoreError, Schedule};

/// Which stages are frozen: not differentiated, not updated, statistics and dropout included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    /// Every stage is trained.
    #[default]
    Nothing,
    /// Every stage is frozen; the head alone is trained.
    Backbone,
    /// The stages up to and with this one are frozen.
    Through(String),
    /// The stages before this one are frozen.
    Before(String),
    /// The stages whose whole name matches one of these regular expressions are frozen.
    Matching(Vec<String>),
}

/// What the norms of trained stages do with their running statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormPolicy {
    /// Statistics stay as the weights brought them; scale and shift are trained.
    #[default]
    Frozen,
    /// Statistics of the batch are used and the running ones follow.
    Train,
}

/// What is trained of the stages that are not frozen. The head is always trained whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trained {
    /// Everything.
    #[default]
    Everything,
    /// The adapters in them alone, but for the stages `whole`. Statistics stand still.
    Adapters { whole: Vec<String> },
    /// The biases alone, but for the stages `whole` (Ben Zaken et al. 2021, arXiv 2106.10199, BitFit). Statistics
    /// stand still.
    Biases { whole: Vec<String> },
}

impl Trained {
    /// Whether it is everything.
    pub fn is_everything(&self) -> bool {
        *self == Self::Everything
    }

    /// Whether all of the stage `name` is trained.
    pub fn is_whole(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Adapters { whole } | Self::Biases { whole } => whole.iter().any(|it| it == name),
        }
    }

    /// Whether the parameter at `path` of a stage that is not trained whole is trained.
    pub fn selects(&self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Adapters { .. } => is_adapter(path),
            Self::Biases { .. } => path.ends_with(".bias") && !is_adapter(path),
        }
    }
}

/// How a phase finds its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Solver {
    /// The plan's optimizer, batch by batch.
    #[default]
    Gradient,
    /// Multinomial logistic regression trained to convergence; for a head on frozen stages alone.
    /// Its strength of regularisation is chosen on the validation part.
    LogisticRegression,
}

/// The learning rates of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// The rate of the head.
    pub head: f64,
    /// The rate of the last stage.
    pub body: f64,
    /// Each stage nearer to the input has its successor's rate times this (1: all the same).
    pub layer_decay: f64,
    /// Rates of single stages, instead of the above.
    #[serde(default)]
    pub stages: BTreeMap<String, f64>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { head: 1e-3, body: 3e-4, layer_decay: 1.0, stages: BTreeMap::new() }
    }
}

/// One phase: how long, what is frozen, at which rates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// How reports call it.
    pub name: String,
    pub epochs: usize,
    pub freeze: Freeze,
    /// What is trained of the stages that are not frozen.
    #[serde(default, skip_serializing_if = "Trained::is_everything")]
    pub trained: Trained,
    pub rates: Rates,
    pub norm: NormPolicy,
    pub schedule: Schedule,
    pub solver: Solver,
    /// The share of the target that is spread evenly over all classes, 0..1.
    pub label_smoothing: f64,
    /// The largest norm that all gradients together may have.
    pub clip_norm: Option<f64>,
    /// Whether images are varied at random; only where no stage is frozen at the input.
    pub augment: bool,
    /// What is added to the loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regularisers: Vec<Regulariser>,
}

impl Phase {
    fn new(name: &str, epochs: usize, freeze: Freeze) -> Self {
        Self {
            name: name.to_string(),
            epochs,
            freeze,
            trained: Trained::default(),
            rates: Rates::default(),
            norm: NormPolicy::default(),
            schedule: Schedule::default(),
            solver: Solver::default(),
            label_smoothing: 0.0,
            clip_norm: None,
            augment: false,
            regularisers: Vec::new(),
        }
    }

    /// A new head on frozen stages.
    pub fn probe(epochs: usize) -> Self {
        Self::new("probe", epochs, Freeze::Backbone)
    }

    /// Every stage and the head trained.
    pub fn finetune(epochs: usize) -> Self {
        Self { label_smoothing: 0.1, ..Self::new("finetune", epochs, Freeze::Nothing) }
    }

    /// What is trained of the stages that are not frozen.
    pub fn trained(mut self, trained: Trained) -> Self {
        self.trained = trained;
        self
    }

    /// Another name in reports.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_string();
        self
    }

    /// Freezes the stages before `stage`.
    pub fn from(mut self, stage: &str) -> Self {
        self.freeze = Freeze::Before(stage.to_string());
        self
    }

    /// Freezes the stages up to and with `stage`.
    pub fn freeze_through(mut self, stage: &str) -> Self {
        self.freeze = Freeze::Through(stage.to_string());
        self
    }

    /// Freezes the stages whose whole name matches `pattern`.
    pub fn freeze_matching(mut self, pattern: &str) -> Self {
        self.freeze = match self.freeze {
            Freeze::Matching(mut patterns) => {
                patterns.push(pattern.to_string());
                Freeze::Matching(patterns)
            }
            _ => Freeze::Matching(vec![pattern.to_string()]),
        };
        self
    }

    /// The rates of the head and of the last stage.
    pub fn rates(mut self, head: f64, body: f64) -> Self {
        self.rates.head = head;
        self.rates.body = body;
        self
    }

    /// Multiplies all rates.
    pub fn scale_rates(mut self, factor: f64) -> Self {
        self.rates.head *= factor;
        self.rates.body *= factor;
        self.rates.stages.values_mut().for_each(|rate| *rate *= factor);
        self
    }

    /// The rate of one stage.
    pub fn stage_rate(mut self, stage: &str, rate: f64) -> Self {
        self.rates.stages.insert(stage.to_string(), rate);
        self
    }

    /// Each stage nearer to the input has its successor's rate times `decay`.
    pub fn layer_decay(mut self, decay: f64) -> Self {
        self.rates.layer_decay = decay;
        self
    }

    pub fn norm(mut self, policy: NormPolicy) -> Self {
        self.norm = policy;
        self
    }

    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    pub fn solver(mut self, solver: Solver) -> Self {
        self.solver = solver;
        self
    }

    pub fn label_smoothing(mut self, share: f64) -> Self {
        self.label_smoothing = share;
        self
    }

    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.clip_norm = Some(norm);
        self
    }

    pub fn augment(mut self, on: bool) -> Self {
        self.augment = on;
        self
    }

    /// Adds a term to the loss.
    pub fn regularised(mut self, regulariser: Regulariser) -> Self {
        self.regularisers.push(regulariser);
        self
    }

    pub(super) fn validate(&self) -> Result<(), CoreError> {
        if self.epochs == 0 {
            return Err(CoreError::Empty {
                what: format!("phase \"{}\"", self.name),
                needs: "epoch",
            });
        }
        self.regularisers.iter().try_for_each(Regulariser::validate)?;
        let positive = |what: &str, value: f64| {
            if value.is_finite() && value > 0.0 {
                return Ok(());
            }
            Err(CoreError::BadNumber {
                what: format!("{what} of phase \"{}\"", self.name),
                value,
                expected: "a number above 0",
            })
        };
        positive("the head's learning rate", self.rates.head)?;
        positive("the learning rate", self.rates.body)?;
        for (stage, rate) in &self.rates.stages {
            positive(&format!("the learning rate of stage {stage}"), *rate)?;
        }
        if let Some(norm) = self.clip_norm {
            positive("the largest gradient norm", norm)?;
        }
        let between = |what: &str, value: f64, holds: bool, expected| {
            if holds {
                return Ok(());
            }
            Err(CoreError::BadNumber {
                what: format!("{what} of phase \"{}\"", self.name),
                value,
                expected,
            })
        };
        let decay = self.rates.layer_decay;
        between(
            "the layer decay",
            decay,
            decay > 0.0 && decay <= 1.0,
            "a number above 0, at most 1",
        )?;
        let share = self.label_smoothing;
        between(
            "the label smoothing",
            share,
            (0.0..1.0).contains(&share),
            "a number from 0, below 1",
        )?;
        match self.schedule {
            Schedule::WarmupCosine { warmup } => between(
                "the warm-up",
                warmup,
                (0.0..1.0).contains(&warmup),
                "a share from 0, below 1",
            ),
            Schedule::SlantedTriangular { cut, ratio } => {
                between("the cut", cut, cut > 0.0 && cut < 1.0, "a share above 0, below 1")?;
                between("the ratio", ratio, ratio.is_finite() && ratio >= 1.0, "a number from 1")
            }
            Schedule::Exponential { ratio } => {
                between("the ratio", ratio, ratio.is_finite() && ratio >= 1.0, "a number from 1")
            }
            Schedule::Constant | Schedule::OneCycle => Ok(()),
        }
    }
}
