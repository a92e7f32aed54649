//! The arithmetic of colours, as `torchvision.transforms.functional` does it on float tensors.
//!
//! Every function changes `[3, …]` values in `0..=1`: a plane of red, one of green, one of blue.

/// The weights of red, green and blue in the luminance (ITU-R BT.601).
const LUMINANCE: [f32; 3] = [0.2989, 0.587, 0.114];

/// Times `factor`.
pub(crate) fn brightness(pixels: &mut [f32], factor: f32) {
    pixels.iter_mut().for_each(|value| *value = (*value * factor).clamp(0.0, 1.0));
}

/// Away from the mean luminance, or towards it below 1.
pub(crate) fn contrast(pixels: &mut [f32], factor: f32) {
    let [red, green, blue] = planes(pixels);
    let grey = red.iter().zip(green.iter()).zip(blue.iter());
    let sum: f64 = grey.map(|((&r, &g), &b)| f64::from(luminance([r, g, b]))).sum();
    let mean = (sum / red.len().max(1) as f64) as f32;
    pixels.iter_mut().for_each(|value| *value = blend(*value, mean, factor));
}

/// Away from each pixel's luminance, or towards it below 1.
pub(crate) fn saturation(pixels: &mut [f32], factor: f32) {
    each_pixel(pixels, |colour| {
        let grey = luminance(colour);
        colour.map(|value| blend(value, grey, factor))
    });
}

/// Turned by a share of the colour circle, `−.5..=.5`, at the same saturation and value.
pub(super) fn hue(pixels: &mut [f32], turn: f32) {
    each_pixel(pixels, |colour| {
        let [hue, saturation, value] = to_hsv(colour);
        from_hsv([(hue + turn).rem_euclid(1.0), saturation, value])
    });
}

/// The luminance in all three channels.
pub(super) fn greyscale(pixels: &mut [f32]) {
    each_pixel(pixels, |colour| [luminance(colour); 3]);
}

/// `1 − x` from the threshold on.
pub(crate) fn solarise(pixels: &mut [f32], threshold: f32) {
    pixels.iter_mut().filter(|value| **value >= threshold).for_each(|value| *value = 1.0 - *value);
}

/// A Gaussian of deviation `sigma` pixels over `kernel` pixels of a square image of `side` pixels, along
/// rows and then along columns. Beyond an edge the image is mirrored, the edge itself not repeated.
pub(super) fn blur(pixels: &mut [f32], side: usize, kernel: usize, sigma: f64) {
    let reach = (kernel / 2).min(side.saturating_sub(1));
    let weights = gaussian(reach, sigma);
    let mirrored = |place: usize| {
        let place = place.abs_diff(reach);
        if place < side { place } else { 2 * (side - 1) - place }
    };
    let sources: Vec<usize> = (0..side + 2 * reach).map(mirrored).collect();
    let mut wide = vec![0.0; side + 2 * reach];
    let mut across = vec![0.0f32; side * side];
    for plane in pixels.chunks_exact_mut((side * side).max(1)) {
        for (row, blurred) in plane.chunks_exact(side).zip(across.chunks_exact_mut(side)) {
            for (value, &source) in wide.iter_mut().zip(&sources) {
                *value = row[source];
            }
            blurred.fill(0.0);
            for (at, weight) in weights.iter().enumerate() {
                add_scaled(blurred, &wide[at..at + side], *weight);
            }
        }
        for (y, row) in plane.chunks_exact_mut(side).enumerate() {
            row.fill(0.0);
            for (source, weight) in sources[y..].iter().zip(&weights) {
                add_scaled(row, &across[source * side..(source + 1) * side], *weight);
            }
        }
    }
}

/// `2·reach + 1` weights that sum to 1.
fn gaussian(reach: usize, sigma: f64) -> Vec<f32> {
    let density = |place: usize| {
        let distance = place as f64 - reach as f64;
        (-0.5 * (distance / sigma).powi(2)).exp()
    };
    let densities: Vec<f64> = (0..=2 * reach).map(density).collect();
    let sum: f64 = densities.iter().sum();
    densities.into_iter().map(|density| (density / sum) as f32).collect()
}

fn add_scaled(target: &mut [f32], source: &[f32], weight: f32) {
    for (sum, value) in target.iter_mut().zip(source) {
        *sum += weight * value;
    }
}

fn planes(pixels: &mut [f32]) -> [&mut [f32]; 3] {
    let plane = pixels.len() / 3;
    let (red, rest) = pixels.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    [red, green, blue]
}

fn each_pixel(pixels: &mut [f32], change: impl Fn([f32; 3]) -> [f32; 3]) {
    let [red, green, blue] = planes(pixels);
    for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
        [*r, *g, *b] = change([*r, *g, *b]);
    }
}

fn luminance([r, g, b]: [f32; 3]) -> f32 {
    LUMINANCE[0] * r + LUMINANCE[1] * g + LUMINANCE[2] * b
}

pub(super) fn blend(value: f32, other: f32, share: f32) -> f32 {
    (share * value + (1.0 - share) * other).clamp(0.0, 1.0)
}

/// Hue, saturation and value, each `0..=1`; the hue of a grey is 0.
fn to_hsv([r, g, b]: [f32; 3]) -> [f32; 3] {
    let (most, least) = (r.max(g).max(b), r.min(g).min(b));
    let range = most - least;
    if range == 0.0 {
        return [0.0, 0.0, most];
    }
    let [red, green, blue] = [r, g, b].map(|value| (most - value) / range);
    let sextant = if most == r {
        blue - green
    } else if most == g {
        2.0 + red - blue
    } else {
        4.0 + green - red
    };
    [(sextant / 6.0 + 1.0).fract(), range / most, most]
}

fn from_hsv([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sextant = (6.0 * hue).floor();
    let within = 6.0 * hue - sextant;
    let least = value * (1.0 - saturation);
    let falling = value * (1.0 - saturation * within);
    let rising = value * (1.0 - saturation * (1.0 - within));
    // A hue that was rounded up to a whole turn is the first again.
    match sextant as usize % 6 {
        0 => [value, rising, least],
        1 => [falling, value, least],
        2 => [least, value, rising],
        3 => [least, falling, value],
        4 => [rising, least, value],
        _ => [value, least, falling],
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::testing::formula_image;

    #[derive(Deserialize)]
    struct Recorded {
        side: usize,
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        change: String,
        numbers: Vec<f64>,
        /// `[3, side, side]`
        pixels: Vec<f32>,
    }

    #[test]
    fn every_change_is_torchvisions() {
        let text = include_str!("../../tests/fixtures/colour.json");
        let recorded: Recorded = serde_json::from_str(text).unwrap();
        let side = recorded.side;
        let image = formula_image(side, side);
        let start: Vec<f32> = (0..3 * side * side)
            .map(|at| image.bytes()[at % (side * side) * 3 + at / (side * side)])
            .map(|byte| f32::from(byte) / 255.0)
            .collect();
        assert_eq!(recorded.cases.len(), 17);
        for case in recorded.cases {
            let mut pixels = start.clone();
            let number = case.numbers[0] as f32;
            match case.change.as_str() {
                "brightness" => brightness(&mut pixels, number),
                "contrast" => contrast(&mut pixels, number),
                "saturation" => saturation(&mut pixels, number),
                "hue" => hue(&mut pixels, number),
                "greyscale" => greyscale(&mut pixels),
                "solarise" => solarise(&mut pixels, number),
                "blur" => blur(&mut pixels, side, case.numbers[0] as usize, case.numbers[1]),
                other => panic!("no change is called {other}"),
            }
            let apart = pixels.iter().zip(&case.pixels).map(|(one, other)| (one - other).abs());
            let most = apart.fold(0.0, f32::max);
            assert!(most < 2e-6, "{} {:?}: {most:.1e}", case.change, case.numbers);
        }
    }

    #[test]
    fn a_kernel_larger_than_the_image_is_cut_to_it() {
        let mut pixels = vec![0.25; 3 * 4];
        blur(&mut pixels, 2, 23, 1.5);
        assert!(pixels.iter().all(|value| (value - 0.25).abs() < 1e-6));
        let mut point = vec![0.1, 0.2, 0.3];
        blur(&mut point, 1, 23, 1.5);
        assert_eq!(point, [0.1, 0.2, 0.3]);
    }
}
