//! Long short-term memory (Hochreiter and Schmidhuber 1997), PyTorch's form, one direction over whole sequences.
//!
//! With the gates i, f, g, o of a step, each as wide as the state, and what the inputs gave for them before:
//! `i, f, o = σ(x + h′·Wᵀ)`, `g = tanh(x + h′·Wᵀ)`, `c = f·c′ + i·g`, `h = o·tanh(c)`. Steps come first in memory, so
//! that all sequences of one step lie side by side.

mod cell;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use crate::Level;
use crate::conv::{self, Epilogue, Filters, Geometry};

/// States of one task: 8 KiB of each operand.
const TASK: usize = 2048;

/// The sequences, and in which order their steps are gone through.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    pub steps: usize,
    /// The values of a state.
    pub hidden: usize,
    /// The steps of each sequence; what lies behind is padding: its states are 0 and take no gradient.
    pub lengths: &'a [usize],
    /// From the last step to the first.
    pub reverse: bool,
}

/// What the way back needs of the way there, each `[steps, sequences, …]`.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// The gates after their nonlinearity, `4·hidden`.
    pub gates: &'a [f32],
    /// `hidden`
    pub cells: &'a [f32],
    /// `hidden`
    pub outputs: &'a [f32],
}

impl Sequences<'_> {
    /// The states of all sequences at one step.
    fn states(&self) -> usize {
        self.lengths.len() * self.hidden
    }

    /// Each step with the one before it on the way.
    fn way(&self) -> impl DoubleEndedIterator<Item = (usize, Option<usize>)> {
        let (steps, reverse) = (self.steps, self.reverse);
        (0..steps).map(move |at| match reverse {
            false => (at, at.checked_sub(1)),
            true => (steps - 1 - at, at.checked_sub(1).map(|before| steps - 1 - before)),
        })
    }

    fn product(&self, rows: usize) -> Option<Geometry> {
        Geometry::product(rows, [self.hidden, 4 * self.hidden])
    }

    /// How many sequences one task takes.
    fn rows(&self) -> usize {
        (TASK / self.hidden.max(1)).max(1)
    }

    fn check(&self, gates: usize, states: [usize; 2], weight: usize) {
        let states_of_all = self.steps * self.states();
        assert_eq!(gates, 4 * states_of_all, "four gates for each state");
        assert_eq!(states, [states_of_all; 2], "one cell and one output for each state");
        assert_eq!(weight, 4 * self.hidden * self.hidden, "a row for each gate");
    }
}

/// The states of all steps.
///
/// `inputs` is `[steps, sequences, 4·hidden]`, `weight` `[4·hidden, hidden]`; into `gates` (as `inputs`), `cells` and
/// `outputs` (`[steps, sequences, hidden]`).
///
/// # Panics
/// If a slice is of another length.
pub fn forward(
    level: Level,
    sequences: &Sequences,
    inputs: &[f32],
    weight: &[f32],
    gates: &mut [f32],
    cells: &mut [f32],
    outputs: &mut [f32],
) {
    assert_eq!(inputs.len(), gates.len());
    sequences.check(gates.len(), [cells.len(), outputs.len()], weight.len());
    let (states, hidden) = (sequences.states(), sequences.hidden);
    let Some(geometry) = sequences.product(sequences.lengths.len()) else { return };
    let filters = Filters::forward(level, &geometry, weight, None);
    for (step, before) in sequences.way() {
        let own = step * 4 * states..(step + 1) * 4 * states;
        let gates = &mut gates[own.clone()];
        match before {
            None => gates.copy_from_slice(&inputs[own]),
            Some(before) => {
                let last = &outputs[before * states..][..states];
                let epilogue = Epilogue { residual: Some(&inputs[own]), ..Epilogue::NONE };
                conv::forward(&filters, last, epilogue, gates);
            }
        }
        let (past, cells) = apart(cells, step, before, states);
        let outputs = &mut outputs[step * states..][..states];
        let rows = sequences.rows();
        let tasks =
            gates.par_chunks_mut(4 * rows * hidden).zip(cells.par_chunks_mut(rows * hidden));
        let tasks = tasks.zip(outputs.par_chunks_mut(rows * hidden)).enumerate();
        tasks.for_each(|(task, ((gates, cells), outputs))| {
            let lengths = &sequences.lengths[task * rows..];
            let rows = gates.chunks_exact_mut(4 * hidden).zip(cells.chunks_exact_mut(hidden));
            let rows = rows.zip(outputs.chunks_exact_mut(hidden)).zip(lengths).enumerate();
            for (row, (((gates, cell), output), &length)) in rows {
                if step >= length {
                    for values in [gates, cell, output] {
                        values.fill(0.0);
                    }
                    continue;
                }
                let place = (task * sequences.rows() + row) * hidden;
                let past = past.map(|past| &past[place..place + hidden]);
                level.run(cell::Forward { gates, past, cell, output });
            }
        });
    }
    filters.recycle();
}

/// The gradients of the inputs, into `inputs`, and of the weight, where it wants one, of the `gradient` of the outputs.
///
/// Shapes as those of [`forward`]; the work is linear in the number of steps.
///
/// # Panics
/// If a slice is of another length.
pub fn backward(
    level: Level,
    sequences: &Sequences,
    weight: &[f32],
    saved: Saved,
    gradient: &[f32],
    inputs: &mut [f32],
    weight_gradient: Option<&mut [f32]>,
) {
    sequences.check(inputs.len(), [saved.cells.len(), saved.outputs.len()], weight.len());
    assert_eq!(saved.gates.len(), inputs.len());
    assert_eq!(gradient.len(), saved.outputs.len());
    let (states, hidden) = (sequences.states(), sequences.hidden);
    let Some(geometry) = sequences.product(sequences.lengths.len()) else { return };
    let filters = Filters::backward(level, &geometry, weight);
    // What the step behind asks of the output and of the cell of this one.
    let [mut of_output, mut of_cell] = [(); 2].map(|()| vec![0.0; states]);
    for (step, before) in sequences.way().rev() {
        let own = step * 4 * states..(step + 1) * 4 * states;
        let past = before.map(|before| &saved.cells[before * states..][..states]);
        let rows = sequences.rows();
        let tasks = inputs[own.clone()].par_chunks_mut(4 * rows * hidden);
        let tasks = tasks.zip(of_cell.par_chunks_mut(rows * hidden)).enumerate();
        tasks.for_each(|(task, (inputs, of_cell))| {
            let rows = inputs.chunks_exact_mut(4 * hidden).zip(of_cell.chunks_exact_mut(hidden));
            for (row, (inputs, of_cell)) in rows.enumerate() {
                let place = (task * sequences.rows() + row) * hidden;
                let own = place..place + hidden;
                level.run(cell::Backward {
                    gates: &saved.gates[4 * (step * states + place)..][..4 * hidden],
                    past: past.map(|past| &past[own.clone()]),
                    cell: &saved.cells[step * states + place..][..hidden],
                    gradient: &gradient[step * states + place..][..hidden],
                    of_output: &of_output[own],
                    of_cell,
                    inputs,
                });
            }
        });
        if before.is_some() {
            conv::forward(&filters, &inputs[own], Epilogue::NONE, &mut of_output);
        }
    }
    filters.recycle();
    let Some(target) = weight_gradient else { return };
    // Each step's gates meet the outputs of the step before: one product over all of them.
    let pairs = sequences.steps.saturating_sub(1);
    match sequences.product(pairs * sequences.lengths.len()) {
        Some(geometry) if pairs > 0 => {
            let (gates, outputs) = match sequences.reverse {
                false => (&inputs[4 * states..], &saved.outputs[..pairs * states]),
                true => (&inputs[..4 * pairs * states], &saved.outputs[states..]),
            };
            conv::weight_gradient(level, &geometry, outputs, gates, target);
        }
        _ => target.fill(0.0),
    }
}

/// The values of one step to write, and those of the step before to read.
fn apart(
    values: &mut [f32],
    step: usize,
    before: Option<usize>,
    states: usize,
) -> (Option<&[f32]>, &mut [f32]) {
    match before {
        None => (None, &mut values[step * states..][..states]),
        Some(before) if before < step => {
            let (past, own) = values.split_at_mut(step * states);
            (Some(&past[before * states..][..states]), &mut own[..states])
        }
        Some(before) => {
            let (own, past) = values.split_at_mut(before * states);
            (Some(&past[..states]), &mut own[step * states..][..states])
        }
    }
}
