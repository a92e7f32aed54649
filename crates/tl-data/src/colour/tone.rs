//! The changes that RandAugment has beside those of jitter, as `torchvision.transforms.functional` does them.
//!
//! Every function changes `[3, …]` values in `0..=1`: a plane of red, one of green, one of blue.

use super::change::blend;

/// Each channel's range becomes the whole one; a channel of one value stays.
pub(crate) fn autocontrast(pixels: &mut [f32]) {
    each_plane(pixels, |plane| {
        let least = plane.iter().copied().fold(f32::INFINITY, f32::min);
        let most = plane.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let scale = 1.0 / (most - least);
        if scale.is_finite() {
            plane.iter_mut().for_each(|value| *value = ((*value - least) * scale).clamp(0.0, 1.0));
        }
    });
}

/// Each channel's values, as bytes, become as frequent as each other, as far as that goes.
pub(crate) fn equalise(pixels: &mut [f32]) {
    each_plane(pixels, |plane| {
        let mut counts = [0usize; 256];
        plane.iter().for_each(|value| counts[usize::from(byte(*value))] += 1);
        let last = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
        let step = (plane.len() - last) / 255;
        if step == 0 {
            // torchvision leaves the bytes; so that both cases agree on what a value is, they are bytes here too.
            return plane.iter_mut().for_each(|value| *value = f32::from(byte(*value)) / 255.0);
        }
        // A value becomes the share of those below it.
        let mut below = 0;
        let table = counts.map(|count| {
            let place = (below + step / 2) / step;
            below += count;
            place.min(255) as f32 / 255.0
        });
        plane.iter_mut().for_each(|value| *value = table[usize::from(byte(*value))]);
    });
}

/// Of each value, as a byte, the upper `bits` stay.
pub(crate) fn posterise(pixels: &mut [f32], bits: u32) {
    let mask = 255u8.checked_shl(8u32.saturating_sub(bits)).unwrap_or(0);
    pixels.iter_mut().for_each(|value| *value = f32::from(byte(*value) & mask) / 255.0);
}

/// Away from a smoothed image of `side` × `side` pixels, or towards it below 1. The smoothing weighs a pixel by 5 and the eight
/// around it by 1; pixels at the edge stay, and so does an image of up to 2 pixels.
pub(crate) fn sharpness(pixels: &mut [f32], side: usize, factor: f32) {
    if side <= 2 {
        return;
    }
    for plane in pixels.chunks_exact_mut(side * side) {
        let before = plane.to_vec();
        let sum = |at: usize| before[at - 1] + before[at] + before[at + 1];
        for y in 1..side - 1 {
            for x in 1..side - 1 {
                let at = y * side + x;
                let around = sum(at - side) + sum(at) + sum(at + side);
                let smooth = (around + 4.0 * before[at]) / 13.0;
                plane[at] = blend(before[at], smooth, factor);
            }
        }
    }
}

fn byte(value: f32) -> u8 {
    // A cast of a number beyond the bytes ends at the nearest one.
    (255.0 * value).round() as u8
}

fn each_plane(pixels: &mut [f32], change: impl Fn(&mut [f32])) {
    let plane = pixels.len() / 3;
    pixels.chunks_exact_mut(plane.max(1)).for_each(change);
}
