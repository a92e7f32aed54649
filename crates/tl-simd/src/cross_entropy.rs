//! Softmax over rows `[rows, classes]`, and the cross-entropy of it with its gradient.
//!
//! With zₖ a row's logits, pₖ = exp(zₖ) / Σ exp(z), target y, class weights w and smoothing s, a row's loss is
//! −(1 − s) w_y ln p_y − s / classes · Σ wₖ ln pₖ (Szegedy et al. 2016, arXiv 1512.00567; weighted as PyTorch does).
//! Everything is shifted by the largest logit, so that no exponential overflows.

mod kernels;

use rayon::prelude::*;

use crate::Level;

/// The values of one task, about: 128 KiB of each operand.
const CHUNK: usize = 32_768;

/// The rows of one task: by the number of classes alone.
fn rows_of_task(classes: usize) -> usize {
    (CHUNK / classes).max(1)
}

/// pₖ of each row `[rows, classes]`, into `output`. A row of −∞ alone gives zeros.
///
/// # Panics
/// If the lengths do not fit each other, or there are no classes.
pub fn softmax(level: Level, x: &[f32], classes: usize, output: &mut [f32]) {
    rows(level, x, classes, output, false);
}

/// ln pₖ of each row `[rows, classes]`, into `output`.
///
/// # Panics
/// If the lengths do not fit each other, or there are no classes.
pub fn log_softmax(level: Level, x: &[f32], classes: usize, output: &mut [f32]) {
    rows(level, x, classes, output, true);
}

fn rows(level: Level, x: &[f32], classes: usize, output: &mut [f32], logarithm: bool) {
    assert!(classes > 0 && x.len().is_multiple_of(classes) && output.len() == x.len());
    let chunk = rows_of_task(classes) * classes;
    let tasks = x.par_chunks(chunk).zip(output.par_chunks_mut(chunk));
    tasks.for_each(|(x, output)| level.run(kernels::Softmax { x, classes, output, logarithm }));
}

/// What a loss is made of beside the logits.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    pub classes: usize,
    /// How much of a target is spread over all classes, 0 to 1.
    pub smoothing: f32,
    /// A weight for each class; none weighs all by 1.
    pub weights: Option<&'a [f32]>,
}

impl Loss<'_> {
    /// What the mean over rows divides by: the sum of the targets' weights.
    pub fn total_weight(&self, targets: &[u32]) -> f64 {
        let weight = |&target: &u32| {
            let target = target as usize;
            let weights = self.weights;
            let weight = weights.map_or(1.0, |weights| weights.get(target).copied().unwrap_or(0.0));
            if target < self.classes { f64::from(weight) } else { 0.0 }
        };
        targets.iter().map(weight).sum()
    }
}

/// Where a gradient goes, `[rows, classes]`, and the factor that each row's loss has in what is differentiated.
#[derive(Debug)]
pub struct Gradient<'a> {
    /// For the mean over rows, 1 / [`Loss::total_weight`].
    pub scale: f32,
    pub values: &'a mut [f32],
}

/// The loss of each row of logits `[rows, classes]`, and in the same pass its gradient.
///
/// A row whose target is no class (padding) has loss 0 and gradient 0.
///
/// # Panics
/// If the lengths do not fit each other, or there are no classes.
pub fn cross_entropy(
    level: Level,
    loss: Loss,
    logits: &[f32],
    targets: &[u32],
    losses: &mut [f32],
    gradient: Option<Gradient>,
) {
    let classes = loss.classes;
    assert!(classes > 0 && logits.len() == targets.len() * classes);
    assert_eq!(targets.len(), losses.len());
    assert!(loss.weights.is_none_or(|weights| weights.len() == classes));
    let spread: f64 = match loss.weights {
        Some(weights) => weights.iter().map(|&weight| f64::from(weight)).sum(),
        None => classes as f64,
    };
    let rows = rows_of_task(classes);
    let chunk = rows * classes;
    let tasks =
        logits.par_chunks(chunk).zip(targets.par_chunks(rows)).zip(losses.par_chunks_mut(rows));
    let run = |((logits, targets), losses), gradient| {
        let spread = spread as f32;
        level.run(kernels::CrossEntropy { loss, spread, logits, targets, losses, gradient });
    };
    match gradient {
        None => tasks.for_each(|task| run(task, None)),
        Some(Gradient { scale, values }) => {
            assert_eq!(values.len(), logits.len());
            tasks.zip(values.par_chunks_mut(chunk)).for_each(|(task, values)| {
                run(task, Some(Gradient { scale, values }));
            });
        }
    }
}

#[cfg(test)]
mod tests;
