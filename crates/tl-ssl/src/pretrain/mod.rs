//! The loop, from random or pretrained weights to better ones.
//!
//! [`pretrain`] goes through the epochs; `step` through the batches of one, `gradients` through a batch;
//! `session` holds what goes on, `checkpoint` what is written down.

mod checkpoint;
mod gradients;
mod neighbours;
mod session;
mod step;

use burn::module::Module;
use tl_core::{Backbone, Plan, ResolvedPhase};
use tl_data::Loader;
use tl_train::{Conduct, Progress, resident_bytes};

use crate::contract::{Method, Shown};
use crate::embed::embed_labelled;
use crate::knn::{Neighbours, accuracy};
use crate::rows::PretrainRow;
use crate::{Settings, SslError};
use session::Session;

/// The images of a pre-training.
#[derive(Clone, Copy)]
pub struct Task<'a> {
    pub loader: &'a Loader,
    /// The numbers of the images to learn from; their labels are not looked at.
    pub images: &'a [usize],
    /// Labelled images for a look at the neighbours after each epoch.
    pub probe: Option<&'a ProbeItems>,
}

/// The images of the probe after each epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeItems {
    /// Those among which neighbours are found.
    pub bank: Vec<usize>,
    /// Those whose class is asked for.
    pub queries: Vec<usize>,
}

/// A pre-trained network and what is known about it.
pub struct Pretrained<B: Module> {
    /// On the plain device.
    pub backbone: B,
    pub rows: Vec<PretrainRow>,
    /// What the method shows of what it does for a few images, and the images nearest to some.
    pub shown: Vec<Shown>,
    /// Whether the run went on from a checkpoint.
    pub resumed: bool,
}

/// Pre-trains `backbone` by `method`, as the one phase of `plan` says: epochs, rates, schedule.
///
/// The method's own networks learn at the head's rate. Everything the run draws at random comes from
/// `settings.seed`; a run that was interrupted and resumed ends with the same bits as one that was not.
///
/// # Errors
/// A plan or images that do not fit, a loss that is not finite, a collapse of the features, a disk that is
/// full, an interruption.
pub fn pretrain<B, M>(
    backbone: B,
    task: Task<'_>,
    method: &M,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
    progress: &mut dyn Progress,
) -> Result<Pretrained<B>, SslError>
where
    B: Backbone + Sync + 'static,
    M: Method<B>,
{
    settings.validate()?;
    let phase = only_phase(plan, &backbone)?;
    let mut session = Session::begin(backbone, task, method, plan, settings, conduct, progress)?;
    if session.state.rows.is_empty() {
        let knn = session.neighbours(progress)?;
        let row = PretrainRow { method: method.name().into(), knn, ..PretrainRow::default() };
        if knn.is_some() {
            progress.say(&row.describe());
        }
        session.state.rows.push(row);
    }
    while session.state.epoch < phase.phase.epochs {
        session.train_epoch(&phase, progress)?;
        session.close_epoch(progress)?;
    }
    session.finish(progress)
}

/// The phase of a plan that trains everything.
fn only_phase<B: Backbone>(plan: &Plan, backbone: &B) -> Result<ResolvedPhase, SslError> {
    let mut phases = plan.resolve(&backbone.stages())?;
    let bad = |problem: String| Err(SslError::BadPlan { problem });
    let count = phases.len();
    let Some(phase) = phases.pop().filter(|_| count == 1) else {
        return bad(format!("the plan has {count}"));
    };
    match phase.settings.iter().find(|setting| !setting.trained) {
        Some(frozen) => bad(format!("the plan freezes {}", frozen.name)),
        None => Ok(phase),
    }
}

/// Images that a method shows what it does for.
const SHOWN: usize = 8;

impl<B: Backbone + Sync + 'static, M: Method<B>> Session<'_, B, M> {
    /// The accuracy of the nearest neighbours as the network stands now.
    fn neighbours(&self, progress: &mut dyn Progress) -> Result<Option<f64>, SslError> {
        let Some(probe) = self.task.probe else { return Ok(None) };
        let backbone = self.joint()?.backbone.valid();
        let mut embed = |items: &[usize]| {
            let size = self.settings.batch_size;
            embed_labelled(&backbone, self.task.loader, items, size, &self.device, progress)
        };
        let (bank, queries) = (embed(&probe.bank)?, embed(&probe.queries)?);
        if bank.labels.is_empty() || queries.labels.is_empty() {
            return Ok(None);
        }
        Ok(Some(accuracy(&bank, &queries, Neighbours::default(), &self.device)?))
    }

    /// Probes, notes the epoch down, writes the checkpoint.
    fn close_epoch(&mut self, progress: &mut dyn Progress) -> Result<(), SslError> {
        let knn = self.neighbours(progress)?;
        let sums = std::mem::take(&mut self.state.sums);
        self.state.epoch += 1;
        self.state.consumed = 0;
        let steps = sums.steps.max(1) as f64;
        let mean = |(name, sum): (String, f64)| (name, sum / steps);
        let row = PretrainRow {
            method: self.method.name().to_string(),
            epoch: self.state.epoch,
            step: self.state.step,
            terms: sums.terms.into_iter().map(mean).collect(),
            notes: sums.notes.into_iter().map(mean).collect(),
            spread: self.state.monitor.spread,
            knn,
            learning_rate: sums.rate,
            gradient_norm: sums.gradient_norm / steps,
            seconds: sums.seconds,
            resident_mb: resident_bytes().map(|bytes| bytes as f64 / 1e6),
        };
        progress.say(&row.describe());
        self.state.rows.push(row);
        self.save()
    }

    /// The end of a run.
    fn finish(mut self, progress: &mut dyn Progress) -> Result<Pretrained<B>, SslError> {
        self.save()?;
        let joint = self.joint()?;
        let (backbone, heads) = (joint.backbone.valid(), joint.heads.valid());
        let (loader, device) = (self.task.loader, &self.device);
        let few = self.task.images.iter().copied().take(SHOWN).collect();
        let mut shown = Vec::new();
        for batch in loader.batches(few, SHOWN, None) {
            let images = step::images(loader.preprocess().crop, batch?.pixels, device);
            shown.extend(self.method.show(&backbone, &heads, images, self.settings.seed)?);
        }
        let (items, size) = (self.task.images, self.settings.batch_size);
        let near = neighbours::pictures(&backbone, loader, items, SHOWN, size, device, progress)?;
        shown.extend(near);
        let rows = std::mem::take(&mut self.state.rows);
        Ok(Pretrained { backbone, rows, shown, resumed: self.resumed })
    }
}
