//! Rows of a target, each value a sum over a window of the source.

use pulp::{Simd, WithSimd};

use super::access::{Access, Part, Whole, prefetch_to_write};
use super::plan::{Plan, Rows, Run};
use crate::Act;
use crate::rows::prefetch;

/// Columns that are made at once: their sums and a row of the window fit into 16 registers.
const BLOCK: usize = 4;

/// Writes whole rows of a target: all of the slice that it got.
pub(super) struct Gather<'a> {
    pub plan: &'a Plan,
    pub source: &'a [f32],
    /// `[kernel height, kernel width, channels]`.
    pub weight: &'a [f32],
    pub bias: Option<&'a [f32]>,
    /// Of the whole target.
    pub residual: Option<&'a [f32]>,
    pub act: Act,
    /// Counted over all images.
    pub first_row: usize,
    pub target: &'a mut [f32],
}

/// A row of the target, or two that are made at once.
#[derive(Clone, Copy)]
struct Line {
    /// Of the first.
    rows: Rows,
    /// Where the rows lie that these do not touch and the next ones will, and their number.
    ahead: (usize, usize),
    /// An image.
    source: *const f32,
    weight: *const f32,
    bias: Option<*const f32>,
    residual: Option<*const f32>,
    target: *mut f32,
    /// Values of a row of the target.
    width: usize,
    channels: usize,
    act: Act,
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plan = self.plan;
        let width = plan.target_row();
        let (mut row, end) = (self.first_row, self.first_row + self.target.len() / width);
        while row < end {
            let (image, y) = (row / plan.target[0], row % plan.target[0]);
            let rows = plan.rows[y];
            let left = plan.rows[y + 1..].len().min(end - row - 1);
            let two = left > 0 && rows.slides_to(&plan.rows[y + 1]) && matches!(rows.count, 3 | 5);
            let made = if two { 2 } else { 1 };
            let target = &mut self.target[(row - self.first_row) * width..][..made * width];
            let line = Line {
                rows,
                ahead: plan.ahead(y, made),
                source: self.source[image * plan.source_image()..].as_ptr(),
                weight: self.weight.as_ptr(),
                bias: self.bias.map(<[f32]>::as_ptr),
                residual: self.residual.map(|all| all[row * width..][..made * width].as_ptr()),
                target: target.as_mut_ptr(),
                width,
                channels: plan.channels,
                act: self.act,
            };
            for run in &plan.runs {
                // SAFETY: the slices have the lengths of the plan's shapes (asserted by the caller), and a run's
                // columns and taps lie within them.
                unsafe {
                    match (two, rows.count, run.taps, run.advance) {
                        (true, 3, 2, 1) => columns::<S, 2, 1, 3, 2>(simd, line, run),
                        (true, 3, 3, 1) => columns::<S, 3, 1, 3, 2>(simd, line, run),
                        (true, 5, 3, 1) => columns::<S, 3, 1, 5, 2>(simd, line, run),
                        (true, 5, 4, 1) => columns::<S, 4, 1, 5, 2>(simd, line, run),
                        (true, 5, 5, 1) => columns::<S, 5, 1, 5, 2>(simd, line, run),
                        _ => {
                            one_row(simd, line, run);
                            if two {
                                one_row(simd, line.second(), run);
                            }
                        }
                    }
                }
            }
            row += made;
        }
    }
}

impl Line {
    /// The second of two rows, alone.
    ///
    /// # Safety
    /// There are two.
    #[inline(always)]
    unsafe fn second(mut self) -> Self {
        self.rows.source += self.rows.source_step;
        // SAFETY: by the caller.
        unsafe {
            self.residual = self.residual.map(|residual| residual.add(self.width));
            self.target = self.target.add(self.width);
        }
        self
    }
}

/// # Safety
/// The line's pointers reach as far as the run's columns and taps.
#[inline(always)]
unsafe fn one_row<S: Simd>(simd: S, line: Line, run: &Run) {
    // SAFETY: by the caller.
    unsafe {
        match (run.taps, run.advance) {
            (1, 1) => columns::<S, 1, 1, 0, 1>(simd, line, run),
            (2, 1) => columns::<S, 2, 1, 0, 1>(simd, line, run),
            (3, 1) => columns::<S, 3, 1, 0, 1>(simd, line, run),
            (4, 1) => columns::<S, 4, 1, 0, 1>(simd, line, run),
            (5, 1) => columns::<S, 5, 1, 0, 1>(simd, line, run),
            (7, 1) => columns::<S, 7, 1, 0, 1>(simd, line, run),
            (3, 2) => columns::<S, 3, 2, 0, 1>(simd, line, run),
            (5, 2) => columns::<S, 5, 2, 0, 1>(simd, line, run),
            (7, 2) => columns::<S, 7, 2, 0, 1>(simd, line, run),
            _ => columns::<S, 0, 0, 0, 1>(simd, line, run),
        }
    }
}

/// Where a block's registers lie.
#[derive(Clone, Copy)]
struct Place {
    source: *const f32,
    weight: *const f32,
    bias: Option<*const f32>,
    residual: Option<*const f32>,
    target: *mut f32,
}

/// `M` rows of a run, with `T` taps in a row of the window, `J` taps from column to column. `T` is 0 where any
/// number goes; `K`, the rows of the window, where it is not known.
///
/// # Safety
/// As for [`one_row`].
#[inline(always)]
unsafe fn columns<S: Simd, const T: usize, const J: usize, const K: usize, const M: usize>(
    simd: S,
    line: Line,
    run: &Run,
) {
    let mut j = 0;
    // SAFETY: by the caller; every column is below the run's count.
    unsafe {
        if T > 0 && run.count >= BLOCK {
            while j < run.count {
                // The last columns may be written twice, with the same values.
                let first = j.min(run.count - BLOCK);
                block::<S, T, J, K, M, BLOCK>(simd, line, run, first);
                j += BLOCK;
            }
        }
        while j < run.count {
            block::<S, T, J, K, M, 1>(simd, line, run, j);
            j += 1;
        }
    }
}

/// All channels of columns `j..j + B`.
///
/// # Safety
/// As for [`one_row`].
#[inline(always)]
unsafe fn block<
    S: Simd,
    const T: usize,
    const J: usize,
    const K: usize,
    const M: usize,
    const B: usize,
>(
    simd: S,
    line: Line,
    run: &Run,
    j: usize,
) {
    // Copies, which the compiler keeps in registers.
    let (run, c) = (*run, line.channels);
    let whole = c - c % S::F32_LANES;
    let advance = if T > 0 { J } else { run.advance };
    let offset = run.source + j * advance * run.pitch;
    let target = run.target + j * run.step;
    // SAFETY: by the caller; the lanes of the mask are channels.
    unsafe {
        let place = Place {
            source: line.source.add(line.rows.source + offset),
            weight: line.weight.add(line.rows.kernel + run.kernel),
            bias: line.bias,
            residual: line.residual.map(|residual| residual.add(target)),
            target: line.target.add(target),
        };
        let ahead = line.source.wrapping_add(line.ahead.0 + offset);
        for channel in (0..whole).step_by(S::F32_LANES) {
            for row in 0..line.ahead.1 {
                for column in 0..B * J {
                    let column = T.saturating_sub(J) + column;
                    let there = row * line.rows.source_step + column * run.pitch + channel;
                    prefetch(ahead.wrapping_add(there), 0);
                }
            }
            lanes::<S, T, J, K, M, B>(simd, line, run, place.at(channel), Whole);
        }
        if whole < c {
            let part = Part::new(simd, c - whole);
            lanes::<S, T, J, K, M, B>(simd, line, run, place.at(whole), part);
        }
    }
}

impl Place {
    /// # Safety
    /// `channel` is one.
    #[inline(always)]
    unsafe fn at(self, channel: usize) -> Self {
        // SAFETY: by the caller.
        unsafe {
            Self {
                source: self.source.add(channel),
                weight: self.weight.add(channel),
                bias: self.bias.map(|bias| bias.add(channel)),
                residual: self.residual.map(|residual| residual.add(channel)),
                target: self.target.add(channel),
            }
        }
    }
}

/// # Safety
/// As for [`one_row`]; `access` reaches no further than the channels.
#[inline(always)]
unsafe fn lanes<
    S: Simd,
    const T: usize,
    const J: usize,
    const K: usize,
    const M: usize,
    const B: usize,
>(
    simd: S,
    line: Line,
    run: Run,
    place: Place,
    access: impl Access<S>,
) {
    let rows = line.rows;
    // SAFETY: by the caller.
    unsafe {
        let start = match place.bias {
            Some(bias) => access.load(simd, bias),
            None => simd.splat_f32s(0.0),
        };
        let mut sums = [[start; B]; M];
        if T == 0 {
            for row in 0..rows.count {
                let source = place.source.add(row * rows.source_step);
                let weight = place.weight.offset(row as isize * rows.kernel_step);
                for t in 0..run.taps {
                    let value = access.load(simd, source.add(t * run.pitch));
                    let by = access.load(simd, weight.offset(t as isize * run.kernel_step));
                    sums[0][0] = simd.mul_add_e_f32s(value, by, sums[0][0]);
                }
            }
        } else if M == 1 {
            for row in 0..rows.count {
                let source = place.source.add(row * rows.source_step);
                let weight = place.weight.offset(row as isize * rows.kernel_step);
                let window = window::<S, T>(simd, weight, run.kernel_step, access);
                for column in 0..(B - 1) * J + T {
                    let value = access.load(simd, source.add(column * run.pitch));
                    add::<S, T, J, B>(simd, &mut sums[0], column, value, &window);
                }
            }
        } else {
            // Row r of the source meets row r of the window for the first sums, row r - 1 for the second.
            let mut before = [start; T];
            for row in 0..K + 1 {
                let source = place.source.add(row * rows.source_step);
                let mut here = before;
                if row < K {
                    let weight = place.weight.offset(row as isize * rows.kernel_step);
                    here = window::<S, T>(simd, weight, run.kernel_step, access);
                }
                for column in 0..(B - 1) * J + T {
                    let value = access.load(simd, source.add(column * run.pitch));
                    if row < K {
                        add::<S, T, J, B>(simd, &mut sums[0], column, value, &here);
                    }
                    if row > 0 {
                        add::<S, T, J, B>(simd, &mut sums[M - 1], column, value, &before);
                    }
                }
                before = here;
            }
        }
        for (m, sums) in sums.into_iter().enumerate() {
            for (b, sum) in sums.into_iter().enumerate() {
                let offset = m * line.width + b * run.step;
                let sum = match place.residual {
                    Some(residual) => {
                        prefetch(residual.wrapping_add(offset + M * line.width), 0);
                        simd.add_f32s(sum, access.load(simd, residual.add(offset)))
                    }
                    None => sum,
                };
                prefetch_to_write(place.target.wrapping_add(offset + M * line.width));
                access.store(simd, place.target.add(offset), line.act.apply(simd, sum));
            }
        }
    }
}

/// A row of the window.
///
/// # Safety
/// There are `T` columns, `step` apart.
#[inline(always)]
unsafe fn window<S: Simd, const T: usize>(
    simd: S,
    weight: *const f32,
    step: isize,
    access: impl Access<S>,
) -> [S::f32s; T] {
    let mut window = [simd.splat_f32s(0.0); T];
    for (t, value) in window.iter_mut().enumerate() {
        // SAFETY: by the caller.
        *value = unsafe { access.load(simd, weight.offset(t as isize * step)) };
    }
    window
}

/// Adds the value of one column of the source to all sums whose windows hold it.
#[inline(always)]
fn add<S: Simd, const T: usize, const J: usize, const B: usize>(
    simd: S,
    sums: &mut [S::f32s; B],
    column: usize,
    value: S::f32s,
    window: &[S::f32s; T],
) {
    for (b, sum) in sums.iter_mut().enumerate() {
        if column >= b * J && column < b * J + T {
            *sum = simd.mul_add_e_f32s(value, window[column - b * J], *sum);
        }
    }
}
