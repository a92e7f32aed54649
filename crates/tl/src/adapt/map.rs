//! The features of two domains in one plane.

use tl_adapt::Outputs;

use crate::plane;

/// The rows of two sets of features of the same width on the two principal components of all of them.
pub(super) fn plane(source: &Outputs, target: &Outputs) -> [Vec<[f64; 2]>; 2] {
    let width = source.width.min(target.width);
    let rows = source.feature_rows().chain(target.feature_rows());
    let points = plane::plane(rows, width).points;
    let (one, other) = points.split_at(source.rows().min(points.len()));
    [one.to_vec(), other.to_vec()]
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
