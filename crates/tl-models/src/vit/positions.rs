//! Position embeddings: how they fit another grid.

/// The embedding of `values` `[from · from, width]` on a grid of `from` on a side, for one of `rows` by
/// `columns`: `[rows · columns, width]`.
pub(super) fn resample_values(
    values: &[f32],
    from: usize,
    [rows, columns]: [usize; 2],
    width: usize,
) -> Vec<f32> {
    let weights = resampling([from, from], [rows, columns]);
    let old = from * from;
    let mut result = Vec::with_capacity(rows * columns * width);
    for row in weights.chunks_exact(old) {
        let mut sums = vec![0.0f64; width];
        for (weight, embedding) in row.iter().zip(values.chunks_exact(width)) {
            for (sum, value) in sums.iter_mut().zip(embedding) {
                *sum += f64::from(*weight) * f64::from(*value);
            }
        }
        result.extend(sums.into_iter().map(|sum| sum as f32));
    }
    result
}

/// The linear map from a grid of embeddings to another, `[new patches, old patches]` in row order: cubic,
/// with the filter widened where the grid shrinks, as timm has it (PyTorch's `interpolate` in mode
/// `bicubic` with `antialias`).
pub(super) fn resampling(from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let [down, across] = [0, 1].map(|axis| along_axis(from[axis], to[axis]));
    let mut weights = Vec::with_capacity(to[0] * to[1] * from[0] * from[1]);
    for row in down.chunks_exact(from[0]) {
        for column in across.chunks_exact(from[1]) {
            weights.extend(row.iter().flat_map(|y| column.iter().map(move |x| (y * x) as f32)));
        }
    }
    weights
}

/// The same for one axis, `[to, from]`.
fn along_axis(from: usize, to: usize) -> Vec<f64> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let mut weights = vec![0.0; to * from];
    for (place, row) in weights.chunks_exact_mut(from.max(1)).enumerate() {
        let centre = scale * (place as f64 + 0.5);
        let reach = 2.0 * stretch;
        let first = ((centre - reach + 0.5).max(0.0)) as usize;
        let last = ((centre + reach + 0.5) as usize).min(from);
        for (old, weight) in row.iter_mut().enumerate().take(last).skip(first) {
            *weight = cubic((old as f64 + 0.5 - centre) / stretch);
        }
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|weight| *weight /= sum);
    }
    weights
}

/// Keys' cubic convolution with a = −0.5.
fn cubic(distance: f64) -> f64 {
    const A: f64 = -0.5;
    let x = distance.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_new_place_is_a_mean_of_old_ones() {
        for (from, to) in [(14, 7), (14, 32), (7, 7), (1, 5), (5, 1), (16, 15)] {
            let weights = along_axis(from, to);
            for row in weights.chunks_exact(from) {
                assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{from} → {to}");
            }
        }
        let same: Vec<f64> = (0..9).map(|at| f64::from(u8::from(at % 4 == 0))).collect();
        assert_eq!(along_axis(3, 3), same);
    }
}
