use super::*;

fn normals(count: usize, seed: u64) -> Vec<f64> {
    let mut random = tl_random::rng(seed, "symmetric", 0, 0);
    (0..count).map(|_| random.normal()).collect()
}

fn unit(size: usize) -> Vec<f64> {
    (0..size * size).map(|at| f64::from(u8::from(at / size == at % size))).collect()
}

/// The axes themselves have the eigenvectors' entries as coordinates: their rows give the matrix back.
#[test]
fn eigenvalues_and_coordinates_give_the_matrix_back() {
    // The largest goes through the threads too; the last is of rank 3.
    for (rows, columns) in [(1, 4), (2, 5), (7, 9), (40, 60), (150, 170), (30, 3)] {
        let matrix = gram(&normals(rows * columns, 5), rows, columns);
        let found = eigen(matrix.clone(), rows, unit(rows)).unwrap();
        let scale = found.values.iter().copied().fold(1.0, f64::max);
        for one in 0..rows {
            for other in 0..rows {
                let terms = |at: usize| {
                    let row = &found.coordinates[at * rows..][..rows];
                    (found.values[at] * row[one] * row[other], row[one] * row[other])
                };
                let back: f64 = (0..rows).map(|at| terms(at).0).sum();
                let right: f64 = (0..rows).map(|at| terms(at).1).sum();
                let expected = matrix[one * rows + other];
                assert!((back - expected).abs() < 1e-12 * scale, "{rows}: {back} {expected}");
                let unit = f64::from(u8::from(one == other));
                assert!((right - unit).abs() < 1e-11, "{rows}: {right} {unit}");
            }
        }
    }
}

#[test]
fn known_eigenvalues_are_found() {
    // 2 on the diagonal and −1 beside it: 2 − 2·cos(πk / (n + 1)).
    let size = 20;
    let at = |row: usize, column: usize| match row.abs_diff(column) {
        0 => 2.0,
        1 => -1.0,
        _ => 0.0,
    };
    let matrix = (0..size * size).map(|place| at(place / size, place % size)).collect();
    let mut found = eigen(matrix, size, Vec::new()).unwrap().values;
    found.sort_by(f64::total_cmp);
    for (place, value) in found.iter().enumerate() {
        let angle = std::f64::consts::PI * (place + 1) as f64 / (size + 1) as f64;
        assert!((value - (2.0 - 2.0 * angle.cos())).abs() < 1e-13, "{place}: {value}");
    }
    for (diagonal, expected) in [([0.0; 3], [0.0; 3]), ([3.0, 1.0, 2.0], [1.0, 2.0, 3.0])] {
        let matrix = (0..9).map(|at| if at % 4 == 0 { diagonal[at / 4] } else { 0.0 });
        let mut found = eigen(matrix.collect(), 3, Vec::new()).unwrap().values;
        found.sort_by(f64::total_cmp);
        assert_eq!(found, expected);
    }
    assert_eq!(eigen(Vec::new(), 0, Vec::new()).unwrap().values, [0.0; 0]);
    assert_eq!(eigen(vec![f64::NAN; 4], 2, Vec::new()), None);
    assert_eq!(eigen(vec![f64::INFINITY; 9], 3, Vec::new()), None);
}

#[test]
fn the_logarithm_of_a_determinant_is_the_sum_over_the_eigenvalues() {
    for (rows, columns) in [(1, 3), (6, 9), (25, 4)] {
        let matrix = gram(&normals(rows * columns, 7), rows, columns);
        let values = eigen(matrix.clone(), rows, Vec::new()).unwrap().values;
        for scale in [1e-3, 1.0, 1e4] {
            let found = log_determinant(matrix.clone(), rows, scale);
            let sum: f64 = values.iter().map(|value| (scale * value.max(0.0)).ln_1p()).sum();
            assert!((found - sum).abs() < 1e-8 * (1.0 + sum.abs()), "{rows}: {found} {sum}");
        }
    }
    assert_eq!(
        log_determinant(vec![1.0, 0.0, 0.0, 3.0], 2, 1.0),
        2.0 * (2f64.sqrt().ln() + 2f64.ln())
    );
}

#[test]
fn products_and_transposes_are_those_of_the_definition() {
    let values: Vec<f64> = (0..6).map(f64::from).collect();
    assert_eq!(transposed(&values, 2, 3), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(gram(&values, 2, 3), [5.0, 14.0, 14.0, 50.0]);
    let many = normals(40 * 33, 9);
    let product = gram(&many, 40, 33);
    for one in 0..40 {
        for other in 0..40 {
            let row = |at: usize| &many[at * 33..(at + 1) * 33];
            let plain: f64 = row(one).iter().zip(row(other)).map(|(a, b)| a * b).sum();
            assert!((product[one * 40 + other] - plain).abs() < 1e-12);
        }
    }
}
