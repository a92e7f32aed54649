//! What a run holds while it goes on.

use std::collections::HashSet;

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::parameters;
use tl_core::{Backbone, FrozenPrefix, Head, Model, Optimizer, Plan, ResolvedPhase, apply, rng};
use tl_train::checkpoint::{CHECKPOINT, Checkpoint, Identity};
use tl_train::ema::{MovingAverage, Snapshot, put_back, snapshot};
use tl_train::progress::METRICS;
use tl_train::{Conduct, Progress, plain_device};

use super::Task;
use super::cache::Cache;
use super::evaluate::Scored;
use super::joint::Joint;
use super::state::{Before, State};
use crate::contract::{Method, Sizes};
use crate::networks::Networks;
use crate::parts::norm_affine;
use crate::{AdaptError, Settings};
use tl_train::files::write_rows;

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
    /// The model as it was when the epoch at hand began, for methods that look at it then.
    pub epoch_start: Option<Snapshot>,
    pub identity: Identity,
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
        let device = plain_device(&model)?;
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
        let fingerprint = task.domains.fingerprint();
        let identity = identity(&fingerprint, task.method, plan, settings, conduct);
        let joint = Joint { networks: networks.train(), ..Joint::new(model.train(), EMPTY) };
        let affine = norm_affine(&joint.backbone);
        let mut session = Self {
            joint: Some(joint),
            optimizer: Optimizer::new(plan.optimizer).with_kernel(&tl_kernels::Fused),
            teacher: None,
            origin: None,
            source_encoder: None,
            chosen: None,
            epoch_start: None,
            identity,
            state: State::default(),
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
        let Some(mut saved) = Checkpoint::of_run(self.conduct, &self.identity)? else {
            let method = self.task.method.name();
            progress.say(&format!("{method}: nothing to resume, it starts afresh"));
            return Ok(());
        };
        let values = saved.snapshots.remove(JOINT).unwrap_or_default();
        self.joint = self.joint.take().map(|joint| put_back(joint, &values));
        self.optimizer = Optimizer::restore(plan.optimizer, saved.optimizer, &self.device)
            .with_kernel(&tl_kernels::Fused);
        self.chosen = saved.snapshots.remove(CHOSEN);
        self.origin = saved.snapshots.remove(ORIGIN);
        self.epoch_start = saved.snapshots.remove(EPOCH_START);
        if let (Some(decay), Some((steps, averages))) = (self.task.method.teacher(), &saved.average)
        {
            self.teacher = Some(MovingAverage::restore(decay, *steps, averages, &self.device));
        }
        self.state = saved.state;
        self.resumed = true;
        let (epochs, step) = (self.state.rows.len(), self.state.step);
        let method = self.task.method.name();
        progress.say(&format!("{method}: resumed after epoch {epochs}, step {step}"));
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
            self.state.consumed = 0;
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
        let amid = self.state.consumed > 0;
        let joint = snapshot(self.joint()?)?;
        let snapshots = [
            (JOINT, Some(&joint)),
            (CHOSEN, self.chosen.as_ref()),
            (ORIGIN, self.origin.as_ref()),
            (EPOCH_START, self.epoch_start.as_ref().filter(|_| amid)),
        ];
        let kept = |(kind, values): (&str, Option<&Snapshot>)| {
            values.map(|values| (kind.to_string(), values.clone()))
        };
        let checkpoint = Checkpoint {
            state: &self.state,
            snapshots: snapshots.into_iter().filter_map(kept).collect(),
            average: self.teacher.as_ref().map(MovingAverage::save).transpose()?,
            optimizer: self.optimizer.save().map_err(AdaptError::device)?,
        };
        checkpoint.write(&out.join(CHECKPOINT), &self.identity)?;
        Ok(write_rows(&out.join(METRICS), &self.state.rows)?)
    }
}

/// The snapshots in a checkpoint: model and the method's networks, the model that is kept, the model as the method began, the
/// model as the epoch began.
const JOINT: &str = "joint";
const CHOSEN: &str = "chosen";
const ORIGIN: &str = "origin";
const EPOCH_START: &str = "epoch_start";

const EMPTY: Networks = Networks { list: Vec::new() };

pub(super) fn lost() -> AdaptError {
    AdaptError::device("the model was lost".into())
}

/// Whether there is a checkpoint to go on from; nothing is changed. `fingerprint` is that of the domains.
///
/// # Errors
/// A checkpoint that is damaged, or was made with another plan, method, data or settings.
pub fn check_resume(
    fingerprint: &str,
    method: &dyn Method,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
) -> Result<bool, AdaptError> {
    let identity = identity(fingerprint, method, plan, settings, conduct);
    Ok(Checkpoint::<State>::of_run(conduct, &identity)?.is_some())
}

/// What decides the result of a run, as text.
fn identity(
    fingerprint: &str,
    method: &dyn Method,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
) -> Identity {
    Identity::from([
        ("plan", format!("{plan:?}")),
        ("settings", format!("{settings:?}")),
        ("method", format!("{method:?}")),
        ("data set", fingerprint.to_string()),
        ("weights", conduct.weights_key.clone()),
    ])
}
