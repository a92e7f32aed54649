//! Rows of a target, each value a sum over a window of the source.

use pulp::{MemMask, Simd, WithSimd};

use super::plan::{Plan, Run};
use crate::Act;

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

/// One row of the target, and what it is made of.
#[derive(Clone, Copy)]
struct Line<'a> {
    /// Offsets of rows of the source and of the window.
    taps: &'a [(usize, usize)],
    /// An image.
    source: *const f32,
    weight: *const f32,
    bias: Option<*const f32>,
    residual: Option<*const f32>,
    target: *mut f32,
    channels: usize,
    act: Act,
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let plan = self.plan;
        let width = plan.target_row();
        for (index, target) in self.target.chunks_exact_mut(width).enumerate() {
            let row = self.first_row + index;
            let (image, y) = (row / plan.target[0], row % plan.target[0]);
            let line = Line {
                taps: plan.rows.of(y),
                source: self.source[image * plan.source_image()..].as_ptr(),
                weight: self.weight.as_ptr(),
                bias: self.bias.map(<[f32]>::as_ptr),
                residual: self.residual.map(|all| all[row * width..][..width].as_ptr()),
                target: target.as_mut_ptr(),
                channels: plan.channels,
                act: self.act,
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
        if j < run.count && run.count >= BLOCK {
            // Some columns are written twice, with the same values.
            block::<S, T, J, BLOCK>(simd, line, run, run.count - BLOCK);
            j = run.count;
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
    let source = (run.source + j * J * run.pitch) * c + channel;
    let pitch = run.pitch * c;
    let weight = run.kernel * c + channel;
    let kernel_step = run.kernel_step * c as isize;
    let target = (run.target + j * run.step) * c + channel;
    // SAFETY: by the caller.
    unsafe {
        let start = match line.bias {
            Some(bias) => access.load(simd, bias.add(channel)),
            None => simd.splat_f32s(0.0),
        };
        let mut sums = [start; B];
        for &(source_row, kernel_row) in line.taps {
            let source = line.source.add(source_row + source);
            let weight = line.weight.add(kernel_row + weight);
            let mut window = [start; T];
            for (t, window) in window.iter_mut().enumerate() {
                *window = access.load(simd, weight.offset(t as isize * kernel_step));
            }
            for column in 0..(B - 1) * J + T {
                let value = access.load(simd, source.add(column * pitch));
                for (b, sum) in sums.iter_mut().enumerate() {
                    if column >= b * J && column < b * J + T {
                        *sum = simd.mul_add_e_f32s(value, window[column - b * J], *sum);
                    }
                }
            }
        }
        for (b, sum) in sums.into_iter().enumerate() {
            finish(simd, line, target + b * run.step * c, sum, access);
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
    let source = (run.source + j * run.advance * run.pitch) * c + channel;
    let weight = run.kernel * c + channel;
    // SAFETY: by the caller.
    unsafe {
        let mut sum = match line.bias {
            Some(bias) => access.load(simd, bias.add(channel)),
            None => simd.splat_f32s(0.0),
        };
        for &(source_row, kernel_row) in line.taps {
            let source = line.source.add(source_row + source);
            let weight = line.weight.add(kernel_row + weight);
            for t in 0..run.taps {
                let value = access.load(simd, source.add(t * run.pitch * c));
                let by =
                    access.load(simd, weight.offset(t as isize * run.kernel_step * c as isize));
                sum = simd.mul_add_e_f32s(value, by, sum);
            }
        }
        finish(simd, line, (run.target + j * run.step) * c + channel, sum, access);
    }
}

/// Writes act(sum + residual) at `offset` of the row.
///
/// # Safety
/// As for [`lanes`].
#[inline(always)]
unsafe fn finish<S: Simd>(
    simd: S,
    line: Line,
    offset: usize,
    sum: S::f32s,
    access: impl Access<S>,
) {
    // SAFETY: by the caller.
    unsafe {
        let sum = match line.residual {
            Some(residual) => simd.add_f32s(sum, access.load(simd, residual.add(offset))),
            None => sum,
        };
        access.store(simd, line.target.add(offset), line.act.apply(simd, sum));
    }
}

/// How a register's lanes meet memory.
pub(super) trait Access<S: Simd>: Copy {
    /// # Safety
    /// The lanes that count are readable.
    unsafe fn load(self, simd: S, source: *const f32) -> S::f32s;

    /// # Safety
    /// The lanes that count are writable.
    unsafe fn store(self, simd: S, target: *mut f32, values: S::f32s);
}

/// Every lane counts.
#[derive(Clone, Copy)]
pub(super) struct Whole;

impl<S: Simd> Access<S> for Whole {
    #[inline(always)]
    unsafe fn load(self, _: S, source: *const f32) -> S::f32s {
        // SAFETY: by the caller; a register of f32 is plain data.
        unsafe { source.cast::<S::f32s>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, _: S, target: *mut f32, values: S::f32s) {
        // SAFETY: by the caller.
        unsafe { target.cast::<S::f32s>().write_unaligned(values) }
    }
}

/// The first lanes count; the others read 0.
#[derive(Clone, Copy)]
pub(super) struct Part<S: Simd>(MemMask<S::m32s>);

impl<S: Simd> Part<S> {
    #[inline(always)]
    pub fn new(simd: S, lanes: usize) -> Self {
        // The mask alone, without the jump table that comes with it, which costs a call per load.
        Self(MemMask::new(simd.mask_between_m32s(0, lanes as u32).mask()))
    }
}

impl<S: Simd> Access<S> for Part<S> {
    #[inline(always)]
    unsafe fn load(self, simd: S, source: *const f32) -> S::f32s {
        // SAFETY: by the caller.
        unsafe { simd.mask_load_ptr_f32s(self.0, source) }
    }

    #[inline(always)]
    unsafe fn store(self, simd: S, target: *mut f32, values: S::f32s) {
        // SAFETY: by the caller.
        unsafe { simd.mask_store_ptr_f32s(self.0, target, values) }
    }
}
