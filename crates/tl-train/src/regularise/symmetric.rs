//! Eigenvectors of small symmetric matrices.

use rayon::prelude::*;

/// `X·Xᵀ` of `rows` rows of `columns` values, in f64.
pub(super) fn gram(values: &[f32], rows: usize, columns: usize) -> Vec<f64> {
    let row = |at: usize| &values[at * columns..(at + 1) * columns];
    let product = |place: usize| -> f64 {
        let (one, other) = (place / rows, place % rows);
        row(one).iter().zip(row(other)).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    (0..rows * rows).into_par_iter().map(product).collect()
}

/// How often all pairs are gone through; three to eight times is usual.
const SWEEPS: usize = 30;

/// The eigenvectors of the `count` smallest eigenvalues of a symmetric matrix of `size` rows, the smallest first, by Jacobi's
/// rotations (Golub and Van Loan, *Matrix Computations*, section 8.5).
pub(super) fn smallest(matrix: &[f64], size: usize, count: usize) -> Vec<Vec<f64>> {
    let mut left = matrix.to_vec();
    // Row after row an eigenvector.
    let mut vectors: Vec<Vec<f64>> =
        (0..size).map(|one| (0..size).map(|it| f64::from(u8::from(it == one))).collect()).collect();
    let whole: f64 = left.iter().map(|value| value * value).sum();
    for _ in 0..SWEEPS {
        let beside = (0..size * size).filter(|place| place / size != place % size);
        if beside.map(|place| left[place] * left[place]).sum::<f64>() <= 1e-30 * whole {
            break;
        }
        for one in 0..size {
            for other in one + 1..size {
                rotate(&mut left, &mut vectors, size, (one, other));
            }
        }
    }
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|a, b| left[a * size + a].total_cmp(&left[b * size + b]));
    order.truncate(count);
    order.into_iter().map(|place| std::mem::take(&mut vectors[place])).collect()
}

/// Turns the two rows and columns so that what stands between them becomes 0.
fn rotate(left: &mut [f64], vectors: &mut [Vec<f64>], size: usize, (p, q): (usize, usize)) {
    let between = left[p * size + q];
    if between == 0.0 {
        return;
    }
    let ratio = (left[q * size + q] - left[p * size + p]) / (2.0 * between);
    let tangent = ratio.signum() / (ratio.abs() + (1.0 + ratio * ratio).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = tangent * cosine;
    let turn = |one: f64, other: f64| (cosine * one - sine * other, sine * one + cosine * other);
    for it in 0..size {
        let (one, other) = turn(left[it * size + p], left[it * size + q]);
        (left[it * size + p], left[it * size + q]) = (one, other);
    }
    for it in 0..size {
        let (one, other) = turn(left[p * size + it], left[q * size + it]);
        (left[p * size + it], left[q * size + it]) = (one, other);
        let (one, other) = turn(vectors[p][it], vectors[q][it]);
        (vectors[p][it], vectors[q][it]) = (one, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_an_eigenvector_is_the_vector_times_its_eigenvalue() {
        let mut random = tl_random::rng(5, "matrix", 0, 0);
        let (rows, columns) = (12, 20);
        let values: Vec<f32> = (0..rows * columns).map(|_| random.normal() as f32).collect();
        let matrix = gram(&values, rows, columns);
        let found = smallest(&matrix, rows, rows);
        let mut last = 0.0;
        for vector in &found {
            let times = |row: usize| -> f64 {
                (0..rows).map(|column| matrix[row * rows + column] * vector[column]).sum()
            };
            let eigenvalue: f64 = (0..rows).map(|row| times(row) * vector[row]).sum();
            assert!(eigenvalue >= last, "{eigenvalue} stands behind {last}");
            last = eigenvalue;
            for (row, value) in vector.iter().enumerate() {
                assert!((times(row) - eigenvalue * value).abs() < 1e-9);
            }
            assert!((vector.iter().map(|it| it * it).sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!(smallest(&matrix, rows, 2), found[..2]);
    }

    #[test]
    fn equal_rows_and_zeros_have_eigenvectors_too() {
        let found = smallest(&gram(&[1.0, 2.0, 1.0, 2.0], 2, 2), 2, 1);
        let half = 0.5f64.sqrt();
        assert!(
            (found[0][0].abs() - half).abs() < 1e-12 && (found[0][0] + found[0][1]).abs() < 1e-12
        );
        assert_eq!(smallest(&[0.0; 9], 3, 3).len(), 3);
    }
}
