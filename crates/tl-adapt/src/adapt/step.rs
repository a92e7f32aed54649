//! One epoch of training: pairs of batches, rounds of the method, steps of the optimizer.

use std::time::Instant;

use burn::prelude::*;
use tl_core::gradients::gradient_norm;
use tl_core::{Activation, Backbone, Head, Pass, ResolvedPhase, rng};
use tl_train::ema::put_back;
use tl_train::loss::{cross_entropy, scalar};
use tl_train::{Progress, TrainError};

use super::joint::{Forward, Joint, stack};
use super::session::{Session, lost};
use crate::AdaptError;
use crate::contract::{Method, Round, SourceBatch, Step, TargetBatch, Term, Trains};
use crate::domains::{PairedItems, Part, View};
use crate::methods::Source;
use crate::parts::set_gradients;

/// The name of the cross-entropy on the source among the terms.
const CLASSIFICATION: &str = "classification";
/// The same on the few target examples whose labels the user gave.
const TARGET_CLASSIFICATION: &str = "target_classification";

/// Both batches of a step at the cut, as constants of the autodiff device.
struct Pair {
    items: PairedItems,
    source: Option<Activation>,
    target: Option<Activation>,
    labels: Vec<usize>,
    /// A few target examples whose labels the user gave.
    labelled_target: Option<(Activation, Vec<usize>)>,
    /// What the source encoder and the teacher make of them.
    encoded: Option<Tensor<2>>,
    taught: Option<Tensor<2>>,
}

/// Where a step stands.
struct Moment<'p> {
    phase: &'p ResolvedPhase,
    /// The factor of the rates.
    factor: f64,
    /// The share of the method's steps that are done.
    progress: f64,
    pass: Pass,
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Trains what is left of the current epoch.
    pub(super) fn train_epoch(
        &mut self,
        phase: &ResolvedPhase,
        phases: &[ResolvedPhase],
        progress: &mut dyn Progress,
    ) -> Result<(), AdaptError> {
        let mut started = Instant::now();
        let (seed, epoch) = (self.settings.seed, self.state.rows.len() as u64);
        let pairs = self.task.domains.pairs(seed, epoch, self.settings.batch_size);
        let in_phase = (pairs.len() * phase.phase.epochs) as u64;
        let methods = phases.iter().skip(self.settings.source_phases);
        let in_method = pairs.len() * methods.map(|phase| phase.phase.epochs).sum::<usize>();
        let rounds = if self.adapting() { self.task.method.rounds() } else { Source.rounds() };
        let begun = self.state.consumed.min(pairs.len());
        let title = format!("{} {}/{}", phase.phase.name, self.state.epoch + 1, phase.phase.epochs);
        progress.begin(&title, (pairs.len() - begun) as u64);
        if let [only] = rounds[..] {
            self.prepare(only)?;
        }
        let count = pairs.len();
        for items in pairs.into_iter().skip(begun) {
            let step = self.state.step + 1;
            let moment = Moment {
                phase,
                factor: phase.phase.schedule.factor(self.state.phase_step, in_phase),
                progress: self.state.method_step as f64 / in_method.max(1) as f64,
                pass: Pass { seed, step },
            };
            let pair = self.load(items, phase, &rounds)?;
            let mut total = 0.0;
            for (index, round) in rounds.iter().enumerate() {
                if rounds.len() > 1 {
                    self.prepare(*round)?;
                }
                total += self.round(&moment, index, *round, &pair)?;
            }
            if let (Some(teacher), Some(joint)) = (&mut self.teacher, &self.joint) {
                teacher.update(&joint.plain());
            }
            self.state.sums.rate =
                phase.settings.last().map_or(0.0, |head| head.rate) * moment.factor;
            self.state.step = step;
            self.state.phase_step += 1;
            self.state.method_step += u64::from(self.adapting());
            self.state.consumed += 1;
            let (learning_rate, done) = (self.state.sums.rate, self.state.phase_step);
            progress.step(&tl_train::Step { loss: total, learning_rate, done, total: in_phase });
            progress.advance(1, &format!("loss {total:.3}"));
            let stopping = self.conduct.stopping();
            if stopping || self.conduct.due(step) && self.state.consumed < count {
                self.state.sums.seconds += started.elapsed().as_secs_f64();
                started = Instant::now();
                self.save()?;
            }
            if stopping {
                return Err(TrainError::Interrupted { step }.into());
            }
        }
        progress.end();
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Brings the examples of a step to the cut.
    fn load(
        &self,
        items: PairedItems,
        phase: &ResolvedPhase,
        rounds: &[Round],
    ) -> Result<Pair, AdaptError> {
        let domains = self.task.domains;
        // Behind frozen stages nothing is varied.
        let view = match phase.phase.augment && phase.cut == 0 {
            true => View::Varied { seed: self.settings.seed, epoch: self.state.rows.len() as u64 },
            false => View::Plain,
        };
        let plain = |part, items: &[usize]| domains.batch(part, items, view);
        let at_cut = |part, items: &[usize]| -> Result<Activation, AdaptError> {
            let cached = self.cache.as_ref();
            let cached = cached.and_then(|cache| cache.batch(part, items, &self.device));
            let batch = match (cached, &self.prefix) {
                (Some(cached), _) => cached?,
                (None, Some(prefix)) => prefix.forward(plain(part, items)?)?,
                (None, None) => plain(part, items)?,
            };
            Ok(batch.autodiff())
        };
        let encoded = match (&self.source_encoder, self.adapting()) {
            (Some((encoder, head)), true) => {
                let images = plain(Part::SourceTraining, &items.source)?;
                Some(head.features(encoder.forward(images)?)?.autodiff())
            }
            _ => None,
        };
        let taught = match (&self.teacher, self.adapting()) {
            (Some(teacher), true) => {
                let model = put_back(self.joint()?.plain(), &teacher.save()?.1);
                let images = domains.batch(Part::Target, &items.target, View::Plain)?;
                Some(model.forward(images, Pass::default())?.autodiff())
            }
            _ => None,
        };
        let labels = domains.source_labels();
        let labels = items.source.iter().map(|&item| labels[item]).collect();
        let needed = |part, items: &[usize], asks: fn(&Round) -> bool| {
            rounds.iter().any(asks).then(|| at_cut(part, items)).transpose()
        };
        let source = needed(Part::SourceTraining, &items.source, |round| round.source)?;
        let target = needed(Part::Target, &items.target, |round| round.target)?;
        let few = domains.labelled_target_labels();
        let labelled_target = if few.is_empty() || !self.adapting() {
            None
        } else {
            let (seed, step) = (self.settings.seed, self.state.step);
            let mut chosen = rng(seed, "shuffle.labelled_target", step, 0).permutation(few.len());
            chosen.truncate(self.settings.batch_size);
            let labels = chosen.iter().map(|&item| few[item]).collect();
            Some((at_cut(Part::LabelledTarget, &chosen)?, labels))
        };
        Ok(Pair { items, source, target, labels, labelled_target, encoded, taught })
    }

    /// Lets exactly the parameters ask for gradients that the phase trains and the round updates.
    fn prepare(&mut self, round: Round) -> Result<(), AdaptError> {
        let joint = self.joint.take().ok_or_else(lost)?;
        let (trained, affine) = (&self.trained, &self.affine);
        let joint = set_gradients(joint, |path| {
            let part = match (path.split('.').next(), round.backbone) {
                (Some("networks"), _) => round.networks,
                (Some("head"), _) => round.head,
                (_, Trains::Everything) => true,
                (_, Trains::NormAffine) => affine.contains(path),
                (_, Trains::Nothing) => false,
            };
            part && trained.contains(path)
        });
        self.joint = Some(joint);
        Ok(())
    }

    /// One forward and backward pass and one update; answers the loss.
    fn round(
        &mut self,
        moment: &Moment<'_>,
        index: usize,
        round: Round,
        pair: &Pair,
    ) -> Result<f64, AdaptError> {
        let joint = self.joint.take().ok_or_else(lost)?;
        let (adapting, pass) = (self.adapting(), moment.pass);
        let method: &dyn Method = if adapting { &*self.task.method } else { &Source };
        let phase = &moment.phase.phase;
        let failed = |term: String| AdaptError::NotFinite {
            step: pass.step,
            phase: phase.name.clone(),
            term,
        };
        let (source, target) = self.forward(&joint, moment, round, pair, method)?;
        let mut terms = Vec::new();
        if let (true, Some(source)) = (round.supervised, &source) {
            let value = cross_entropy(source.logits.clone(), &pair.labels, phase.label_smoothing);
            terms.push(Term { name: CLASSIFICATION, value, weight: 1.0 });
        }
        if let (true, Some((batch, labels))) = (round.supervised, &pair.labelled_target) {
            let found = joint.forward(batch.clone(), moment.phase.cut, 0, &Source, pass)?;
            let value = cross_entropy(found.logits, labels, phase.label_smoothing);
            terms.push(Term { name: TARGET_CLASSIFICATION, value, weight: 1.0 });
        }
        let step = Step {
            method: method.name(),
            source: source.map(|Forward { features, logits }| SourceBatch {
                features,
                logits,
                labels: pair.labels.clone(),
                domains: pair
                    .items
                    .source
                    .iter()
                    .map(|&item| self.task.domains.source_domain(item))
                    .collect(),
                items: pair.items.source.clone(),
            }),
            target: target.map(|Forward { features, logits }| TargetBatch {
                features,
                logits,
                teacher: pair.taught.clone(),
                items: pair.items.target.clone(),
            }),
            source_encoder: pair.encoded.clone(),
            networks: &joint.networks,
            round: index,
            progress: moment.progress,
            seed: pass.seed,
            step: pass.step,
        };
        let own = method.terms(&step)?;
        terms.extend(own.terms);
        drop(step);
        for (name, value) in own.notes {
            self.state.sums.notes.entry(name.to_string()).or_default().add(value);
        }
        let mut loss: Option<Tensor<1>> = None;
        for Term { name, value, weight } in terms {
            let number = scalar(value.clone()).map_err(AdaptError::device)?;
            if !number.is_finite() {
                return Err(failed(format!("the term {name}")));
            }
            self.state.sums.terms.entry(name.to_string()).or_default().add(number);
            let weighted = if weight == 1.0 { value } else { value.mul_scalar(weight) };
            loss = Some(match loss {
                Some(sum) => sum + weighted,
                None => weighted,
            });
        }
        let Some(loss) = loss else {
            self.joint = Some(joint);
            return Ok(0.0);
        };
        let total = scalar(loss.clone()).map_err(AdaptError::device)?;
        let mut gradients = loss.backward();
        let norm =
            gradient_norm(&joint, &gradients, &tl_kernels::Fused).map_err(AdaptError::device)?;
        if let Some(path) = norm.not_finite.first() {
            return Err(failed(format!("the gradient of {path}")));
        }
        let scale = norm.clip_scale(phase.clip_norm);
        let of_networks = joint.networks.rates();
        let joint = self.optimizer.step(joint, &mut gradients, scale, |path, rank| {
            let mut rates = moment.phase.rates(path, rank);
            rates.rate *= moment.factor * of_networks.of(path);
            rates
        });
        self.state.sums.gradient_norm.add(norm.norm);
        self.joint = Some(joint);
        Ok(total)
    }

    /// What the model makes of the batches that a round runs.
    fn forward(
        &self,
        joint: &Joint<B, H>,
        moment: &Moment<'_>,
        round: Round,
        pair: &Pair,
        method: &dyn Method,
    ) -> Result<(Option<Forward>, Option<Forward>), AdaptError> {
        let (cut, pass) = (moment.phase.cut, moment.pass);
        let sources = pair.items.source.len();
        let run = |batch: Activation, sources| joint.forward(batch, cut, sources, method, pass);
        let source = pair.source.clone().filter(|_| round.source);
        let target = pair.target.clone().filter(|_| round.target);
        let together = self.together();
        match (source, target) {
            (Some(source), Some(target)) if together => {
                let (source, target) = run(stack(source, target)?, sources)?.split(sources);
                Ok((Some(source), Some(target)))
            }
            (source, target) => {
                let source = source.map(|batch| run(batch, sources)).transpose()?;
                Ok((source, target.map(|batch| run(batch, 0)).transpose()?))
            }
        }
    }
}
