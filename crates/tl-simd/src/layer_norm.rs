//! Layer normalisation (Ba et al. 2016, arXiv 1607.06450) of rows `[rows, width]`.
//!
//! y = γ · (x − mean) / √(variance + ε) + β, with the mean and the (biased) variance of each row.

mod kernels;

use rayon::prelude::*;

use crate::Level;

/// The values of one task, about: 128 KiB of each operand.
const CHUNK: usize = 32_768;
/// The most rows of a task.
const MOST_ROWS: usize = 1024;

/// The rows of one task: by the width alone, so that no sum depends on the number of threads.
fn rows_of_task(width: usize) -> usize {
    (CHUNK / width).clamp(1, MOST_ROWS)
}

/// One layer's parameters.
#[derive(Clone, Copy, Debug)]
pub struct LayerNorm<'a> {
    /// The factor of each column; their number, at least 1, is the width of the rows.
    pub gamma: &'a [f32],
    /// The offset of each column.
    pub beta: &'a [f32],
    /// What is added to the variance.
    pub epsilon: f32,
}

/// What is added to the input before it is normalised, `[rows, width]`, and where the sum goes.
#[derive(Debug)]
pub struct Residual<'a> {
    pub values: &'a [f32],
    pub sum: &'a mut [f32],
}

/// What the forward pass keeps for the backward pass, one value a row.
#[derive(Debug)]
pub struct Statistics<'a> {
    pub means: &'a mut [f32],
    /// 1 / √(variance + ε).
    pub inverse_deviations: &'a mut [f32],
}

/// Normalises the rows of `x`, or of `x` and a residual, `[rows, width]`, into `output`.
///
/// # Panics
/// If the slices' lengths do not fit each other, or the width is 0.
pub fn forward(
    level: Level,
    layer: LayerNorm,
    x: &[f32],
    residual: Option<Residual>,
    output: &mut [f32],
    statistics: Statistics,
) {
    let width = layer.gamma.len();
    let Statistics { means, inverse_deviations } = statistics;
    assert!(width > 0 && layer.beta.len() == width);
    assert!(x.len() == means.len() * width && output.len() == x.len());
    assert_eq!(means.len(), inverse_deviations.len());
    let rows = rows_of_task(width);
    let chunk = rows * width;
    let tasks = x
        .par_chunks(chunk)
        .zip(output.par_chunks_mut(chunk))
        .zip(means.par_chunks_mut(rows).zip(inverse_deviations.par_chunks_mut(rows)));
    let run = |x, residual, output, (means, inverse_deviations)| {
        let statistics = Statistics { means, inverse_deviations };
        level.run(kernels::Forward { layer, x, residual, output, statistics });
    };
    match residual {
        None => tasks.for_each(|((x, output), statistics)| run(x, None, output, statistics)),
        Some(Residual { values, sum }) => {
            assert!(values.len() == x.len() && sum.len() == x.len());
            let sums = values.par_chunks(chunk).zip(sum.par_chunks_mut(chunk));
            tasks.zip(sums).for_each(|(((x, output), statistics), (values, sum))| {
                run(x, Some(Residual { values, sum }), output, statistics);
            });
        }
    }
}

/// What was normalised (with a residual: the sum), `[rows, width]`, and what the forward pass kept.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    pub x: &'a [f32],
    pub means: &'a [f32],
    pub inverse_deviations: &'a [f32],
}

/// Where the gradients go.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of what was normalised, `[rows, width]`.
    pub dx: &'a mut [f32],
    /// Of γ and of β; none where they are frozen.
    pub parameters: Option<[&'a mut [f32]; 2]>,
}

/// The gradients of a layer's input and parameters, of the `gradient` of its output, `[rows, width]`.
///
/// What reaches the sum of input and residual on another way, `bypass`, is added to the input's gradient.
///
/// # Panics
/// If the slices' lengths do not fit each other, or the width is 0.
pub fn backward(
    level: Level,
    gamma: &[f32],
    saved: Saved,
    gradient: &[f32],
    bypass: Option<&[f32]>,
    gradients: Gradients,
) {
    let width = gamma.len();
    let Saved { x, means, inverse_deviations } = saved;
    let Gradients { dx, parameters } = gradients;
    assert!(width > 0 && x.len() == means.len() * width && gradient.len() == x.len());
    assert!(means.len() == inverse_deviations.len() && dx.len() == x.len());
    assert!(bypass.is_none_or(|bypass| bypass.len() == x.len()));
    assert!(parameters.iter().flatten().all(|values| values.len() == width));
    let rows = rows_of_task(width);
    let tasks = means.len().div_ceil(rows);
    // Each task's own sums `[2, width]` for γ and β, added in order at the end.
    let mut sums = vec![0.0; if parameters.is_some() { tasks * 2 * width } else { 0 }];
    let run = |(task, dx): (usize, &mut [f32]), sums: &mut [f32]| {
        let (first, count) = (task * rows, dx.len() / width);
        let values = first * width..(first + count) * width;
        level.run(kernels::Backward {
            gamma,
            saved: Saved {
                x: &x[values.clone()],
                means: &means[first..first + count],
                inverse_deviations: &inverse_deviations[first..first + count],
            },
            gradient: &gradient[values.clone()],
            bypass: bypass.map(|bypass| &bypass[values]),
            dx,
            sums,
        });
    };
    let chunks = dx.par_chunks_mut(rows * width).enumerate();
    match parameters {
        None => chunks.for_each(|chunk| run(chunk, &mut [])),
        Some([dgamma, dbeta]) => {
            let sums_of_tasks = sums.par_chunks_mut(2 * width);
            chunks.zip(sums_of_tasks).for_each(|(chunk, sums)| run(chunk, sums));
            dgamma.fill(0.0);
            dbeta.fill(0.0);
            for sums in sums.chunks_exact(2 * width) {
                let (of_gamma, of_beta) = sums.split_at(width);
                dgamma.iter_mut().zip(of_gamma).for_each(|(total, sum)| *total += sum);
                dbeta.iter_mut().zip(of_beta).for_each(|(total, sum)| *total += sum);
            }
        }
    }
}

#[cfg(test)]
mod tests;
