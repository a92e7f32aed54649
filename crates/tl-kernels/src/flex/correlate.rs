//! Sums of shifted copies of a line, the core of the depthwise convolution.

use super::processor::{by_processor, multiply_add};

/// Values treated at once: every line's length is a multiple of it.
pub(super) const BLOCK: usize = 64;
const LANES: usize = 16;

/// Where a tap reads, relative to the position it contributes to, and its weight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub offset: usize,
    pub weight: f32,
}

#[inline(always)]
fn correlate_body<const FUSED: bool>(target: &mut [f32], source: &[f32], taps: &[Tap], start: f32) {
    for (index, target) in target.chunks_exact_mut(BLOCK).enumerate() {
        let mut sums = [[start; LANES]; BLOCK / LANES];
        for tap in taps {
            let values = &source[index * BLOCK + tap.offset..][..BLOCK];
            for (sums, values) in sums.iter_mut().zip(values.chunks_exact(LANES)) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = multiply_add::<FUSED>(tap.weight, *value, *sum);
                }
            }
        }
        target.copy_from_slice(sums.as_flattened());
    }
}

by_processor! {
    /// `target[i] = start + Σ weight·source[i + offset]` over the taps; the target's length is a multiple of [`BLOCK`].
    pub(super) fn correlate(
        target: &mut [f32],
        source: &[f32],
        taps: &[Tap],
        start: f32,
    ) = correlate_body
}

/// Taps whose products are summed side by side.
const GROUP: usize = 9;
/// Values that a lane sums in f32 before the sum goes on in f64.
const RUN: usize = 64;

#[inline(always)]
fn products_body<const FUSED: bool>(
    gradient: &[f32],
    source: &[f32],
    offsets: &[usize],
    totals: &mut [f64],
) {
    let length = gradient.len() / LANES * LANES;
    for (offsets, totals) in offsets.chunks(GROUP).zip(totals.chunks_mut(GROUP)) {
        let mut start = 0;
        while start < length {
            let end = (start + RUN * LANES).min(length);
            let sums = match <[usize; GROUP]>::try_from(offsets) {
                Ok(offsets) => run_of_group::<FUSED, GROUP>(gradient, source, offsets, start, end),
                Err(_) => {
                    let mut sums = [0.0; GROUP];
                    for (sum, &offset) in sums.iter_mut().zip(offsets) {
                        [*sum] = run_of_group::<FUSED, 1>(gradient, source, [offset], start, end);
                    }
                    sums
                }
            };
            totals.iter_mut().zip(sums).for_each(|(total, sum)| *total += f64::from(sum));
            start = end;
        }
    }
}

#[inline(always)]
fn run_of_group<const FUSED: bool, const TAPS: usize>(
    gradient: &[f32],
    source: &[f32],
    offsets: [usize; TAPS],
    start: usize,
    end: usize,
) -> [f32; TAPS] {
    let gradient = &gradient[start..end];
    let lines = offsets.map(|offset| &source[start + offset..end + offset]);
    let mut sums = [[0.0f32; LANES]; TAPS];
    for position in (0..gradient.len() / LANES * LANES).step_by(LANES) {
        let gradient = &gradient[position..][..LANES];
        for (sums, line) in sums.iter_mut().zip(&lines) {
            for ((sum, value), gradient) in
                sums.iter_mut().zip(&line[position..][..LANES]).zip(gradient)
            {
                *sum = multiply_add::<FUSED>(*value, *gradient, *sum);
            }
        }
    }
    sums.map(|lanes| lanes.iter().sum())
}

by_processor! {
    /// Adds `Σ gradient[i]·source[i + offset]` to each offset's total; the gradient's length is a multiple of 16.
    pub(super) fn add_products(
        gradient: &[f32],
        source: &[f32],
        offsets: &[usize],
        totals: &mut [f64],
    ) = products_body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(length: usize, factor: f32) -> Vec<f32> {
        (0..length).map(|index| (index as f32 * factor).sin()).collect()
    }

    #[test]
    fn the_processors_version_equals_the_portable_one() {
        let source = line(4 * BLOCK + 90, 0.7);
        for count in [0, 1, 4, 9, 25] {
            let taps: Vec<Tap> = (0..count)
                .map(|tap| Tap { offset: tap * 7 % 90, weight: (tap as f32).cos() })
                .collect();
            let (mut found, mut expected) = (vec![7.0; 4 * BLOCK], vec![9.0; 4 * BLOCK]);
            correlate(&mut found, &source, &taps, 0.5);
            correlate_body::<false>(&mut expected, &source, &taps, 0.5);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{found} should be {expected}");
            }

            let gradient = line(4 * BLOCK, 0.3);
            let offsets: Vec<usize> = taps.iter().map(|tap| tap.offset).collect();
            let (mut found, mut expected) = (vec![1.0; count], vec![1.0; count]);
            add_products(&gradient, &source, &offsets, &mut found);
            products_body::<false>(&gradient, &source, &offsets, &mut expected);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-4, "{found} should be {expected}");
            }
        }
    }
}
