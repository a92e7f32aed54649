//! Features in the plane: their two directions of largest variance.

use tl_adapt::Outputs;

/// Steps of the power iteration: directions need not be exact to be looked at.
const STEPS: usize = 60;

/// The rows of two sets of features of the same width on the two principal components of all of them.
pub(super) fn plane(source: &Outputs, target: &Outputs) -> [Vec<[f64; 2]>; 2] {
    let width = source.width.min(target.width);
    let rows = || source.feature_rows().chain(target.feature_rows());
    let count = rows().count();
    let mut mean = vec![0.0; width];
    for row in rows() {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
    }
    mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f64);
    let centred: Vec<Vec<f64>> = rows()
        .map(|row| row.iter().zip(&mean).map(|(value, mean)| f64::from(*value) - mean).collect())
        .collect();
    let first = direction(&centred, width, None);
    let second = direction(&centred, width, Some(&first));
    let points: Vec<[f64; 2]> =
        centred.iter().map(|row| [dot(row, &first), dot(row, &second)]).collect();
    let (one, other) = points.split_at(source.rows().min(points.len()));
    [one.to_vec(), other.to_vec()]
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

    fn outputs(features: Vec<f32>) -> Outputs {
        let rows = features.len() / 3;
        Outputs { features, logits: vec![0.0; rows], width: 3, classes: 1 }
    }

    #[test]
    fn points_lie_along_the_directions_in_which_the_features_vary_most() {
        // Long along the third axis, short along the first, not at all along the second.
        let source = outputs(vec![0.0, 5.0, -8.0, 1.0, 5.0, -8.0]);
        let target = outputs(vec![0.0, 5.0, 8.0, 1.0, 5.0, 8.0]);
        let [source, target] = plane(&source, &target);
        for points in [&source, &target] {
            assert!((points[0][0].abs() - 8.0).abs() < 1e-6, "{points:?}");
            assert!((points[0][1].abs() - 0.5).abs() < 1e-6, "{points:?}");
        }
        assert!(source[0][0] * target[0][0] < 0.0 && source[0][1] * source[1][1] < 0.0);
    }

    #[test]
    fn features_that_do_not_vary_lie_in_one_point() {
        let same = outputs(vec![1.0; 6]);
        assert!(plane(&same, &same).iter().flatten().flatten().all(|value| *value == 0.0));
    }
}
