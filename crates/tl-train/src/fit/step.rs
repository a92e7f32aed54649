//! One step: the losses of its batches, their gradients, and what the optimizer makes of them.

use burn::prelude::*;
use tl_core::gradients::gradient_norm;
use tl_core::{Activation, Backbone, Head, Pass, ResolvedPhase};
use tl_kernels::Fused;

use super::gathered::{Computed, Gathered};
use super::guard::{first_not_finite, stage_of};
use super::mixing::{Mixed, mix};
use super::session::Session;
use crate::loss::{
    binary_cross_entropy, cross_entropy, scalar, squared_error, weighted_cross_entropy,
};
use crate::regularise::{Forward, Leaving, go_through};
use crate::{Answers, TrainError};

/// What the loss of a classifier in the middle of the network counts beside that of the last one: in torchvision's training.
const HALFWAY_SHARE: f64 = 0.4;

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// The loss of the labels of a batch, and the gradients of it with the terms beside it; `before` batches of the same step came
    /// before.
    pub(super) fn differentiate(
        &self,
        phase: &ResolvedPhase,
        input: Activation,
        items: &[usize],
        labels: &[usize],
        before: u64,
    ) -> Result<Computed, TrainError> {
        let Some(model) = &self.model else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let step = self.state.step + 1;
        // Every batch draws what it draws by a number of its own.
        let number = step.wrapping_mul(self.settings.accumulate as u64).wrapping_add(before);
        let pass = Pass { seed: self.settings.seed, step: number };
        let stages = phase.settings.len() - 1;
        let smoothing = phase.phase.label_smoothing;
        // Behind frozen stages there are no images to mix.
        let (input, mixed) = match phase.cut {
            0 => mix(self.settings, input, number)?,
            _ => (input, None),
        };
        let labels_loss =
            |logits: Tensor<2>| self.mixed_loss(logits, items, labels, smoothing, mixed.as_ref());
        let cut_input = input.autodiff();
        // With every stage frozen the input is what the head multiplies already.
        let from = phase.cut.min(stages);
        let regularisers = &phase.phase.regularisers;
        // A path counts what the loss of the labels alone does: where terms go through the network too, that is differentiated by
        // itself, in a copy whose statistics nobody keeps.
        let alone = (self.path.is_some() && go_through(regularisers)).then(|| {
            let logits = model.clone().forward_from(cut_input.clone(), from, pass)?;
            Ok::<_, TrainError>(labels_loss(logits).backward())
        });
        let alone = alone.transpose()?;
        let Forward { logits, halfway, terms } =
            self.beginning.forward(model, cut_input.clone(), from, pass, regularisers)?;
        let loss = labels_loss(logits);
        let halfway = halfway.map(|logits| labels_loss(logits) * HALFWAY_SHARE);
        let value = scalar(loss.clone()).map_err(TrainError::Device)?;
        if !value.is_finite() {
            let place = first_not_finite(model, cut_input, from);
            return Err(self.not_finite(phase, "the loss", place));
        }
        let rehearsed = match &self.memories {
            Some(memories) => {
                let usual = (self.settings.batch_size, &self.device);
                self.beginning.rehearse(model, memories, (from, pass), regularisers, usual)?
            }
            None => None,
        };
        let terms =
            [halfway, terms, rehearsed].into_iter().flatten().reduce(|sum, term| sum + term);
        let loss = match terms {
            Some(terms) => loss + terms,
            None => loss,
        };
        let weight = self.weight(labels);
        Ok(Computed { loss: value, gradients: loss.backward(), alone, weight })
    }

    /// One step of the optimizer by what was gathered, if anything was; answers the mean loss of its labels.
    pub(super) fn step(
        &mut self,
        phase: &ResolvedPhase,
        gathered: Gathered,
        total_steps: u64,
    ) -> Result<Option<f64>, TrainError> {
        let Some(Computed { loss, mut gradients, alone, .. }) = gathered.mean() else {
            return Ok(None);
        };
        let Some(model) = self.model.take() else {
            return Err(TrainError::Device("the model was lost".into()));
        };
        let stages = phase.settings.len() - 1;
        let leaving =
            self.path.is_some().then(|| Leaving::of(&model, alone.as_ref().unwrap_or(&gradients)));
        self.beginning.add_gradients(&model, &mut gradients, &phase.phase.regularisers);
        let norm = gradient_norm(&model, &gradients, &Fused).map_err(TrainError::Device)?;
        if !norm.not_finite.is_empty() {
            return Err(self.not_finite(phase, "a gradient", stage_of(&norm.not_finite, phase)));
        }
        let factor = phase.phase.schedule.factor(self.state.phase_step, total_steps);
        let scale = norm.clip_scale(phase.phase.clip_norm);
        let model = self.optimizer.step(model, &mut gradients, scale, |path, rank| {
            let mut rates = phase.rates(path, rank);
            rates.rate *= factor;
            rates
        });
        if let (Some(path), Some(leaving)) = (&mut self.path, leaving) {
            path.add(leaving, &model);
        }
        if let Some(average) = &mut self.ema {
            average.update(&model);
        }
        self.model = Some(model);
        self.state.step += 1;
        self.state.phase_step += 1;
        let sums = &mut self.state.sums;
        sums.steps += 1;
        sums.gradient_norm += norm.norm;
        sums.rate = phase.settings[stages].rate * factor;
        if let Some(sweep) = &mut self.sweep {
            sweep.note(factor, loss);
        }
        Ok(Some(loss))
    }

    fn not_finite(&self, phase: &ResolvedPhase, what: &'static str, place: String) -> TrainError {
        let (step, phase) = (self.state.step + 1, phase.phase.name.clone());
        TrainError::NotFinite { step, phase, what, place }
    }

    /// What a batch of these labels weighs among those of its step: what its mean loss was divided by.
    fn weight(&self, labels: &[usize]) -> f64 {
        match &self.class_weights {
            // Of several labels every image weighs the same.
            Some(weights) if self.task.data.several().is_none() => {
                let of = |label: &usize| weights.get(*label).copied().unwrap_or(1.0);
                labels.iter().map(|label| f64::from(of(label))).sum()
            }
            _ => labels.len() as f64,
        }
    }

    /// The loss of the labels of a batch, and of those of the images that were mixed into its own.
    fn mixed_loss(
        &self,
        logits: Tensor<2>,
        items: &[usize],
        labels: &[usize],
        smoothing: f64,
        mixed: Option<&Mixed>,
    ) -> Tensor<1> {
        let of = |labels: &[usize]| self.loss(logits.clone(), items, labels, smoothing);
        match mixed {
            Some(mixed) => mixed.loss(labels, of),
            None => of(labels),
        }
    }

    /// The loss of the labels of a batch.
    fn loss(
        &self,
        logits: Tensor<2>,
        items: &[usize],
        labels: &[usize],
        smoothing: f64,
    ) -> Tensor<1> {
        let data = self.task.data;
        let logits = Answers::of(data.answers(), logits, items);
        if let Some(several) = data.several() {
            let wanted = several.targets(items, logits.dims()[1]);
            return binary_cross_entropy(logits, &wanted, self.class_weights.as_deref());
        }
        match (data.numbers(), &self.class_weights) {
            (Some(numbers), _) => squared_error(logits, &numbers.targets(items, data.windows())),
            (None, Some(weights)) => weighted_cross_entropy(logits, labels, smoothing, weights),
            (None, None) => cross_entropy(logits, labels, smoothing),
        }
    }
}
