//! The gradients of the batches that make one step.
//!
//! Batches of `n_1, n_2, …` labels, each with a mean loss of its own, make the step of one batch of all of them:
//! `g = Σ n_i · g_i / Σ n_i`, where classes weigh differently with the sum of their labels' weights for `n_i`.

use burn::module::Module;
use burn::tensor::Gradients;
use tl_core::gradients::mix_gradients;

/// The gradients of one batch, or the mean of several.
pub(crate) struct Computed {
    /// Of the labels.
    pub loss: f64,
    pub gradients: Gradients,
    /// Those of the labels' loss alone, where they are asked for and differ.
    pub alone: Option<Gradients>,
    /// What the batch weighs in the mean.
    pub weight: f64,
}

/// What was gathered for a step so far.
#[derive(Default)]
pub(crate) struct Gathered {
    mean: Option<Computed>,
    batches: u64,
    /// The number of the step in its epoch.
    step: usize,
}

impl Gathered {
    /// Whether something is here that belongs to a step before this one of the epoch.
    pub fn belongs_before(&self, step: usize) -> bool {
        self.mean.is_some() && self.step < step
    }

    /// How many batches came before the next one, which is of this step of the epoch.
    pub fn next(&mut self, step: usize) -> u64 {
        self.step = step;
        self.batches
    }

    /// Takes in a batch; the first one keeps every bit.
    pub fn add<M: Module>(&mut self, model: &M, new: Computed) {
        self.batches += 1;
        let Some(mean) = &mut self.mean else {
            self.mean = Some(new);
            return;
        };
        let weight = mean.weight + new.weight;
        let (kept, added) = (mean.weight / weight, new.weight / weight);
        mean.loss = kept * mean.loss + added * new.loss;
        mix_gradients(model, (&mut mean.gradients, kept), (&new.gradients, added));
        if let (Some(mean), Some(new)) = (&mut mean.alone, &new.alone) {
            mix_gradients(model, (mean, kept), (new, added));
        }
        mean.weight = weight;
    }

    /// The mean, if there is any.
    pub fn mean(self) -> Option<Computed> {
        self.mean
    }
}
