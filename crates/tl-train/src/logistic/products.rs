//! The two matrix products of a linear head, X·Wᵀ and Gᵀ·X.
//!
//! Both run in f32 over short blocks, which compilers turn into vector instructions, and add the
//! blocks up in f64. The order of every sum is fixed by the shapes alone.

use rayon::prelude::*;

/// Numbers that one vector register (or two) holds.
const LANES: usize = 8;
/// Features summed in f32 before the sum goes into f64: each lane adds up 32 products.
const FEATURES: usize = 256;
/// Examples summed in f32 before the sum goes into f64.
pub(super) const EXAMPLES: usize = 32;
/// Classes whose sums stay in registers together.
const CLASSES: usize = 4;

/// Logits `[n, classes]` of features `[n, width]`, weight `[classes, width]`, bias `[classes]`.
pub(super) fn logits(features: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let classes = bias.len();
    let width = weight.len() / classes.max(1);
    if width == 0 {
        return Vec::new();
    }
    let bias: Vec<f64> = bias.iter().map(|&b| f64::from(b)).collect();
    let examples = features.len() / width;
    let mut logits = vec![0.0f32; examples * classes];
    logits
        .par_chunks_mut(EXAMPLES * classes)
        .zip(features[..examples * width].par_chunks(EXAMPLES * width))
        .for_each(|(out, rows)| {
            let mut scores = vec![0.0; out.len()];
            scores_into(rows, weight, &bias, &mut scores);
            out.iter_mut().zip(scores).for_each(|(out, score)| *out = score as f32);
        });
    logits
}

/// Writes x · weightᵀ + bias into `scores` `[rows, classes]` for `rows` `[rows, width]`.
pub(super) fn scores_into(rows: &[f32], weight: &[f32], bias: &[f64], scores: &mut [f64]) {
    let classes = bias.len();
    let width = weight.len() / classes;
    for (row, scores) in rows.chunks_exact(width).zip(scores.chunks_exact_mut(classes)) {
        scores.copy_from_slice(bias);
        for (group, scores) in scores.chunks_mut(CLASSES).enumerate() {
            let weight = &weight[group * CLASSES * width..][..scores.len() * width];
            for start in (0..width).step_by(FEATURES) {
                let end = (start + FEATURES).min(width);
                let part = |class: usize| &weight[class * width..][start..end];
                if scores.len() == CLASSES {
                    let sums = dots(&row[start..end], [part(0), part(1), part(2), part(3)]);
                    scores.iter_mut().zip(sums).for_each(|(score, sum)| *score += f64::from(sum));
                } else {
                    for (class, score) in scores.iter_mut().enumerate() {
                        *score += f64::from(dots(&row[start..end], [part(class)])[0]);
                    }
                }
            }
        }
    }
}

/// The dot products of `x` with each of `others`, all of equal length.
fn dots<const N: usize>(x: &[f32], others: [&[f32]; N]) -> [f32; N] {
    let (blocks, rest) = x.as_chunks::<LANES>();
    let others_blocks = others.map(|other| other.as_chunks::<LANES>());
    let mut lanes = [[0.0f32; LANES]; N];
    for (index, x) in blocks.iter().enumerate() {
        for (lanes, (other, _)) in lanes.iter_mut().zip(&others_blocks) {
            let other = &other[index];
            for lane in 0..LANES {
                lanes[lane] += x[lane] * other[lane];
            }
        }
    }
    std::array::from_fn(|n| {
        let rest = rest.iter().zip(others_blocks[n].1).map(|(a, b)| a * b);
        lanes[n].iter().sum::<f32>() + rest.sum::<f32>()
    })
}

/// Adds gᵀ·x to `sums` `[classes, width]` for at most [`EXAMPLES`] rows: `rows` `[rows, width]`,
/// `slopes` `[rows, classes]`; `block` is room for one row of `sums`.
pub(super) fn add_outer(
    rows: &[f32],
    slopes: &[f32],
    width: usize,
    block: &mut [f32],
    sums: &mut [f64],
) {
    let classes = sums.len() / width;
    let quads = rows.chunks_exact(4 * width);
    let rest = quads.remainder();
    for (class, sums) in sums.chunks_exact_mut(width).enumerate() {
        block.fill(0.0);
        let slope = |row: usize| slopes[row * classes + class];
        let mut row = 0;
        for quad in quads.clone() {
            let (a, quad) = quad.split_at(width);
            let (b, quad) = quad.split_at(width);
            let (c, d) = quad.split_at(width);
            let [ga, gb, gc, gd] = [slope(row), slope(row + 1), slope(row + 2), slope(row + 3)];
            let x = a.iter().zip(b).zip(c.iter().zip(d));
            for (sum, ((a, b), (c, d))) in block.iter_mut().zip(x) {
                *sum += (ga * a + gb * b) + (gc * c + gd * d);
            }
            row += 4;
        }
        for x in rest.chunks_exact(width) {
            let g = slope(row);
            block.iter_mut().zip(x).for_each(|(sum, x)| *sum += g * x);
            row += 1;
        }
        sums.iter_mut().zip(block.iter()).for_each(|(sum, part)| *sum += f64::from(*part));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers: every sum is exact in f32, so that blocks must not change a bit.
    fn whole(n: usize, salt: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7 + salt * 5) % 11) as f32 - 5.0).collect()
    }

    #[test]
    fn blocked_products_are_the_plain_products_at_every_remainder() {
        for (n, width, classes) in [(1, 1, 1), (5, 7, 3), (33, 300, 5), (70, 8, 4), (4, 513, 9)] {
            let x = whole(n * width, 1);
            let weight = whole(classes * width, 2);
            let bias = whole(classes, 3);
            let found = logits(&x, &weight, &bias);
            for i in 0..n {
                for c in 0..classes {
                    let dot: f32 =
                        (0..width).map(|j| x[i * width + j] * weight[c * width + j]).sum();
                    assert_eq!(found[i * classes + c], dot + bias[c], "{n} {width} {classes}");
                }
            }
            let slopes = whole(n * classes, 4);
            let mut sums = vec![1.0; classes * width];
            add_outer(&x, &slopes, width, &mut vec![9.0; width], &mut sums);
            for c in 0..classes {
                for j in 0..width {
                    let sum: f32 = (0..n).map(|i| slopes[i * classes + c] * x[i * width + j]).sum();
                    assert_eq!(sums[c * width + j], f64::from(sum) + 1.0);
                }
            }
        }
    }
}
