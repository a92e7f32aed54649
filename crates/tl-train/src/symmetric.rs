//! Large symmetric matrices in f64: coordinates along eigenvectors, and logarithms of determinants.
//!
//! Jacobi's rotations, which small matrices are served with elsewhere, take some `9·n³` operations in each of several sweeps. Here
//! Householder's reflections make the matrix tridiagonal in some `2·n³`, and the eigenvectors are never made: what is asked for are
//! coordinates of a few vectors along them, so that only those are reflected and turned (Golub and Van Loan, *Matrix Computations*, sections
//! 8.3.1 and 8.3.3). No sum depends on the number of threads.

use rayon::prelude::*;

/// Numbers that a few vector registers hold.
const LANES: usize = 16;
/// Rows whose products with another row are made together, while that lies in the nearest cache.
const ROWS: usize = 16;
/// Matrices of fewer rows are not worth the threads.
const LARGE: usize = 128;
/// Turnings for one eigenvalue at most; two are usual.
const TURNINGS: usize = 200;

/// Eigenvalues, and vectors in coordinates along the eigenvectors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Eigen {
    /// In no order.
    pub values: Vec<f64>,
    /// `[size, vectors]`: row `i` holds each vector's coordinate along the eigenvector of value `i`.
    pub coordinates: Vec<f64>,
}

/// `a · b`.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// `X·Xᵀ` `[rows, rows]` of `values` `[rows, columns]`.
pub(crate) fn gram(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let row = |at: usize| &values[at * columns..(at + 1) * columns];
    let mut product = vec![0.0; rows * rows];
    product.par_chunks_mut((ROWS * rows).max(1)).enumerate().for_each(|(block, out)| {
        let first = block * ROWS;
        let held = out.len() / rows;
        for other in 0..first + held {
            for (place, out) in out.chunks_exact_mut(rows).enumerate() {
                if other <= first + place {
                    out[other] = dot(row(first + place), row(other));
                }
            }
        }
    });
    for one in 0..rows {
        for other in 0..one {
            product[other * rows + one] = product[one * rows + other];
        }
    }
    product
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transposed(values: &[f64], rows: usize, columns: usize) -> Vec<f64> {
    let mut turned = vec![0.0; values.len()];
    turned.par_chunks_mut(rows.max(1)).enumerate().for_each(|(column, out)| {
        out.iter_mut().enumerate().for_each(|(row, out)| *out = values[row * columns + column]);
    });
    turned
}

/// The natural logarithm of `det(1 + scale · matrix)` for a `matrix` `[size, size]` without negative eigenvalues, by Cholesky's
/// factors.
pub(crate) fn log_determinant(mut matrix: Vec<f64>, size: usize, scale: f64) -> f64 {
    let mut logarithms = 0.0;
    for row in 0..size {
        let (above, own) = matrix.split_at_mut(row * size);
        let own = &mut own[..size];
        for column in 0..row {
            let factor = &above[column * size..][..=column];
            let sum = scale * own[column] - dot(&own[..column], &factor[..column]);
            own[column] = sum / factor[column];
        }
        // What is left of 1 and a matrix without negative eigenvalues is 1 at least; less is rounding.
        let pivot = 1.0 + scale * own[row] - dot(&own[..row], &own[..row]);
        own[row] = pivot.max(1.0).sqrt();
        logarithms += own[row].ln();
    }
    2.0 * logarithms
}

/// Eigenvalues of the symmetric `matrix` `[size, size]`, and the rows `vectors` `[size, count]` (one vector a column) along its
/// eigenvectors. Nothing where values are not finite or too large for it.
pub(crate) fn eigen(mut matrix: Vec<f64>, size: usize, mut vectors: Vec<f64>) -> Option<Eigen> {
    let count = vectors.len() / size.max(1);
    let pivots = 0..size.saturating_sub(1);
    let mut beside: Vec<f64> =
        pivots.map(|pivot| reflect(&mut matrix, size, pivot, &mut vectors, count)).collect();
    beside.resize(size, 0.0);
    let mut values: Vec<f64> = (0..size).map(|at| matrix[at * size + at]).collect();
    turn_all(&mut values, &mut beside, &mut vectors, count)?;
    let finite = values.iter().chain(&vectors).all(|value| value.is_finite());
    finite.then_some(Eigen { values, coordinates: vectors })
}

/// Brings what stands below `pivot` in its column into one place by a reflection, of which that value is the answer.
fn reflect(
    matrix: &mut [f64],
    size: usize,
    pivot: usize,
    vectors: &mut [f64],
    count: usize,
) -> f64 {
    let first = pivot + 1;
    // The matrix stays symmetric: the row serves as the column.
    let mut normal: Vec<f64> = matrix[pivot * size + first..(pivot + 1) * size].to_vec();
    let behind: f64 = dot(&normal[1..], &normal[1..]);
    let head = normal[0];
    if behind == 0.0 {
        return head;
    }
    let length = (head * head + behind).sqrt();
    let reflected = -length.copysign(head);
    normal[0] = head - reflected;
    let factor = 2.0 / (normal[0] * normal[0] + behind);
    // B − v·wᵀ − w·vᵀ with w = p − ½τ(pᵀv)·v, p = τ·B·v.
    let below = &mut matrix[first * size..];
    let row_product = |row: &[f64]| factor * dot(&row[first..], &normal);
    let mut change: Vec<f64> = match normal.len() < LARGE {
        true => below.chunks_exact(size).map(row_product).collect(),
        false => below.par_chunks_exact(size).map(row_product).collect(),
    };
    let half = 0.5 * factor * dot(&change, &normal);
    change.iter_mut().zip(&normal).for_each(|(change, normal)| *change -= half * normal);
    let update = |(place, row): (usize, &mut [f64])| {
        let (own_normal, own_change) = (normal[place], change[place]);
        for (value, (normal, change)) in row[first..].iter_mut().zip(normal.iter().zip(&change)) {
            *value -= own_normal * change + own_change * normal;
        }
    };
    match normal.len() < LARGE {
        true => below.chunks_exact_mut(size).enumerate().for_each(update),
        false => below.par_chunks_exact_mut(size).enumerate().for_each(update),
    }
    let mut along = vec![0.0; count];
    let rows = &mut vectors[first * count..];
    for (normal, row) in normal.iter().zip(rows.chunks_exact(count.max(1))) {
        along.iter_mut().zip(row).for_each(|(sum, value)| *sum += factor * normal * value);
    }
    for (normal, row) in normal.iter().zip(rows.chunks_exact_mut(count.max(1))) {
        row.iter_mut().zip(&along).for_each(|(value, along)| *value -= normal * along);
    }
    reflected
}

/// Turns planes of neighbouring axes until nothing stands `beside` the diagonal `values` (the implicit QL method with shifts);
/// nothing where that does not come to an end.
fn turn_all(
    values: &mut [f64],
    beside: &mut [f64],
    vectors: &mut [f64],
    count: usize,
) -> Option<()> {
    let size = values.len();
    let largest = values.iter().zip(&*beside).map(|(value, beside)| value.abs() + beside.abs());
    let negligible = f64::EPSILON * largest.fold(0.0, f64::max);
    for first in 0..size {
        let mut turnings = 0;
        loop {
            let last = (first..size - 1).find(|&at| beside[at].abs() <= negligible);
            let last = last.unwrap_or(size - 1);
            if last == first {
                break;
            }
            turnings += 1;
            if turnings > TURNINGS {
                return None;
            }
            turn(values, beside, (first, last), vectors, count);
        }
    }
    Some(())
}

/// One pass from the plane above `last` up to that of `first`.
fn turn(
    values: &mut [f64],
    beside: &mut [f64],
    (first, last): (usize, usize),
    vectors: &mut [f64],
    count: usize,
) {
    let ratio = (values[first + 1] - values[first]) / (2.0 * beside[first]);
    let shift = beside[first] / (ratio + ratio.hypot(1.0).copysign(ratio));
    let mut rest = values[last] - values[first] + shift;
    let (mut sine, mut cosine, mut moved) = (1.0f64, 1.0f64, 0.0f64);
    for at in (first..last).rev() {
        let (far, near) = (sine * beside[at], cosine * beside[at]);
        let length = far.hypot(rest);
        beside[at + 1] = length;
        if length == 0.0 {
            values[at + 1] -= moved;
            beside[last] = 0.0;
            return;
        }
        (sine, cosine) = (far / length, rest / length);
        let value = values[at + 1] - moved;
        let gained = (values[at] - value) * sine + 2.0 * cosine * near;
        moved = sine * gained;
        values[at + 1] = value + moved;
        rest = cosine * gained - near;
        let (one, other) = vectors[at * count..(at + 2) * count].split_at_mut(count);
        for (one, other) in one.iter_mut().zip(other) {
            (*one, *other) = (cosine * *one - sine * *other, sine * *one + cosine * *other);
        }
    }
    values[first] -= moved;
    beside[first] = rest;
    beside[last] = 0.0;
}

#[cfg(test)]
mod tests;
