//! What a run holds while it goes on.

use burn::module::Module;
use burn::prelude::*;
use tl_core::{Backbone, FrozenPrefix, Head, Model, Optimizer, Plan, ResolvedPhase};

use tl_data::text::longest_first;
use tl_kernels::Fused;

use super::Task;
use super::cached_views::{CachedViews, Filling};
use super::feed::{Feed, stream};
use super::state::State;
use super::sweep::Sweep;
use super::{BEST, FIRST, MODEL};
use crate::checkpoint::{Checkpoint, Identity};
use crate::ema::{MovingAverage, Snapshot, put_back};
use crate::features::{FeatureStore, Room, key_of};
use crate::logistic::balanced;
use crate::progress::Progress;
use crate::regularise::{Beginning, Importance, Memories, PathIntegral};
use crate::{Conduct, Settings, TrainError};

pub(crate) struct Session<'a, B: Module, H: Module> {
    /// On the autodiff device; absent only while it is being replaced.
    pub model: Option<Model<B, H>>,
    pub optimizer: Optimizer,
    pub ema: Option<MovingAverage>,
    pub best: Option<Snapshot>,
    /// The weights before the first phase that trains a stage, where they are asked for at the end.
    pub first: Option<Snapshot>,
    pub identity: Identity,
    pub state: State,
    pub task: &'a Task<'a>,
    pub settings: &'a Settings,
    pub conduct: &'a Conduct,
    /// The plain device.
    pub device: Device,
    /// The label of every row.
    pub labels: Vec<Option<usize>>,
    /// How much each class weighs in the loss, where that differs.
    pub class_weights: Option<Vec<f32>>,
    /// How the network was when the run began.
    pub beginning: Beginning<B>,
    /// Examples of earlier tasks, in a phase that shows them again.
    pub memories: Option<Memories<'a>>,
    /// What each weight did for the loss so far, where that is asked for.
    pub path: Option<PathIntegral>,
    /// The losses of a sweep over learning rates, where this is one.
    pub sweep: Option<Sweep>,
    pub resumed: bool,
}

impl<'a, B: Backbone + Sync + 'static, H: Head> Session<'a, B, H> {
    /// A new run, or the one whose checkpoint lies in the folder if a resume was asked for.
    pub fn begin(
        model: Model<B, H>,
        task: &'a Task<'a>,
        plan: &Plan,
        settings: &'a Settings,
        conduct: &'a Conduct,
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let device = plain_device(&model)?;
        let labels = match task.data.targets(&[], None) {
            // Every item has an answer, if more than one.
            Some(_) => vec![Some(0); task.data.items().count()],
            None => task.data.labels(),
        };
        let rows = |part: &[usize]| task.data.rows(part).into_iter();
        let labelled = |part: &[usize]| rows(part).any(|row| labels[row].is_some());
        if !labelled(&task.split.train) {
            let mend = "give data with labels: images in one folder for each class, texts with a column of labels";
            return Err(TrainError::NothingToUse { part: "training", mend });
        }
        let classes = model.head.classes();
        let class_weights = settings.balanced.then(|| match task.data.several() {
            Some(several) => several.positive_weights(&task.split.train, classes),
            None => class_weights(task, &labels, classes),
        });
        let beginning = Beginning::of(&model, plan, &task.earlier, &device)?;
        let path = settings.path_integral.then(|| PathIntegral::begin(&model)).transpose()?;
        let mut session = Self {
            optimizer: Optimizer::new(plan.optimizer).with_kernel(&Fused),
            ema: None,
            best: None,
            first: None,
            identity: identity(task, plan, settings, conduct),
            state: State::default(),
            model: Some(model.train()),
            task,
            settings,
            conduct,
            device,
            labels,
            class_weights,
            beginning,
            memories: None,
            path,
            sweep: None,
            resumed: false,
        };
        if let (Some(decay), Some(model)) = (settings.ema, &session.model) {
            session.ema = Some(MovingAverage::new(decay, model));
        }
        if conduct.resume {
            session.resume(plan, progress)?;
        }
        Ok(session)
    }

    fn resume(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let Some(mut saved) = Checkpoint::of_run(self.conduct, &self.identity)? else {
            progress.say("nothing to resume: the run starts afresh");
            return Ok(());
        };
        let values = saved.snapshots.remove(MODEL).unwrap_or_default();
        self.model = self.model.take().map(|model| put_back(model, &values));
        self.optimizer =
            Optimizer::restore(plan.optimizer, saved.optimizer, &self.device).with_kernel(&Fused);
        self.best = saved.snapshots.remove(BEST);
        self.first = saved.snapshots.remove(FIRST);
        if self.path.is_some() {
            self.path = Some(PathIntegral::restore(&mut saved.snapshots, &self.device));
        }
        if let (Some(decay), Some((steps, averages))) = (self.settings.ema, &saved.average) {
            self.ema = Some(MovingAverage::restore(decay, *steps, averages, &self.device));
        }
        self.state = saved.state;
        self.resumed = true;
        if self.state.finished {
            progress.say("the training was finished already");
            return Ok(());
        }
        progress.say(&format!(
            "resumed after step {}, in epoch {} of phase {}",
            self.state.step,
            self.state.epoch + 1,
            self.state.phase + 1
        ));
        Ok(())
    }

    /// Where the batches of a phase come from; fills the cache if the phase has one.
    pub fn feed(
        &self,
        phase: &ResolvedPhase,
        progress: &mut dyn Progress,
    ) -> Result<Feed<'a>, TrainError> {
        let data = self.task.data;
        let Some(model) = &self.model else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let prefix = self.prefix(phase);
        let augmented = data.varies() || phase.phase.augment && phase.cut == 0;
        let items = self.items();
        // Without frozen stages the cache holds the inputs themselves, as long as they are worth it and fit
        // into memory.
        let inputs = items.len() as u64 * data.input_bytes();
        let fits = phase.cut > 0 || (1..=self.conduct.cache_memory).contains(&inputs);
        if !self.settings.cache || augmented || !fits {
            return Ok(Feed::Streamed { data, prefix });
        }
        let folder = self.conduct.out.as_ref().map(|out| out.join("cache"));
        let room = Room {
            memory: self.conduct.cache_memory,
            folder: folder.as_deref(),
            key: self.cache_key(phase),
        };
        let count = self.cached_views(phase);
        let stride = self.labels.len();
        let of = |store| match count {
            1 => Feed::Stored(store),
            _ => Feed::Views(CachedViews { store, count, stride }),
        };
        if let Some(store) = folder.as_deref().and_then(|at| FeatureStore::open(at, &room.key)) {
            return Ok(of(store));
        }
        let fillings = self.fillings(count);
        let expected = fillings.iter().map(|filling| filling.items.len()).sum();
        let what = if phase.cut > 0 { "frozen stages" } else { "images" };
        progress.begin(what, expected as u64);
        let stages = model.backbone.stages().len();
        let conduct = self.conduct;
        let step = self.state.step;
        let batches = fillings.into_iter().flat_map(|Filling { items, view, offset }| {
            let size = self.settings.batch_size;
            let rows = stream(data, prefix.as_ref(), items, size, view, &self.device);
            rows.map(move |batch| {
                let (mut rows, activation) = batch?;
                rows.iter_mut().for_each(|row| *row += offset);
                Ok::<_, TrainError>((rows, activation))
            })
        });
        let batches = batches.map(|batch| {
            conduct.check_end(step)?;
            let (indices, activation) = batch?;
            progress.advance(indices.len() as u64, "");
            // All stages frozen: the head sees nothing but the vectors it multiplies. Of words it sees their tokens.
            let kept = if phase.cut == stages && data.answers().is_none() {
                tl_core::Activation::Vector(model.head.features(activation)?)
            } else {
                activation
            };
            Ok((indices, kept))
        });
        let store = FeatureStore::fill(batches, expected, &room)?;
        progress.end();
        let mend = "see which images were skipped";
        store.map(of).ok_or(TrainError::NothingToUse { part: "training", mend })
    }

    /// Fails where the run is to end.
    pub fn check_end(&self) -> Result<(), TrainError> {
        self.conduct.check_end(self.state.step)
    }

    /// The frozen stages of a phase, if it has some.
    pub fn prefix(&self, phase: &ResolvedPhase) -> Option<FrozenPrefix> {
        let model = self.model.as_ref().filter(|_| phase.cut > 0)?;
        let compile = || model.backbone.compile(0..phase.cut);
        Some(tl_kernels::with_half_precision(self.settings.half_prefix, compile))
    }

    /// The rows of the training and the validation part that have a label.
    pub fn items(&self) -> Vec<usize> {
        let mut items = self.labelled(&self.task.split.train);
        items.extend(self.labelled(&self.task.split.validation));
        items
    }

    /// The same, those of like length together, where items have lengths.
    pub fn sorted(&self, items: Vec<usize>) -> Vec<usize> {
        match self.task.data.lengths() {
            Some(lengths) => longest_first(&items, lengths),
            None => items,
        }
    }

    /// The rows of `part` that have a label.
    pub fn labelled(&self, part: &[usize]) -> Vec<usize> {
        let rows = self.task.data.rows(part).into_iter();
        rows.filter(|&row| self.labels[row].is_some()).collect()
    }

    fn cache_key(&self, phase: &ResolvedPhase) -> String {
        // The weights of a prefix that was trained in an earlier phase depend on everything before it.
        key_of(&[
            env!("CARGO_PKG_VERSION"),
            &tl_kernels::numerics(),
            &format!("{:?}", self.identity),
            &format!("{:?} {} {}", self.device, phase.cut, self.state.phase),
            &self.task.data.preprocessing(),
        ])
    }
}

/// What the classes of the training part weigh, so that all weigh the same together.
fn class_weights(task: &Task<'_>, labels: &[Option<usize>], classes: usize) -> Vec<f32> {
    let train = task.data.rows(&task.split.train);
    let found = match task.data.answers() {
        Some(answers) => answers.labels(&train),
        None => train.iter().filter_map(|&item| *labels.get(item)?).collect(),
    };
    balanced(&found, classes).into_iter().map(|weight| weight as f32).collect()
}

/// Whether there is a checkpoint to go on from; nothing is changed.
///
/// # Errors
/// A checkpoint that is damaged, or was made with another plan, data or settings.
pub fn check_resume(
    task: &Task<'_>,
    plan: &Plan,
    settings: &Settings,
    conduct: &Conduct,
) -> Result<bool, TrainError> {
    let identity = identity(task, plan, settings, conduct);
    Ok(Checkpoint::<State>::of_run(conduct, &identity)?.is_some())
}

/// The plain device of a model.
///
/// # Errors
/// A model without parameters.
pub fn plain_device<M: Module>(model: &M) -> Result<Device, TrainError> {
    let device = model.devices().into_iter().next();
    let device = device.ok_or_else(|| TrainError::Device("the model lies on no device".into()))?;
    Ok(device.without_autodiff())
}

fn identity(task: &Task<'_>, plan: &Plan, settings: &Settings, conduct: &Conduct) -> Identity {
    let text = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    let split = key_of(&[&format!("{:?}", task.split)]);
    let earlier = &task.earlier;
    let importance = earlier.importance.map(Importance::fingerprint).unwrap_or_default();
    Identity::from([
        ("plan", text(serde_json::to_string(plan))),
        ("settings", text(serde_json::to_string(settings))),
        ("data set", format!("{} {split}", task.data.items().fingerprint())),
        ("weights", conduct.weights_key.clone()),
        ("importance of weights", importance),
        ("set of earlier heads", earlier.heads_fingerprint()),
        ("memory of earlier tasks", earlier.memory_fingerprint()),
        ("preprocessing", format!("{} {:?}", task.data.preprocessing(), task.augment)),
    ])
}
