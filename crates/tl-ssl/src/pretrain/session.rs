//! What a run holds while it goes on.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{Control, is_statistic, parameters, set_trained};
use tl_core::{Backbone, Optimizer, Plan};
use tl_data::Items;
use tl_kernels::Fused;
use tl_train::checkpoint::CHECKPOINT;
use tl_train::ema::{put_back, snapshot};
use tl_train::progress::METRICS;
use tl_train::{Conduct, Progress, TrainError};

use super::Task;
use super::checkpoint::{Checkpoint, State};
use crate::contract::{Method, Pair, Sizes};
use crate::momentum::teacher_of;
use crate::{Settings, SslError};
use tl_train::files::write_rows;

/// The network and what the method trains beside it, as one module: one optimizer updates all of it.
#[derive(Module, Debug)]
pub(crate) struct Joint<B: Module, H: Module> {
    pub backbone: B,
    pub heads: H,
}

impl<B: Module, H: Module> Joint<B, H> {
    pub fn pair(&self) -> Pair<'_, B, H> {
        Pair { backbone: &self.backbone, heads: &self.heads }
    }
}

pub(crate) struct Session<'a, B: Backbone, M: Method<B>> {
    /// On the autodiff device; absent only while it is being replaced.
    pub joint: Option<Joint<B, M::Heads>>,
    /// The moving average, where the method has one.
    pub teacher: Option<Joint<B, M::Heads>>,
    pub optimizer: Optimizer,
    pub state: State,
    pub task: Task<'a>,
    pub method: &'a M,
    pub settings: &'a Settings,
    pub conduct: &'a Conduct,
    /// The plain device.
    pub device: Device,
    pub resumed: bool,
}

impl<'a, B: Backbone + Sync + 'static, M: Method<B>> Session<'a, B, M> {
    /// A new run, or the one whose checkpoint lies in the folder if a resume was asked for.
    pub fn begin(
        backbone: B,
        task: Task<'a>,
        method: &'a M,
        plan: &Plan,
        settings: &'a Settings,
        conduct: &'a Conduct,
        progress: &mut dyn Progress,
    ) -> Result<Self, SslError> {
        let device = backbone
            .devices()
            .into_iter()
            .next()
            .ok_or_else(|| SslError::device("the network lies on no device".into()))?
            .without_autodiff();
        if task.images.is_empty() {
            return Err(SslError::Empty { part: "training" });
        }
        let image = task.loader.preprocess().crop;
        let sizes = Sizes { embedding: backbone.embedding_width(), image };
        let heads = method.heads(&backbone, sizes, settings.seed, &device)?;
        let backbone = if settings.fresh { method.begin(backbone) } else { backbone };
        let joint = Joint { backbone: backbone.train(), heads: heads.train() };
        let joint = set_trained(joint, |path, control| match control {
            Control::Gradient => {
                let still =
                    path.strip_prefix("backbone.").is_some_and(|it| method.stands_still(it));
                !is_statistic(path) && !still
            }
            Control::Flag => true,
        });
        let normed = || parameters(&joint).iter().any(|it| it.path.ends_with("running_var"));
        if settings.parts > 1 && normed() {
            return Err(SslError::Parts { method: method.name() });
        }
        let teacher = method.momentum(0.0).map(|_| teacher_of(&joint));
        let identity = identity(&task, method, plan, settings, conduct);
        let mut session = Self {
            joint: Some(joint),
            teacher,
            optimizer: Optimizer::new(plan.optimizer).with_kernel(&Fused),
            state: State { identity, ..State::default() },
            task,
            method,
            settings,
            conduct,
            device,
            resumed: false,
        };
        if conduct.resume {
            session.resume(plan, progress)?;
        }
        Ok(session)
    }

    fn resume(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), SslError> {
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
        self.teacher = self.teacher.take().map(|teacher| put_back(teacher, &saved.teacher));
        self.optimizer =
            Optimizer::restore(plan.optimizer, saved.optimizer, &self.device).with_kernel(&Fused);
        self.state = saved.state;
        self.resumed = true;
        progress.say(&format!(
            "resumed after step {}, in epoch {}",
            self.state.step,
            self.state.epoch + 1
        ));
        Ok(())
    }

    /// The network and the method's own.
    pub fn joint(&self) -> Result<&Joint<B, M::Heads>, SslError> {
        self.joint.as_ref().ok_or_else(lost)
    }

    /// Writes a checkpoint and the rows, where the run has a folder.
    pub fn save(&self) -> Result<(), SslError> {
        let Some(out) = &self.conduct.out else { return Ok(()) };
        tl_train::files::make_folder(out)?;
        let checkpoint = Checkpoint {
            state: self.state.clone(),
            joint: snapshot(self.joint()?)?,
            teacher: self.teacher.as_ref().map(snapshot).transpose()?.unwrap_or_default(),
            optimizer: self.optimizer.save().map_err(SslError::device)?,
        };
        checkpoint.write(&out.join(CHECKPOINT))?;
        Ok(write_rows(&out.join(METRICS), &self.state.rows)?)
    }
}

pub(super) fn lost() -> SslError {
    SslError::device("the network was lost".into())
}

/// What a checkpoint may differ in, by name.
const PARTS: [&str; 6] = ["plan", "settings", "method", "data", "weights", "preprocessing"];

/// What decides the result of a run, as text.
fn identity<B: Backbone, M: Method<B>>(
    task: &Task<'_>,
    method: &M,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
) -> BTreeMap<String, String> {
    let images = tl_random::hash(&format!("{:?} {:?}", task.images, task.probe));
    let values = [
        format!("{plan:?}"),
        format!("{settings:?}"),
        format!("{method:?}"),
        format!("{} {images:016x}", task.loader.images().fingerprint()),
        conduct.weights_key.clone(),
        format!("{:?}", task.loader.preprocess()),
    ];
    PARTS.iter().map(|part| part.to_string()).zip(values).collect()
}
