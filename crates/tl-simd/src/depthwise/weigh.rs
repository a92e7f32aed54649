//! The gradient of a depthwise weight, summed over some rows of the output.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::gather::{Access, Part, Whole};
use super::plan::{Plan, Run};

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

/// One row of the output's gradient, and what it meets.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Offsets of rows of the input and of the window.
    taps: &'a [(usize, usize)],
    /// An image.
    x: *const f32,
    gradient: *const f32,
    sums: *mut f32,
    channels: usize,
}

impl WithSimd for Weigh<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plan = self.plan;
        let width = plan.target_row();
        for row in self.rows {
            let (image, y) = (row / plan.target[0], row % plan.target[0]);
            let line = Line {
                taps: plan.rows.of(y),
                x: self.x[image * plan.source_image()..].as_ptr(),
                gradient: self.gradient[row * width..][..width].as_ptr(),
                sums: self.sums.as_mut_ptr(),
                channels: plan.channels,
            };
            for run in &plan.runs {
                // SAFETY: the slices have the lengths of the plan's shapes (asserted by the caller), and a run's
                // columns and taps lie within them.
                unsafe {
                    match (run.taps, run.advance) {
                        (1, 1) => columns::<S, 1, 1>(simd, line, run),
                        (2, 1) => columns::<S, 2, 1>(simd, line, run),
                        (3, 1) => columns::<S, 3, 1>(simd, line, run),
                        (4, 1) => columns::<S, 4, 1>(simd, line, run),
                        (5, 1) => columns::<S, 5, 1>(simd, line, run),
                        (7, 1) => columns::<S, 7, 1>(simd, line, run),
                        (3, 2) => columns::<S, 3, 2>(simd, line, run),
                        (5, 2) => columns::<S, 5, 2>(simd, line, run),
                        (7, 2) => columns::<S, 7, 2>(simd, line, run),
                        _ => any_columns(simd, line, run),
                    }
                }
            }
        }
    }
}

/// # Safety
/// The line's pointers reach as far as the run's columns and taps.
#[inline(always)]
unsafe fn columns<S: Simd, const T: usize, const J: usize>(simd: S, line: Line, run: &Run) {
    let mut j = 0;
    // SAFETY: by the caller; every column is below the run's count.
    unsafe {
        while j + BLOCK <= run.count {
            block::<S, T, J, BLOCK>(simd, line, run, j);
            j += BLOCK;
        }
        while j < run.count {
            block::<S, T, J, 1>(simd, line, run, j);
            j += 1;
        }
    }
}

/// Columns `j..j + B` of a run.
///
/// # Safety
/// As for [`columns`].
#[inline(always)]
unsafe fn block<S: Simd, const T: usize, const J: usize, const B: usize>(
    simd: S,
    line: Line,
    run: &Run,
    j: usize,
) {
    let c = line.channels;
    let full = c - c % S::F32_LANES;
    // SAFETY: by the caller; the lanes of the mask are channels.
    unsafe {
        for channel in (0..full).step_by(S::F32_LANES) {
            lanes::<S, T, J, B>(simd, line, run, j, channel, Whole);
        }
        if full < c {
            lanes::<S, T, J, B>(simd, line, run, j, full, Part::new(simd, c - full));
        }
    }
}

/// # Safety
/// As for [`columns`]; `access` reaches no further than the channels.
#[inline(always)]
unsafe fn lanes<S: Simd, const T: usize, const J: usize, const B: usize>(
    simd: S,
    line: Line,
    run: &Run,
    j: usize,
    channel: usize,
    access: impl Access<S>,
) {
    let c = line.channels;
    let x = (run.source + j * J * run.pitch) * c + channel;
    let pitch = run.pitch * c;
    let kernel = run.kernel * c + channel;
    let gradient = (run.target + j * run.step) * c + channel;
    // SAFETY: by the caller. The window's columns in a run of the output follow each other.
    unsafe {
        let mut gradients = [simd.splat_f32s(0.0); B];
        for (b, value) in gradients.iter_mut().enumerate() {
            *value = access.load(simd, line.gradient.add(gradient + b * run.step * c));
        }
        for &(x_row, kernel_row) in line.taps {
            let x = line.x.add(x_row + x);
            let target = line.sums.add(kernel_row + kernel);
            let mut sums = [simd.splat_f32s(0.0); T];
            for (t, sum) in sums.iter_mut().enumerate() {
                *sum = access.load(simd, target.add(t * c));
            }
            for column in 0..(B - 1) * J + T {
                let value = access.load(simd, x.add(column * pitch));
                for (b, gradient) in gradients.iter().enumerate() {
                    if column >= b * J && column < b * J + T {
                        let t = column - b * J;
                        sums[t] = simd.mul_add_e_f32s(value, *gradient, sums[t]);
                    }
                }
            }
            for (t, sum) in sums.into_iter().enumerate() {
                access.store(simd, target.add(t * c), sum);
            }
        }
    }
}

/// Windows of any width, column by column.
///
/// # Safety
/// As for [`columns`].
#[inline(never)]
unsafe fn any_columns<S: Simd>(simd: S, line: Line, run: &Run) {
    struct Any<'a> {
        line: Line<'a>,
        run: &'a Run,
    }
    impl WithSimd for Any<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Self { line, run } = self;
            let c = line.channels;
            let full = c - c % S::F32_LANES;
            for j in 0..run.count {
                // SAFETY: by the caller; the lanes of the mask are channels.
                unsafe {
                    for channel in (0..full).step_by(S::F32_LANES) {
                        any_lanes(simd, line, run, j, channel, Whole);
                    }
                    if full < c {
                        any_lanes(simd, line, run, j, full, Part::new(simd, c - full));
                    }
                }
            }
        }
    }
    simd.vectorize(Any { line, run });
}

/// # Safety
/// As for [`lanes`].
#[inline(always)]
unsafe fn any_lanes<S: Simd>(
    simd: S,
    line: Line,
    run: &Run,
    j: usize,
    channel: usize,
    access: impl Access<S>,
) {
    let c = line.channels;
    let x = (run.source + j * run.advance * run.pitch) * c + channel;
    // SAFETY: by the caller.
    unsafe {
        let gradient = line.gradient.add((run.target + j * run.step) * c + channel);
        let gradient = access.load(simd, gradient);
        for &(x_row, kernel_row) in line.taps {
            for t in 0..run.taps {
                let value = access.load(simd, line.x.add(x_row + x + t * run.pitch * c));
                let sum = line.sums.add(kernel_row + (run.kernel + t) * c + channel);
                let old = access.load(simd, sum);
                access.store(simd, sum, simd.mul_add_e_f32s(value, gradient, old));
            }
        }
    }
}
