//! Small products of matrices in scratch memory, in tiles of registers.

use pulp::{Simd, WithSimd};

use crate::tile;

/// `target[m][n] (+)= Σ_k left[m][k] right[k][n]`.
pub(super) struct Product<'a> {
    pub rows: usize,
    /// Whole registers.
    pub columns: usize,
    pub depth: usize,
    pub left: &'a [f32],
    /// Steps from row to row and from `k` to `k` in `left`.
    pub left_steps: [usize; 2],
    pub right: &'a [f32],
    /// The step from `k` to `k` in `right`.
    pub right_step: usize,
    pub target: &'a mut [f32],
    /// The step from row to row in `target`.
    pub target_step: usize,
    /// Whether the product is added to what `target` holds.
    pub add: bool,
}

impl Product<'_> {
    /// The product in a function of its own: one copy of its tiles for each level.
    #[inline(always)]
    pub fn run<S: Simd>(self, simd: S) {
        simd.vectorize(self);
    }
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Product { rows, columns, depth, left, left_steps, right, right_step, target, .. } =
            self;
        if rows == 0 || columns == 0 || depth == 0 {
            return;
        }
        let last = (rows - 1) * left_steps[0] + (depth - 1) * left_steps[1];
        assert!(columns.is_multiple_of(S::F32_LANES) && last < left.len());
        assert!((depth - 1) * right_step + columns <= right.len());
        assert!((rows - 1) * self.target_step + columns <= target.len());
        // A panel of the right side stays in the nearest cache while all rows pass it.
        let most = tile::registers(S::F32_LANES);
        let registers = columns / S::F32_LANES;
        for register in (0..registers).step_by(most) {
            let v = most.min(registers - register);
            let column = register * S::F32_LANES;
            for row in (0..rows).step_by(tile::ROWS) {
                let m = tile::ROWS.min(rows - row);
                // SAFETY: the tile lies within the rows and columns, whose last value in each operand was found
                // to be inside its slice.
                unsafe {
                    let left = left.as_ptr().add(row * left_steps[0]);
                    let right = right.as_ptr().add(column);
                    let target = target.as_mut_ptr().add(row * self.target_step + column);
                    let steps = [left_steps[0], left_steps[1], right_step, self.target_step];
                    tile::by_size!(
                        m,
                        v,
                        one_tile::<S>(simd, left, right, target, steps, depth, self.add)
                    );
                }
            }
        }
    }
}

/// One tile, with the steps of `left` (rows, then `k`), `right` and `target`.
///
/// # Safety
/// `left` is readable and `target` writable for `M` rows, `right` and `target` for `V` registers, over `depth`.
#[inline(always)]
unsafe fn one_tile<S: Simd, const M: usize, const V: usize>(
    simd: S,
    left: *const f32,
    right: *const f32,
    target: *mut f32,
    [left_row, left_step, right_step, target_row]: [usize; 4],
    depth: usize,
    add: bool,
) {
    let mut sums = [[simd.splat_f32s(0.0); V]; M];
    // SAFETY: by the caller.
    unsafe {
        if add {
            for (m, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = tile::load(simd, target.add(m * target_row + v * S::F32_LANES));
                }
            }
        }
        let rows: [*const f32; M] = std::array::from_fn(|m| left.add(m * left_row));
        tile::accumulate(simd, &mut sums, rows, left_step, right, right_step, depth);
        for (m, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                tile::store(simd, target.add(m * target_row + v * S::F32_LANES), *sum);
            }
        }
    }
}
