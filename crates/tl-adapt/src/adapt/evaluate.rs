//! After an epoch: what the model answers for both domains, what the validators say, which weights
//! are kept.

use std::time::Instant;

use tl_core::{Activation, Backbone, Head, Model, ResolvedPhase, rng};
use tl_train::Progress;
use tl_train::ema::snapshot;

use super::session::Session;
use crate::a_distance::a_distance;
use crate::domains::{Part, View};
use crate::methods::adapt_norms;
use crate::outputs::{LabelledOutputs, Outputs};
use crate::parts::HeadValues;
use crate::rows::AdaptRow;
use crate::validators::{Evidence, Scores, prefer};
use crate::{AdaptError, Batches};

/// Examples that norm statistics are estimated on. A mean over so many has an error of 1/√512 = .044
/// of a deviation, less where a channel has several places; more examples cost a pass through the
/// network each.
const NORM_EXAMPLES: usize = 512;

/// What is known of a model without target labels.
pub(super) struct Scored {
    pub scores: Scores,
    /// How many of the target examples are predicted as each class.
    pub predicted: Vec<usize>,
    pub a_distance: Option<f64>,
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Validates, notes the epoch down, keeps the weights if the validator prefers them, writes the
    /// checkpoint.
    pub(super) fn close_epoch(
        &mut self,
        phase: &ResolvedPhase,
        progress: &mut dyn Progress,
    ) -> Result<(), AdaptError> {
        let started = Instant::now();
        let sums = std::mem::take(&mut self.state.sums);
        let plain = self.joint()?.plain();
        let target = match self.adapting() {
            true => self.for_target(plain.clone())?,
            false => plain.clone(),
        };
        let source = self.for_source(plain)?;
        let Scored { scores, predicted, a_distance } = self.scores(&source, &target)?;
        let oracle = match self.task.oracle {
            Some(oracle) => Some(oracle.measure(&target, &self.device)?),
            None => None,
        };
        let row = AdaptRow {
            phase: phase.phase.name.clone(),
            method: if self.adapting() { self.task.method.name() } else { "source" }.to_string(),
            epoch: self.state.rows.len() + 1,
            step: self.state.step,
            terms: sums.terms.into_iter().map(|(name, mean)| (name, mean.value())).collect(),
            notes: sums.notes.into_iter().map(|(name, mean)| (name, mean.value())).collect(),
            scores,
            predicted,
            a_distance,
            oracle,
            learning_rate: sums.rate,
            gradient_norm: sums.gradient_norm.value(),
            seconds: sums.seconds + started.elapsed().as_secs_f64(),
        };
        progress.say(&row.describe());
        self.state.rows.push(row);
        let newest = self.state.rows.len() - 1;
        if self.prefers_newest()? {
            self.state.chosen = Some(newest);
            self.chosen = Some(snapshot(&target)?);
            self.state.stale = 0;
        } else {
            self.state.stale += 1;
        }
        self.state.epoch += 1;
        self.state.consumed = 0;
        self.save()
    }

    /// Whether the newest row is the best so far. Only the method's own epochs are candidates;
    /// where the plan has none, all are.
    fn prefers_newest(&self) -> Result<bool, AdaptError> {
        let Some(newest) = self.state.rows.last() else { return Ok(false) };
        let chosen = self.state.chosen.and_then(|chosen| self.state.rows.get(chosen));
        if chosen.is_none_or(|chosen| chosen.method != newest.method) {
            return Ok(true);
        }
        // All epochs of a method train on the same scores: among them a score tells how far each has come.
        let own = self.state.rows.iter().filter(|row| row.method == newest.method);
        let candidates: Vec<Scores> = own.map(|row| row.scores.clone()).collect();
        let (best, _) = prefer(self.settings.validator, &candidates)?;
        Ok(best + 1 == candidates.len())
    }

    /// Scores a model, given as it answers on the source and as it answers on the target.
    pub(super) fn scores(
        &self,
        source: &Model<B, H>,
        target: &Model<B, H>,
    ) -> Result<Scored, AdaptError> {
        let training = self.training_outputs(source)?;
        let validation = self.validation_outputs(source)?;
        let target = self.target_outputs(target, &self.evidence.target)?;
        let evidence = Evidence { training: &training, validation: &validation, target: &target };
        let answers = [&training.outputs, &validation.outputs, &target];
        if answers.iter().any(|outputs| outputs.logits.iter().any(|logit| !logit.is_finite())) {
            return Err(AdaptError::NotFinite {
                step: self.state.step,
                phase: self.task.method.name().to_string(),
                term: "an answer of the model".into(),
            });
        }
        let scores = Scores::of(&evidence)?;
        let mut predicted = vec![0; target.classes];
        target.predictions().into_iter().for_each(|class| predicted[class] += 1);
        let a_distance = a_distance(&training.outputs, &target).ok();
        Ok(Scored { scores, predicted, a_distance })
    }

    /// The plain model as it answers on the target: with the target's norm statistics and head,
    /// where the method or the settings ask for them.
    pub(super) fn for_target(&self, mut model: Model<B, H>) -> Result<Model<B, H>, AdaptError> {
        let domains = self.task.domains;
        if self.adapts_norms() {
            model = self.with_norms_of(model, Part::Target, domains.targets())?;
        }
        if self.task.method.adapts_head() {
            let head = HeadValues::of(&model.head)?;
            let targets: Vec<usize> = (0..domains.targets()).collect();
            let outputs = self.target_outputs(&model, &targets)?;
            if let Some(found) = self.task.method.target_head(&head, &outputs) {
                model.head = model.head.with_values(found.weight, found.bias);
            }
        }
        Ok(model)
    }

    /// The plain model as it answers on the source. Where the batches of a step go apart and one is
    /// the target's, running statistics are a mixture that neither domain was trained with, so that
    /// the source gets its own.
    fn for_source(&self, model: Model<B, H>) -> Result<Model<B, H>, AdaptError> {
        if !self.adapting() || !self.mixes_statistics() {
            return Ok(model);
        }
        let sources = self.task.domains.source_labels().len();
        self.with_norms_of(model, Part::SourceTraining, sources)
    }

    fn with_norms_of(
        &self,
        model: Model<B, H>,
        part: Part,
        examples: usize,
    ) -> Result<Model<B, H>, AdaptError> {
        // Mixed, so that no batch is of a single class; always the same, so that it depends on the
        // weights alone.
        let mut order = rng(self.settings.seed, "norms", 0, 0).permutation(examples);
        order.truncate(NORM_EXAMPLES.max(self.settings.batch_size));
        let batch = self.settings.batch_size;
        // A remainder would have another weight, and a single example no variance.
        let whole = (order.len() / batch).max(1) * batch;
        let batches = order[..whole.min(order.len())]
            .chunks(batch)
            .map(|items| self.task.domains.batch(part, items, View::Plain));
        adapt_norms(model, batches)
    }

    /// Whether the model answers on the target with norm statistics of its own there.
    fn adapts_norms(&self) -> bool {
        self.settings.target_norms || self.task.method.adapts_norms() || self.mixes_statistics()
    }

    /// Whether training moves running statistics by batches of either domain in turn.
    fn mixes_statistics(&self) -> bool {
        !self.together() && self.task.method.rounds().iter().any(|round| round.target)
    }

    /// Whether the batches of both domains go through the network as one: as the settings say, and always where the
    /// method changes one by the other on the way.
    pub(super) fn together(&self) -> bool {
        self.settings.batches == Batches::Together || self.task.method.touched_stages() > 0
    }

    /// What a model answers for the source's training part.
    pub(super) fn training_outputs(
        &self,
        model: &Model<B, H>,
    ) -> Result<LabelledOutputs, AdaptError> {
        let items = &self.evidence.training;
        let labels = self.task.domains.source_labels();
        let outputs = self.outputs(model, Part::SourceTraining, items)?;
        Ok(LabelledOutputs { outputs, labels: items.iter().map(|&item| labels[item]).collect() })
    }

    /// What a model answers for the source's validation part.
    pub(super) fn validation_outputs(
        &self,
        model: &Model<B, H>,
    ) -> Result<LabelledOutputs, AdaptError> {
        let items = &self.evidence.validation;
        let labels = self.task.domains.validation_labels();
        let outputs = self.outputs(model, Part::SourceValidation, items)?;
        Ok(LabelledOutputs { outputs, labels: items.iter().map(|&item| labels[item]).collect() })
    }

    /// What a model answers for target examples.
    pub(super) fn target_outputs(
        &self,
        model: &Model<B, H>,
        items: &[usize],
    ) -> Result<Outputs, AdaptError> {
        self.outputs(model, Part::Target, items)
    }

    fn outputs(
        &self,
        model: &Model<B, H>,
        part: Part,
        items: &[usize],
    ) -> Result<Outputs, AdaptError> {
        let stages = model.backbone.stages().len();
        // Norms that were estimated anew may lie before the cut.
        let anew = match part {
            Part::Target => self.adapts_norms(),
            _ => self.mixes_statistics(),
        };
        let cache = self.cache.as_ref().filter(|_| !anew);
        let cut = self.prefix.as_ref().map_or(0, |prefix| prefix.range().end);
        let frozen = model.backbone.compile(if cache.is_some() { cut..stages } else { 0..stages });
        let mut found = Outputs {
            width: model.backbone.head_input_width(),
            classes: model.head.classes(),
            ..Outputs::default()
        };
        let host = |vectors| Activation::Vector(vectors).into_rows().map_err(AdaptError::device);
        for chunk in items.chunks(self.settings.batch_size.max(64)) {
            let cached = cache.and_then(|cache| cache.batch(part, chunk, &self.device));
            let batch = match cached {
                Some(cached) => cached?,
                None => self.task.domains.batch(part, chunk, View::Plain)?,
            };
            let features = model.head.features(frozen.forward(batch)?)?;
            let vectors = Activation::Vector(features.clone());
            found.logits.extend(host(model.head.forward(vectors, Default::default())?)?);
            found.features.extend(host(features)?);
        }
        Ok(found)
    }
}
