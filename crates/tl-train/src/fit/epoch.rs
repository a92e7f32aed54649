//! One epoch: training, validation, and what is noted down.

use std::time::Instant;

use burn::module::Module;
use tl_core::{Backbone, Head, ResolvedPhase, rng};
use tl_data::text::batches_by_length;

use super::feed::{Feed, view};
use super::gathered::Gathered;
use super::head::{Known, features, solve};
use super::session::Session;
use super::state::{BestEpoch, EpochSums};
use super::sweep::Sweep;
use super::validated::Validated;
use crate::TrainError;
use crate::ema::{put_back, snapshot};
use crate::logistic::Options;
use crate::progress::{EpochRow, Progress, Step};
use crate::regularise::PathIntegral;
use crate::resident_bytes;

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// Trains what is left of the current epoch.
    pub(super) fn train_epoch(
        &mut self,
        phase: &ResolvedPhase,
        feed: &Feed<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let mut started = Instant::now();
        let epoch = self.state.rows.len();
        let train = self.labelled(&self.task.split.train);
        let order: Vec<usize> = rng(self.settings.seed, "shuffle", epoch as u64, 0)
            .permutation(train.len())
            .into_iter()
            .map(|place| train[place])
            .collect();
        let batch_size = self.settings.batch_size;
        let order = match self.task.data.lengths() {
            Some(lengths) => {
                batches_by_length(&order, lengths, batch_size, self.settings.seed, epoch as u64)
            }
            None => order,
        };
        // The images of a step.
        let together = batch_size.saturating_mul(self.settings.accumulate);
        let total = order.len().div_ceil(together) as u64 * phase.phase.epochs as u64;
        let begun = self.state.consumed.min(order.len());
        // Behind frozen stages nothing is varied, whether their outputs are kept or not, but where several views of them are.
        let varied = self.task.data.varies() || phase.phase.augment && phase.cut == 0;
        let augment = varied.then_some(&self.task.augment);
        let seed = self.settings.seed;
        let view = match feed {
            Feed::Views(_) => view(Some(&self.task.augment), seed, self.state.epoch),
            Feed::Stored(_) | Feed::Streamed { .. } => view(augment, seed, epoch),
        };
        let device = self.device.clone();
        let title = format!("{} {}/{}", phase.phase.name, self.state.epoch + 1, phase.phase.epochs);
        progress.begin(&title, (order.len() - begun) as u64);
        let mut gathered = Gathered::default();
        for batch in feed.batches(order[begun..].to_vec(), batch_size, view.clone(), &device) {
            let (indices, activation) = batch?;
            let data = self.task.data;
            let labels: Vec<usize> = match (data.answers(), data.targets(&indices, view.as_ref())) {
                (Some(answers), _) => answers.labels(&indices),
                (None, Some(targets)) => targets,
                (None, None) => indices.iter().filter_map(|&i| self.labels[i]).collect(),
            };
            // A batch may lack images that could not be read: its place in the order is that of its
            // last image, rounded up to whole batches.
            let place = indices.last().and_then(|last| order.iter().position(|item| item == last));
            let done = place.map_or(order.len(), |place| (place / batch_size + 1) * batch_size);
            let step = done.saturating_sub(1) / together;
            if gathered.belongs_before(step) {
                // The last batch of the step before had nothing that could be read.
                self.step(phase, std::mem::take(&mut gathered), total)?;
            }
            // Sentences of which no word has a piece teach nothing.
            let loss = match labels.is_empty() {
                true => 0.0,
                false => {
                    let at = gathered.next(step);
                    let computed = self.differentiate(phase, activation, &indices, &labels, at)?;
                    let loss = computed.loss;
                    if let Some(model) = &self.model {
                        gathered.add(model, computed);
                    }
                    loss
                }
            };
            let sums = &mut self.state.sums;
            sums.loss += loss * labels.len() as f64;
            sums.images += labels.len() as u64;
            progress.advance(indices.len() as u64, &format!("loss {loss:.3}"));
            // What is known amid a step is no state to go on from: nothing is saved before its last batch.
            if !done.is_multiple_of(together) && done < order.len() {
                if self.conduct.out_of_time() {
                    return Err(TrainError::OutOfTime { step: self.state.step });
                }
                continue;
            }
            let mean = self.step(phase, std::mem::take(&mut gathered), total)?;
            // Of the whole step, not of its last batch.
            let loss = mean.unwrap_or(loss);
            self.state.consumed = done.min(order.len());
            let (learning_rate, done) = (self.state.sums.rate, self.state.phase_step);
            progress.step(&Step { loss, learning_rate, done, total });
            if self.sweep.as_ref().is_some_and(Sweep::is_over) {
                break;
            }
            let stopping = self.conduct.stopping();
            let amid = self.state.consumed < order.len();
            let due = self.conduct.due(self.state.step) && amid;
            if stopping || due {
                self.state.sums.seconds += started.elapsed().as_secs_f64();
                started = Instant::now();
                self.save(progress)?;
            }
            if stopping {
                return Err(TrainError::Interrupted { step: self.state.step });
            }
            // An epoch that was trained whole is validated first.
            if amid && self.conduct.out_of_time() {
                return Err(TrainError::OutOfTime { step: self.state.step });
            }
        }
        self.step(phase, gathered, total)?;
        progress.end();
        self.state.consumed = order.len();
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        if self.state.sums.images == 0 {
            let mend = "see which images were skipped";
            return Err(TrainError::NothingToUse { part: "training", mend });
        }
        Ok(())
    }

    /// Solves the head on the outputs of the frozen stages.
    pub(super) fn solve_head(
        &mut self,
        phase: &ResolvedPhase,
        feed: &Feed<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let started = Instant::now();
        let data = self.task.data;
        if data.numbers().is_some() || data.several().is_some() {
            let what = "the solver of a head that answers with numbers, or with several labels";
            let (value, expected) = ("logistic regression".to_string(), "epochs by gradient");
            return Err(TrainError::BadOption { what, value, expected });
        }
        let Some(model) = self.model.take() else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let batch_size = self.settings.batch_size;
        let of = |items: &[usize]| {
            let (labels, answers) = (self.labels.as_slice(), self.task.data.answers());
            let known = Known { labels, answers, check: &|| self.check_end() };
            features(&model, feed, phase.cut, items, &known, batch_size, &self.device)
        };
        let parts = [&self.task.split.train, &self.task.split.validation];
        let [train, validation] = parts.map(|part| of(&self.labelled(part)));
        let (train, validation) = match train.and_then(|train| Ok((train, validation?))) {
            Ok(found) => found,
            Err(error) => {
                // Who ends here keeps what there was.
                self.model = Some(model);
                return Err(error);
            }
        };
        let (bias, balanced) = (model.head.has_bias(), self.settings.balanced);
        let options = Options { bias, balanced, ..Options::default() };
        let (classes, in_time) = (model.head.classes(), || !self.conduct.out_of_time());
        let solved = solve(&train, Some(&validation), classes, &options, &in_time)?;
        progress.say(&solved.note);
        let plain = model.head.valid().with_values(solved.weight, solved.bias);
        let head = plain.train();
        let model = tl_core::Model { backbone: model.backbone, head };
        self.model = Some(tl_core::apply(phase, model));
        if let (Some(average), Some(model)) = (&mut self.ema, &self.model) {
            // The average begins at the head that was found, not at the one it replaces.
            *average = crate::ema::MovingAverage::new(self.settings.ema.unwrap_or(0.0), model);
        }
        self.state.sums.loss = solved.loss;
        self.state.sums.images = 1;
        self.state.sums.seconds += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// Validates, notes the epoch down, keeps the best weights, writes the checkpoint.
    pub(super) fn close_epoch(
        &mut self,
        phase: &ResolvedPhase,
        feed: &Feed<'_>,
        last: bool,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        let started = Instant::now();
        let Some(model) = self.model.take() else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let items = self.sorted(self.labelled(&self.task.split.validation));
        let due = (self.state.epoch + 1).is_multiple_of(self.settings.validate_every);
        let wanted = (last || due) && !items.is_empty();
        let plain = model.valid();
        let data = self.task.data;
        let mut measure = |model| self.validate(model, feed, phase.cut, &items, progress);
        let validation = if wanted { measure(&plain)? } else { None };
        let average = match (&self.ema, wanted) {
            (Some(average), true) => measure(&put_back(plain.clone(), &average.save()?.1))?,
            _ => None,
        };
        self.model = Some(model);
        let sums = std::mem::take(&mut self.state.sums);
        let epoch = self.state.rows.len() + 1;
        if let Some(found) = &validation {
            let best = self.state.best.map(|best| (best.accuracy, best.loss));
            let better = found.is_better(best, self.task.data);
            if better {
                self.state.best =
                    Some(BestEpoch { epoch, accuracy: found.score, loss: found.loss });
                self.best = Some(snapshot(&plain)?);
                self.path.as_mut().map_or(Ok(()), PathIntegral::note_best)?;
                self.state.stale = 0;
            } else {
                self.state.stale += 1;
            }
        }
        let row = row(phase, epoch, self.state.step, &sums, validation.as_ref(), average.as_ref());
        let row = EpochRow {
            seconds: sums.seconds + started.elapsed().as_secs_f64(),
            resident_mb: resident_bytes().map(|bytes| bytes as f64 / 1e6),
            ..row
        };
        progress.say(&describe(&row, data.asks_for_pieces()));
        progress.epoch(&row);
        self.state.rows.push(row);
        self.state.epoch += 1;
        self.state.consumed = 0;
        self.save(progress)
    }
}

fn row(
    phase: &ResolvedPhase,
    epoch: usize,
    step: u64,
    sums: &EpochSums,
    validation: Option<&Validated>,
    average: Option<&Validated>,
) -> EpochRow {
    EpochRow {
        phase: phase.phase.name.clone(),
        epoch,
        step,
        train_loss: sums.loss / sums.images.max(1) as f64,
        validation_loss: validation.map(|found| found.loss),
        validation_accuracy: validation.and_then(|found| found.accuracy),
        validation_f1: validation.and_then(|found| found.entity_f1),
        validation_r2: validation.and_then(|found| found.r2),
        validation_map: validation.and_then(|found| found.mean_average_precision),
        ema_accuracy: average.and_then(|found| found.accuracy),
        ema_r2: average.and_then(|found| found.r2),
        learning_rate: sums.rate,
        gradient_norm: (sums.steps > 0).then(|| sums.gradient_norm / sums.steps as f64),
        seconds: 0.0,
        resident_mb: None,
    }
}

/// An epoch in a line; of a language model, which answers with pieces, with its perplexity.
fn describe(row: &EpochRow, pieces: bool) -> String {
    let mut line = format!("epoch {} ({}): loss {:.4}", row.epoch, row.phase, row.train_loss);
    if let Some(loss) = row.validation_loss {
        line += &format!(" · validation loss {loss:.4}");
        if pieces {
            line += &format!(", perplexity {:.2}", loss.exp());
        }
    }
    if let Some(accuracy) = row.validation_accuracy {
        line += &format!(", accuracy {:.1} %", 100.0 * accuracy);
    }
    if let Some(r2) = row.validation_r2 {
        line += &format!(", R² {r2:.3}");
    }
    if let Some(map) = row.validation_map {
        line += &format!(", mAP {map:.3}");
    }
    if let Some(f1) = row.validation_f1 {
        line += &format!(" of words, F1 of entities {:.1} %", 100.0 * f1);
    }
    line + &format!(" · {:.1} s", row.seconds)
}
