//! Vectors in the plane: their two directions of largest variance.

/// Steps of the power iteration: directions need not be exact to be looked at.
const STEPS: usize = 60;

/// Rows of one width on their two principal components.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plane {
    pub points: Vec<[f64; 2]>,
    /// How much of the rows' variance the plane holds, from 0 to 1.
    pub share: f64,
}

/// The two principal components of some rows, of which the first `width` values count.
pub(crate) fn plane<'r>(rows: impl Iterator<Item = &'r [f32]> + Clone, width: usize) -> Plane {
    let count = rows.clone().count();
    let mut mean = vec![0.0; width];
    for row in rows.clone() {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
    let centred: Vec<Vec<f64>> = rows
        .map(|row| row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect())
        .collect();
    let first = direction(&centred, width, None);
    let second = direction(&centred, width, Some(&first));
    let points: Vec<[f64; 2]> =
        centred.iter().map(|row| [dot(row, &first), dot(row, &second)]).collect();
    let all: f64 = centred.iter().map(|row| dot(row, row)).sum();
    let held: f64 = points.iter().map(|point| dot(point, point)).sum();
    Plane { points, share: if all > 0.0 { held / all } else { 0.0 } }
}

/// The unit vector along which the rows vary most, at a right angle to `beside`.
fn direction(rows: &[Vec<f64>], width: usize, beside: Option<&[f64]>) -> Vec<f64> {
    // Any vector that is not at a right angle to the result will do.
    let mut found: Vec<f64> = (0..width).map(|place| 1.0 + (place % 7) as f64).collect();
    for _ in 0..STEPS {
        let mut next = vec![0.0; width];
        for row in rows {
            let share = dot(row, &found);
            next.iter_mut().zip(row).for_each(|(sum, value)| *sum += share * value);
        }
        if let Some(beside) = beside {
            let share = dot(&next, beside);
            next.iter_mut().zip(beside).for_each(|(value, other)| *value -= share * other);
        }
        let length = dot(&next, &next).sqrt();
        if length < 1e-12 {
            return vec![0.0; width];
        }
        next.iter_mut().for_each(|value| *value /= length);
        found = next;
    }
    found
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_holds_what_varies_most() {
        // Along the axes deviations as 3 : 2 : 1 around 7; of 14 parts of the variance 13 are in the plane.
        let rows: Vec<Vec<f32>> = [3.0, 2.0, 1.0]
            .into_iter()
            .enumerate()
            .flat_map(|(axis, size)| {
                [size, -size].map(|off| {
                    let mut row = vec![7.0; 3];
                    row[axis] += off;
                    row
                })
            })
            .collect();
        let found = plane(rows.iter().map(Vec::as_slice), 3);
        assert!((found.share - 13.0 / 14.0).abs() < 1e-9, "{found:?}");
        assert!((found.points[0][0].abs() - 3.0).abs() < 1e-6, "{found:?}");
        assert!((found.points[2][1].abs() - 2.0).abs() < 1e-6, "{found:?}");
        assert!(found.points[4].iter().all(|value| value.abs() < 1e-6), "{found:?}");
        assert_eq!(plane(std::iter::empty(), 3), Plane::default());
    }
}
