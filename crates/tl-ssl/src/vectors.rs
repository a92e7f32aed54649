//! What losses of vectors share. Rows are images.

use burn::prelude::*;

/// Every row brought to length 1.
pub(crate) fn unit(rows: Tensor<2>) -> Tensor<2> {
    let squares = (rows.clone() * rows.clone()).sum_dim(1);
    rows / squares.add_scalar(1e-12).sqrt()
}

/// Every column brought to mean 0.
pub(crate) fn centred(rows: Tensor<2>) -> Tensor<2> {
    let mean = rows.clone().mean_dim(0);
    rows - mean
}

/// The mean square of every column, `[1, width]`.
pub(crate) fn column_squares(rows: Tensor<2>) -> Tensor<2> {
    (rows.clone() * rows).mean_dim(0)
}

/// The sum of the squares of a square matrix beside its diagonal, `[1]`.
pub(crate) fn squares_beside_diagonal(matrix: Tensor<2>) -> Tensor<1> {
    let [size, _] = matrix.dims();
    let diagonal = Tensor::<2>::eye(size, &matrix.device().without_autodiff());
    let beside = like(diagonal.mul_scalar(-1.0).add_scalar(1.0), &matrix);
    let matrix = matrix * beside;
    // In steps: one sum over millions of values would depend on the threads.
    (matrix.clone() * matrix).sum_dim(1).sum()
}

/// A constant on the device of `other`.
pub(crate) fn like<const D: usize, const E: usize>(
    constant: Tensor<D>,
    other: &Tensor<E>,
) -> Tensor<D> {
    if other.is_autodiff() { constant.autodiff() } else { constant }
}
