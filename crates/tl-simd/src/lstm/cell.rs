//! One step of one sequence.

use pulp::{Simd, WithSimd};

use crate::math;

/// tanh of each lane.
#[inline(always)]
fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let double = math::sigmoid(simd, simd.add_f32s(x, x));
    simd.sub_f32s(simd.add_f32s(double, double), simd.splat_f32s(1.0))
}

/// The four gates of a row.
fn four(row: &[f32]) -> [&[f32]; 4] {
    let hidden = row.len() / 4;
    std::array::from_fn(|gate| &row[gate * hidden..][..hidden])
}

fn four_mut(row: &mut [f32]) -> [&mut [f32]; 4] {
    let (first, second) = row.split_at_mut(row.len() / 2);
    let (i, f) = first.split_at_mut(first.len() / 2);
    let (g, o) = second.split_at_mut(second.len() / 2);
    [i, f, g, o]
}

/// `gates` before their nonlinearity become those after it; `past` is the cell before.
pub(super) struct Forward<'a> {
    pub gates: &'a mut [f32],
    pub past: Option<&'a [f32]>,
    pub cell: &'a mut [f32],
    pub output: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let [i, f, g, o] = four_mut(self.gates);
        let hidden = self.cell.len();
        for at in (0..hidden).step_by(lanes) {
            let own = at..(at + lanes).min(hidden);
            let load = |values: &[f32]| simd.partial_load_f32s(&values[own.clone()]);
            let [input, forget, output] =
                [&*i, &*f, &*o].map(|gate| math::sigmoid(simd, load(gate)));
            let candidate = tanh(simd, load(g));
            let kept = match self.past {
                Some(past) => simd.mul_f32s(forget, load(past)),
                None => simd.splat_f32s(0.0),
            };
            let cell = simd.mul_add_f32s(input, candidate, kept);
            let store = |values: &mut [f32], value| {
                simd.partial_store_f32s(&mut values[own.clone()], value)
            };
            store(i, input);
            store(f, forget);
            store(g, candidate);
            store(o, output);
            store(self.cell, cell);
            store(self.output, simd.mul_f32s(output, tanh(simd, cell)));
        }
    }
}

/// The gradients of the gates before their nonlinearity, into `inputs`; of the cell before, into `of_cell`, which
/// holds what the step behind asked of this cell.
pub(super) struct Backward<'a> {
    pub gates: &'a [f32],
    pub past: Option<&'a [f32]>,
    pub cell: &'a [f32],
    pub gradient: &'a [f32],
    pub of_output: &'a [f32],
    pub of_cell: &'a mut [f32],
    pub inputs: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let [i, f, g, o] = four(self.gates);
        let mut targets = four_mut(self.inputs);
        let hidden = self.cell.len();
        let one = simd.splat_f32s(1.0);
        for at in (0..hidden).step_by(lanes) {
            let own = at..(at + lanes).min(hidden);
            let load = |values: &[f32]| simd.partial_load_f32s(&values[own.clone()]);
            // The slope of σ at its value s is s·(1 − s), that of tanh at t is 1 − t².
            let spread = |value: S::f32s| simd.mul_f32s(value, simd.sub_f32s(one, value));
            let flat = |value: S::f32s| simd.sub_f32s(one, simd.mul_f32s(value, value));
            let [input, forget, candidate, output] = [i, f, g, o].map(load);
            let bent = tanh(simd, load(self.cell));
            let gradient = simd.add_f32s(load(self.gradient), load(self.of_output));
            let through = simd.mul_f32s(simd.mul_f32s(gradient, output), flat(bent));
            let of_cell = simd.add_f32s(load(self.of_cell), through);
            let past = self.past.map_or(simd.splat_f32s(0.0), load);
            let found = [
                simd.mul_f32s(simd.mul_f32s(of_cell, candidate), spread(input)),
                simd.mul_f32s(simd.mul_f32s(of_cell, past), spread(forget)),
                simd.mul_f32s(simd.mul_f32s(of_cell, input), flat(candidate)),
                simd.mul_f32s(simd.mul_f32s(gradient, bent), spread(output)),
            ];
            for (target, value) in targets.iter_mut().zip(found) {
                simd.partial_store_f32s(&mut target[own.clone()], value);
            }
            simd.partial_store_f32s(&mut self.of_cell[own.clone()], simd.mul_f32s(of_cell, forget));
        }
    }
}
