//! Symmetric matrices in f64: what the nuclear norm needs.

/// Eigenvalues, and eigenvectors as rows, of the symmetric `matrix` `[n, n]`, by Jacobi's
/// rotations.
pub(crate) fn eigen(matrix: &[f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    let scale: f64 = a.iter().map(|value| value * value).sum::<f64>().sqrt();
    // Converges quadratically: a dozen sweeps serve every size.
    for _ in 0..50 {
        let off: f64 = (0..n)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .map(|(i, j)| a[i * n + j] * a[i * n + j])
            .sum();
        if off.sqrt() <= 1e-15 * scale {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    ((0..n).map(|i| a[i * n + i]).collect(), vectors)
}

/// Turns the plane of axes `p` and `q` so that `a[p, q]` becomes 0.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let off = a[p * n + q];
    if off == 0.0 {
        return;
    }
    let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * off);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let tangent = if theta == 0.0 { 1.0 } else { tangent };
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    for k in 0..n {
        let (first, second) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = cosine * first - sine * second;
        a[k * n + q] = sine * first + cosine * second;
    }
    for k in 0..n {
        let (first, second) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = cosine * first - sine * second;
        a[q * n + k] = sine * first + cosine * second;
        let (first, second) = (vectors[p * n + k], vectors[q * n + k]);
        vectors[p * n + k] = cosine * first - sine * second;
        vectors[q * n + k] = sine * first + cosine * second;
    }
}

/// The nuclear norm of `matrix` `[rows, columns]` (the sum of its singular values), and `UVᵀ`, its
/// gradient; directions whose singular value is 0 have none.
pub(crate) fn nuclear_norm(matrix: &[f64], rows: usize, columns: usize) -> (f64, Vec<f64>) {
    // The smaller of AᵀA and AAᵀ; with M = (AᵀA)^(-1/2) the gradient is AM (or MA).
    let tall = rows >= columns;
    let (n, inner) = if tall { (columns, rows) } else { (rows, columns) };
    let at =
        |i: usize, k: usize| if tall { matrix[k * columns + i] } else { matrix[i * columns + k] };
    let mut gram = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..inner).map(|k| at(i, k) * at(j, k)).sum();
            gram[i * n + j] = sum;
            gram[j * n + i] = sum;
        }
    }
    let (values, vectors) = eigen(&gram, n);
    let largest = values.iter().copied().fold(0.0, f64::max);
    let norm = values.iter().map(|value| value.max(0.0).sqrt()).sum();
    let mut inverse = vec![0.0; n * n];
    for (value, vector) in values.iter().zip(vectors.chunks_exact(n.max(1))) {
        if *value > 1e-14 * largest {
            for i in 0..n {
                for j in 0..n {
                    inverse[i * n + j] += vector[i] * vector[j] / value.sqrt();
                }
            }
        }
    }
    let mut gradient = vec![0.0; rows * columns];
    for row in 0..rows {
        for column in 0..columns {
            gradient[row * columns + column] = if tall {
                (0..n).map(|k| matrix[row * columns + k] * inverse[k * n + column]).sum()
            } else {
                (0..n).map(|k| inverse[row * n + k] * matrix[k * columns + column]).sum()
            };
        }
    }
    (norm, gradient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nuclear_norm_of_a_diagonal_matrix_is_the_sum_of_its_sizes() {
        let (norm, gradient) = nuclear_norm(&[3.0, 0.0, 0.0, -4.0, 0.0, 0.0], 3, 2);
        assert!((norm - 7.0).abs() < 1e-12);
        let expected = [1.0, 0.0, 0.0, -1.0, 0.0, 0.0];
        assert!(
            gradient.iter().zip(expected).all(|(found, wanted)| (found - wanted).abs() < 1e-12)
        );
        // The transpose has the same norm.
        let (norm, _) = nuclear_norm(&[3.0, 0.0, 0.0, 0.0, -4.0, 0.0], 2, 3);
        assert!((norm - 7.0).abs() < 1e-12);
    }

    #[test]
    fn a_matrix_of_rank_one_has_the_product_of_its_lengths() {
        // [1, 2] times [2, 1, 2]: lengths √5 and 3.
        let (norm, gradient) = nuclear_norm(&[2.0, 1.0, 2.0, 4.0, 2.0, 4.0], 2, 3);
        assert!((norm - 5f64.sqrt() * 3.0).abs() < 1e-7);
        assert!(gradient.iter().all(|value| value.is_finite()));
    }

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        let matrix = [4.0, 1.0, -2.0, 1.0, 3.0, 0.5, -2.0, 0.5, 1.0];
        let (values, vectors) = eigen(&matrix, 3);
        for i in 0..3 {
            for j in 0..3 {
                let sum: f64 =
                    (0..3).map(|k| values[k] * vectors[k * 3 + i] * vectors[k * 3 + j]).sum();
                assert!((sum - matrix[i * 3 + j]).abs() < 1e-12);
            }
        }
    }
}
