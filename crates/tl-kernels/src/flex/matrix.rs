//! Matrix products over slices, on one thread.

use gemm::Parallelism;

/// A matrix inside a slice: entry `(row, column)` lies at `row·strides[0] + column·strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub data: &'a [f32],
    pub size: [usize; 2],
    pub strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// A matrix stored row by row, `row_stride` values apart.
    pub fn rows(data: &'a [f32], size: [usize; 2], row_stride: usize) -> Self {
        Self { data, size, strides: [row_stride, 1] }
    }

    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            size: [self.size[1], self.size[0]],
            strides: [self.strides[1], self.strides[0]],
        }
    }
}

fn reach(size: [usize; 2], strides: [usize; 2]) -> usize {
    (size[0] - 1) * strides[0] + (size[1] - 1) * strides[1] + 1
}

/// `target = a·b`, or `target += a·b`; the rows of `target` lie `row_stride` values apart.
///
/// # Panics
/// Where the sizes do not fit each other or reach out of their slices.
pub(super) fn multiply(
    target: &mut [f32],
    row_stride: usize,
    accumulate: bool,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    let ([rows, depth], columns) = (a.size, b.size[1]);
    assert_eq!(depth, b.size[0], "the matrices do not fit each other");
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(row_stride >= columns && reach([rows, columns], [row_stride, 1]) <= target.len());
    if depth > 0 {
        assert!(reach(a.size, a.strides) <= a.data.len());
        assert!(reach(b.size, b.strides) <= b.data.len());
    }
    // SAFETY: the asserts keep every entry of the three matrices inside its slice, the rows of the target do not
    // overlap, and a mutable slice overlaps no other.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            target.as_mut_ptr(),
            1,
            row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.strides[1] as isize,
            a.strides[0] as isize,
            b.data.as_ptr(),
            b.strides[1] as isize,
            b.strides[0] as isize,
            1.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|index| ((index * 37 % 101) as f32 - 50.0) / 50.0).collect()
    }

    #[test]
    fn a_product_equals_plain_loops_and_leaves_what_lies_between_its_rows() {
        let (left, right) = (values(400), values(900));
        for (rows, depth, columns) in [(1, 1, 1), (3, 5, 7), (17, 19, 40), (2, 9, 33)] {
            for (transposed, accumulate) in [(false, false), (true, false), (false, true)] {
                let a = if transposed {
                    Matrix::rows(&left, [depth, rows], rows + 2).transposed()
                } else {
                    Matrix::rows(&left, [rows, depth], depth + 1)
                };
                let b = Matrix::rows(&right, [depth, columns], columns + 3);
                let mut target = vec![0.5; rows * (columns + 4)];
                multiply(&mut target, columns + 4, accumulate, a, b);
                for (row, line) in target.chunks_exact(columns + 4).enumerate() {
                    for (column, found) in line[..columns].iter().enumerate() {
                        let start = if accumulate { 0.5 } else { 0.0 };
                        let expected = (0..depth).fold(start, |sum, k| {
                            let left = left[row * a.strides[0] + k * a.strides[1]];
                            sum + left * right[k * (columns + 3) + column]
                        });
                        assert!((found - expected).abs() < 1e-4, "{found} should be {expected}");
                    }
                    assert_eq!(line[columns..], [0.5; 4]);
                }
            }
        }
    }

    #[test]
    #[should_panic]
    fn a_matrix_that_reaches_out_of_its_slice_is_refused() {
        let short = values(11);
        let a = Matrix::rows(&short, [3, 4], 4);
        multiply(&mut [0.0; 3], 1, false, a, Matrix::rows(&[1.0; 4], [4, 1], 1));
    }
}
