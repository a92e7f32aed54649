//! The steps of an epoch.

use std::sync::atomic::Ordering;
use std::time::Instant;

use burn::prelude::*;
use tl_core::gradients::gradient_norm;
use tl_core::{Backbone, Pass, ResolvedPhase, rng};
use tl_data::{ViewBatch, Views};
use tl_kernels::Fused;
use tl_train::{Progress, TrainError};

use super::gradients::{Differentiated, at_once, in_parts};
use super::session::{Joint, Session, lost};
use crate::SslError;
use crate::contract::{Method, Step};
use crate::momentum::{cosine, follow};
use crate::monitor;

/// `[batch, 3, size, size]` on `device`.
pub(super) fn images(size: usize, pixels: Vec<f32>, device: &Device) -> Tensor<4> {
    let batch = pixels.len() / (3 * size * size).max(1);
    Tensor::from_data(TensorData::new(pixels, [batch, 3, size, size]), device)
}

impl<B: Backbone + Sync + 'static, M: Method<B>> Session<'_, B, M> {
    /// Trains what is left of the current epoch.
    pub(super) fn train_epoch(
        &mut self,
        phase: &ResolvedPhase,
        progress: &mut dyn Progress,
    ) -> Result<(), SslError> {
        let mut started = Instant::now();
        let (seed, epoch) = (self.settings.seed, self.state.epoch as u64);
        let batch_size = self.settings.batch_size;
        let order = self.order(epoch);
        let total = order.len().div_ceil(batch_size) as u64 * phase.phase.epochs as u64;
        let begun = self.state.consumed.min(order.len());
        let recipes = self.method.views(self.task.loader.preprocess().crop);
        let recipes = self.settings.views.apply(recipes);
        let views = Views { recipes, seed, epoch };
        let title = format!("{} {}/{}", self.method.name(), epoch + 1, phase.phase.epochs);
        progress.begin(&title, (order.len() - begun) as u64);
        let loader = self.task.loader;
        for batch in loader.views(order[begun..].to_vec(), batch_size, views) {
            let ViewBatch { indices, views } = batch?;
            let views = views
                .into_iter()
                .map(|(size, pixels)| images(size, pixels, &self.device).autodiff());
            let loss = self.train_step(phase, &views.collect::<Vec<_>>(), total)?;
            // A batch may lack images that could not be read: its place in the order is that of its last
            // image, rounded up to whole batches.
            let place = indices.last().and_then(|last| order.iter().position(|item| item == last));
            let done = place.map_or(order.len(), |place| (place / batch_size + 1) * batch_size);
            self.state.consumed = done.min(order.len());
            let (learning_rate, done) = (self.state.sums.rate, self.state.step);
            progress.step(&tl_train::Step { loss, learning_rate, done, total });
            progress.advance(indices.len() as u64, &format!("loss {loss:.3}"));
            let stopping = self.conduct.stop.load(Ordering::Relaxed);
            let due = self.conduct.checkpoint_every.is_some_and(|every| {
                self.state.step.is_multiple_of(every) && self.state.consumed < order.len()
            });
            if stopping || due {
                self.state.sums.seconds += started.elapsed().as_secs_f64();
                started = Instant::now();
                self.save()?;
            }
            if stopping {
                return Err(TrainError::Interrupted { step: self.state.step }.into());
            }
        }
        progress.end();
        self.state.consumed = order.len();
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        match self.state.sums.steps {
            0 => Err(SslError::Empty { part: "training" }),
            _ => Ok(()),
        }
    }

    /// The images of an epoch in their order, without a last smaller batch for methods that compare images.
    fn order(&self, epoch: u64) -> Vec<usize> {
        let items = self.task.images;
        let order = rng(self.settings.seed, "shuffle", epoch, 0).permutation(items.len());
        let mut order: Vec<usize> = order.into_iter().map(|place| items[place]).collect();
        let batch_size = self.settings.batch_size;
        if self.method.compares_images() && order.len() > batch_size {
            order.truncate(order.len() / batch_size * batch_size);
        }
        order
    }

    /// One step of the optimizer, and of the teacher; answers the loss.
    fn train_step(
        &mut self,
        phase: &ResolvedPhase,
        views: &[Tensor<4>],
        total_steps: u64,
    ) -> Result<f64, SslError> {
        let joint = self.joint.take().ok_or_else(lost)?;
        let number = self.state.step + 1;
        let progress = self.state.step as f64 / total_steps.max(1) as f64;
        let pass = Pass { seed: self.settings.seed, step: number };
        let (student, teacher) = (joint.pair(), self.teacher.as_ref().map(Joint::pair));
        let step = Step { student, teacher, views, first: 0, progress, pass };
        let found = match self.settings.parts {
            1 => at_once(self.method, &step),
            parts => in_parts(self.method, &step, &joint, parts),
        }?;
        let Differentiated { terms, notes, loss, features, mut gradients } = found;
        let norm = gradient_norm(&joint, &gradients, &Fused).map_err(SslError::device)?;
        if let Some(path) = norm.not_finite.first() {
            let term = format!("the gradient of {path}");
            return Err(SslError::NotFinite { step: number, term });
        }
        let factor = phase.phase.schedule.factor(self.state.step, total_steps);
        let scale = norm.clip_scale(phase.phase.clip_norm);
        let last_decay = self.settings.last_weight_decay;
        let joint = self.optimizer.step(joint, &mut gradients, scale, |path, rank| {
            let mut rates = phase.rates(path, rank);
            rates.rate *= factor;
            let decays = rates.weight_decay > 0.0;
            if let Some(last) = last_decay.filter(|_| decays) {
                rates.weight_decay = cosine(rates.weight_decay, last, progress);
            }
            // Tokens and positions stand for places, not for directions: they do not decay.
            if path.ends_with("_token") || path.ends_with("pos_embed") {
                rates.weight_decay = 0.0;
            }
            rates
        });
        if let (Some(teacher), Some(keep)) = (self.teacher.take(), self.method.momentum(progress)) {
            self.teacher = Some(follow(teacher, &joint, keep));
        }
        self.joint = Some(joint);
        self.state.step = number;
        let sums = &mut self.state.sums;
        for (name, value) in terms {
            *sums.terms.entry(name.to_string()).or_default() += value;
        }
        for (name, value) in notes {
            *sums.notes.entry(name.to_string()).or_default() += value;
        }
        sums.steps += 1;
        sums.gradient_norm += norm.norm;
        sums.rate = phase.settings.last().map_or(0.0, |head| head.rate) * factor;
        self.watch(features)?;
        Ok(loss)
    }

    /// Looks for a collapse now and then.
    fn watch(&mut self, features: Tensor<2>) -> Result<(), SslError> {
        let step = self.state.step;
        if !step.is_multiple_of(monitor::EVERY) {
            return Ok(());
        }
        let [rows, width] = features.dims();
        let features = features.reshape([rows * width]);
        let features = tl_core::parameters::values(features).map_err(SslError::device)?;
        let least = self.method.collapsed_below();
        match self.state.monitor.look(&features, width, least) {
            Some(reason) if self.settings.monitor => Err(SslError::Collapsed { step, reason }),
            _ => Ok(()),
        }
    }
}
