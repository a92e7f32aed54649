//! The gradient of a depthwise weight, summed over some rows of the output.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::access::{Access, Part, Whole};
use super::plan::{Plan, Rows, Run};
use crate::rows::prefetch;

/// Columns whose gradients are held at once.
const BLOCK: usize = 4;

/// Adds the rows' share to `sums`, `[kernel height, kernel width, channels]`.
pub(super) struct Weigh<'a> {
    /// That of the output.
    pub plan: &'a Plan,
    pub x: &'a [f32],
    pub gradient: &'a [f32],
    /// Counted over all images.
    pub rows: Range<usize>,
    pub sums: &'a mut [f32],
}

/// A row of the output's gradient, or two that are taken at once.
#[derive(Clone, Copy)]
struct Line {
    /// Of the first.
    rows: Rows,
    /// Where the rows lie that these do not touch and the next ones will, and their number.
    ahead: (usize, usize),
    /// An image.
    x: *const f32,
    gradient: *const f32,
    /// Values of a row of the gradient.
    width: usize,
    sums: *mut f32,
    channels: usize,
}

impl WithSimd for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plan = self.plan;
        let width = plan.target_row();
        let Range { start: mut row, end } = self.rows;
        while row < end {
            let (image, y) = (row / plan.target[0], row % plan.target[0]);
            let rows = plan.rows[y];
            let left = plan.rows[y + 1..].len().min(end - row - 1);
            let two = left > 0 && rows.slides_to(&plan.rows[y + 1]) && matches!(rows.count, 3 | 5);
            let taken = if two { 2 } else { 1 };
            let line = Line {
                rows,
                ahead: plan.ahead(y, taken),
                x: self.x[image * plan.source_image()..].as_ptr(),
                gradient: self.gradient[row * width..][..taken * width].as_ptr(),
                width,
                sums: self.sums.as_mut_ptr(),
                channels: plan.channels,
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
            row += taken;
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
        self.gradient = unsafe { self.gradient.add(self.width) };
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
        if T > 0 {
            while j + BLOCK <= run.count {
                block::<S, T, J, K, M, BLOCK>(simd, line, run, j);
                j += BLOCK;
            }
            if j + 2 <= run.count {
                block::<S, T, J, K, M, 2>(simd, line, run, j);
                j += 2;
            }
        }
        while j < run.count {
            block::<S, T, J, K, M, 1>(simd, line, run, j);
            j += 1;
        }
    }
}

/// Where a block's registers lie.
#[derive(Clone, Copy)]
struct Place {
    x: *const f32,
    gradient: *const f32,
    sums: *mut f32,
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
    // SAFETY: by the caller; the lanes of the mask are channels.
    unsafe {
        let place = Place {
            x: line.x.add(line.rows.source + offset),
            gradient: line.gradient.add(run.target + j * run.step),
            sums: line.sums.add(line.rows.kernel + run.kernel),
        };
        let ahead = line.x.wrapping_add(line.ahead.0 + offset);
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
                x: self.x.add(channel),
                gradient: self.gradient.add(channel),
                sums: self.sums.add(channel),
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
    let zero = simd.splat_f32s(0.0);
    // SAFETY: by the caller.
    unsafe {
        let mut gradients = [[zero; B]; M];
        for (m, gradients) in gradients.iter_mut().enumerate() {
            for (b, gradient) in gradients.iter_mut().enumerate() {
                let there = place.gradient.add(m * line.width + b * run.step);
                *gradient = access.load(simd, there);
                prefetch(there.wrapping_add(M * line.width), 0);
            }
        }
        if T == 0 {
            for row in 0..rows.count {
                let x = place.x.add(row * rows.source_step);
                let sums = place.sums.offset(row as isize * rows.kernel_step);
                for t in 0..run.taps {
                    let value = access.load(simd, x.add(t * run.pitch));
                    let target = sums.offset(t as isize * run.kernel_step);
                    let sum = access.load(simd, target);
                    access.store(simd, target, simd.mul_add_e_f32s(value, gradients[0][0], sum));
                }
            }
        } else if M == 1 {
            for row in 0..rows.count {
                let x = place.x.add(row * rows.source_step);
                let target = place.sums.offset(row as isize * rows.kernel_step);
                let mut sums = load::<S, T>(simd, target, run.kernel_step, access);
                for column in 0..(B - 1) * J + T {
                    let value = access.load(simd, x.add(column * run.pitch));
                    add::<S, T, J, B>(simd, &mut sums, column, value, &gradients[0]);
                }
                store::<S, T>(simd, target, run.kernel_step, sums, access);
            }
        } else {
            // Row r of the input meets the first gradients in row r of the window, the second in row r - 1.
            let mut before = [zero; T];
            for row in 0..K + 1 {
                let x = place.x.add(row * rows.source_step);
                let target = place.sums.offset(row as isize * rows.kernel_step);
                let mut here = [zero; T];
                if row < K {
                    here = load::<S, T>(simd, target, run.kernel_step, access);
                }
                for column in 0..(B - 1) * J + T {
                    let value = access.load(simd, x.add(column * run.pitch));
                    if row < K {
                        add::<S, T, J, B>(simd, &mut here, column, value, &gradients[0]);
                    }
                    if row > 0 {
                        add::<S, T, J, B>(simd, &mut before, column, value, &gradients[M - 1]);
                    }
                }
                if row > 0 {
                    let target = place.sums.offset((row as isize - 1) * rows.kernel_step);
                    store::<S, T>(simd, target, run.kernel_step, before, access);
                }
                before = here;
            }
        }
    }
}

/// A row of the sums.
///
/// # Safety
/// There are `T` columns, `step` apart.
#[inline(always)]
unsafe fn load<S: Simd, const T: usize>(
    simd: S,
    source: *const f32,
    step: isize,
    access: impl Access<S>,
) -> [S::f32s; T] {
    let mut sums = [simd.splat_f32s(0.0); T];
    for (t, sum) in sums.iter_mut().enumerate() {
        // SAFETY: by the caller.
        *sum = unsafe { access.load(simd, source.offset(t as isize * step)) };
    }
    sums
}

/// # Safety
/// As for [`load`].
#[inline(always)]
unsafe fn store<S: Simd, const T: usize>(
    simd: S,
    target: *mut f32,
    step: isize,
    sums: [S::f32s; T],
    access: impl Access<S>,
) {
    for (t, sum) in sums.into_iter().enumerate() {
        // SAFETY: by the caller.
        unsafe { access.store(simd, target.offset(t as isize * step), sum) };
    }
}

/// Adds the products of one column of the input with all gradients whose windows hold it.
#[inline(always)]
fn add<S: Simd, const T: usize, const J: usize, const B: usize>(
    simd: S,
    sums: &mut [S::f32s; T],
    column: usize,
    value: S::f32s,
    gradients: &[S::f32s; B],
) {
    for (b, gradient) in gradients.iter().enumerate() {
        if column >= b * J && column < b * J + T {
            sums[column - b * J] = simd.mul_add_e_f32s(value, *gradient, sums[column - b * J]);
        }
    }
}
