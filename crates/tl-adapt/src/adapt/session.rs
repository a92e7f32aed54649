//! What a run holds while it goes on.

use std::collections::{BTreeMap, HashSet};

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::parameters;
use tl_core::{Backbone, FrozenPrefix, Head, Model, Optimizer, Plan, ResolvedPhase, apply, rng};
use tl_train::checkpoint::CHECKPOINT;
use tl_train::ema::{MovingAverage, Snapshot, put_back, snapshot};
use tl_train::progress::METRICS;
use tl_train::{Conduct, Progress, TrainError};

use super::Task;
use super::cache::Cache;
use super::checkpoint::{Before, Checkpoint, State};
use super::evaluate::Scored;
use super::joint::Joint;
use crate::contract::Sizes;
use crate::networks::Networks;
use crate::parts::norm_affine;
use crate::rows::write_rows;
use crate::{AdaptError, Settings};

/// The examples of each part that the validators look at, the same in every epoch.
pub(super) struct EvidenceItems {
    pub training: Vec<usize>,
    pub validation: Vec<usize>,
    pub target: Vec<usize>,
}

pub(super) struct Session<'a, B: Module, H: Module> {
    /// On the autodiff device; absent only while it is being replaced.
    pub joint: Option<Joint<B, H>>,
    pub optimizer: Optimizer,
    pub teacher: Option<MovingAverage>,
    /// The model as it was when the method began, for methods that keep it.
    pub origin: Option<Snapshot>,
    /// The frozen encoder of `origin`.
    pub source_encoder: Option<(FrozenPrefix, H)>,
    pub chosen: Option<Snapshot>,
    pub state: State,
    pub task: Task<'a>,
    pub settings: &'a Settings,
    pub conduct: &'a Conduct,
    pub evidence: EvidenceItems,
    /// The plain device.
    pub device: Device,
    /// The frozen stages of the phase at hand.
    pub prefix: Option<FrozenPrefix>,
    /// What they make of every example, where it fits into memory.
    pub cache: Option<Cache>,
    /// Which parameters the phase at hand trains, and which of the backbone's are scales and shifts
    /// of norms.
    pub trained: HashSet<String>,
    pub affine: HashSet<String>,
    pub resumed: bool,
}

impl<'a, B: Backbone + Sync + 'static, H: Head> Session<'a, B, H> {
    /// A new run, or the one whose checkpoint lies in the folder if a resume was asked for.
    pub fn begin(
        model: Model<B, H>,
        task: Task<'a>,
        plan: &Plan,
        settings: &'a Settings,
        conduct: &'a Conduct,
        progress: &mut dyn Progress,
    ) -> Result<Self, AdaptError> {
        let device = model
            .devices()
            .into_iter()
            .next()
            .ok_or_else(|| AdaptError::device("the model lies on no device".into()))?
            .without_autodiff();
        let features = model.backbone.head_input_width();
        let sizes = Sizes { features, classes: model.head.classes() };
        let networks = Networks::new(&task.method.networks(sizes), settings.seed, &device);
        let sample = |part: &str, count: usize| {
            let mut items = rng(settings.seed, part, 0, 0).permutation(count);
            items.truncate(settings.evidence);
            items
        };
        let evidence = EvidenceItems {
            training: sample("evidence.training", task.domains.source_labels().len()),
            validation: sample("evidence.validation", task.domains.validation_labels().len()),
            target: sample("evidence.target", task.domains.targets()),
        };
        let identity = identity(&task, plan, settings, conduct);
        let joint = Joint { networks: networks.train(), ..Joint::new(model.train(), EMPTY) };
        let affine = norm_affine(&joint.backbone);
        let mut session = Self {
            joint: Some(joint),
            optimizer: Optimizer::new(plan.optimizer).with_kernel(&tl_kernels::Fused),
            teacher: None,
            origin: None,
            source_encoder: None,
            chosen: None,
            state: State { identity, ..State::default() },
            task,
            settings,
            conduct,
            evidence,
            device,
            prefix: None,
            cache: None,
            trained: HashSet::new(),
            affine: affine.into_iter().map(|path| format!("backbone.{path}")).collect(),
            resumed: false,
        };
        if conduct.resume {
            session.resume(plan, progress)?;
        }
        Ok(session)
    }

    fn resume(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), AdaptError> {
        let path = self.conduct.out.as_ref().map(|out| out.join(CHECKPOINT));
        let Some(path) = path.filter(|path| path.exists()) else {
            progress.say("nothing to resume: the run starts afresh");
            return Ok(());
        };
        let saved = Checkpoint::read(&path)?;
        for (what, expected) in &self.state.identity {
            if saved.state.identity.get(what) != Some(expected) {
                let what = PARTS.iter().find(|known| *known == what).unwrap_or(&"configuration");
                return Err(TrainError::OtherRun { path, what }.into());
            }
        }
        self.joint = self.joint.take().map(|joint| put_back(joint, &saved.joint));
        self.optimizer = Optimizer::restore(plan.optimizer, saved.optimizer, &self.device)
            .with_kernel(&tl_kernels::Fused);
        self.chosen = saved.chosen;
        self.origin = saved.origin;
        if let (Some(decay), Some((steps, averages))) = (self.task.method.teacher(), &saved.teacher)
        {
            self.teacher = Some(MovingAverage::restore(decay, *steps, averages, &self.device));
        }
        self.state = saved.state;
        self.resumed = true;
        progress.say(&format!("resumed after {} epochs", self.state.rows.len()));
        Ok(())
    }

    /// The model and the method's networks.
    pub fn joint(&self) -> Result<&Joint<B, H>, AdaptError> {
        self.joint.as_ref().ok_or_else(lost)
    }

    /// Whether the phase at hand is the method's.
    pub fn adapting(&self) -> bool {
        self.state.phase >= self.settings.source_phases
    }

    /// Sets the flags of a phase, and its counters unless it was begun before.
    pub fn enter(&mut self, index: usize, phase: &ResolvedPhase) -> Result<(), AdaptError> {
        if self.state.phase != index {
            self.state.phase = index;
            self.state.epoch = 0;
            self.state.phase_step = 0;
            self.state.stale = 0;
        }
        let (model, networks) = self.joint.take().ok_or_else(lost)?.into_model();
        self.prefix = (phase.cut > 0).then(|| model.backbone.compile(0..phase.cut));
        self.cache = None;
        if let Some(prefix) = &self.prefix {
            let head = (phase.cut == model.backbone.stages().len()).then(|| model.head.valid());
            let memory = self.conduct.cache_memory;
            self.cache = Cache::fill(self.task.domains, prefix, head.as_ref(), memory)?;
        }
        let networks = crate::parts::set_gradients(networks, |_| true);
        let joint = Joint::new(apply(phase, model), networks);
        self.trained = parameters(&joint)
            .into_iter()
            .filter(|info| info.trained)
            .map(|info| info.path)
            .collect();
        self.joint = Some(joint);
        if self.adapting() { self.begin_method() } else { Ok(()) }
    }

    /// What the method needs from the model as it was when the method began.
    fn begin_method(&mut self) -> Result<(), AdaptError> {
        let plain = self.joint()?.plain();
        if self.state.before.is_none() {
            let Scored { scores, predicted, a_distance } = self.scores(&plain, &plain)?;
            self.state.before = Some(Before { a_distance, scores, predicted });
            if self.task.method.keeps_source_encoder() {
                self.origin = Some(snapshot(&plain)?);
            }
            if let Some(decay) = self.task.method.teacher() {
                self.teacher = Some(MovingAverage::new(decay, &plain));
            }
        }
        if let Some(origin) = &self.origin {
            let stages = plain.backbone.stages().len();
            let origin = put_back(plain, origin);
            self.source_encoder = Some((origin.backbone.compile(0..stages), origin.head));
        }
        Ok(())
    }

    /// Writes a checkpoint and the rows, where the run has a folder.
    pub fn save(&self) -> Result<(), AdaptError> {
        let Some(out) = &self.conduct.out else { return Ok(()) };
        tl_train::files::make_folder(out)?;
        let checkpoint = Checkpoint {
            state: self.state.clone(),
            joint: snapshot(self.joint()?)?,
            chosen: self.chosen.clone(),
            teacher: self.teacher.as_ref().map(MovingAverage::save).transpose()?,
            origin: self.origin.clone(),
            optimizer: self.optimizer.save().map_err(AdaptError::device)?,
        };
        checkpoint.write(&out.join(CHECKPOINT))?;
        write_rows(&out.join(METRICS), &self.state.rows)
    }
}

const EMPTY: Networks = Networks { list: Vec::new() };

pub(super) fn lost() -> AdaptError {
    AdaptError::device("the model was lost".into())
}

/// What a checkpoint may differ in, by name.
const PARTS: [&str; 5] = ["plan", "settings", "method", "data", "weights"];

/// What decides the result of a run, as text.
fn identity(
    task: &Task<'_>,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
) -> BTreeMap<String, String> {
    let values = [
        format!("{plan:?}"),
        format!("{settings:?}"),
        format!("{:?}", task.method),
        task.domains.fingerprint(),
        conduct.weights_key.clone(),
    ];
    PARTS.iter().map(|part| part.to_string()).zip(values).collect()
}
