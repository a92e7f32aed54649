//! An image as numbers that can be computed with.

use crate::Rgb8;

/// Red, green and blue of each pixel in `0..=1`, rows from the top.
pub(super) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<[f32; 3]>,
}

impl Canvas {
    pub fn new(image: &Rgb8) -> Self {
        let (colours, _) = image.bytes().as_chunks::<3>();
        let pixels = colours.iter().map(|colour| colour.map(|byte| f32::from(byte) / 255.0));
        Self { width: image.width(), height: image.height(), pixels: pixels.collect() }
    }

    /// Back to bytes: cut to `0..=1` and rounded to the nearest.
    pub fn image(&self) -> Rgb8 {
        // The cast cuts to 0..=255 and makes 0 of what is no number.
        let bytes =
            self.pixels.iter().flat_map(|pixel| pixel.map(|value| (value * 255.0 + 0.5) as u8));
        Rgb8::from_parts(self.width, self.height, bytes.collect())
    }

    /// The shorter side in pixels: the unit of lengths that are to look alike at any size.
    pub fn short_side(&self) -> f32 {
        self.width.min(self.height) as f32
    }

    /// Replaces each pixel by what `change(column, row, pixel)` says, row by row from the top.
    pub fn map(&mut self, mut change: impl FnMut(usize, usize, [f32; 3]) -> [f32; 3]) {
        for (row, line) in self.pixels.chunks_exact_mut(self.width).enumerate() {
            for (column, pixel) in line.iter_mut().enumerate() {
                *pixel = change(column, row, *pixel);
            }
        }
    }

    /// Gaussian blur with the given standard deviation in pixels; beyond the edge its last pixel
    /// goes on.
    pub fn blur(&mut self, deviation: f32) {
        // Below a twentieth of a pixel the neighbours' weight is under 1e-80.
        if deviation < 0.05 {
            return;
        }
        let reach = (3.0 * deviation).ceil() as usize;
        let weights: Vec<f32> =
            (0..=reach).map(|step| (-0.5 * (step as f32 / deviation).powi(2)).exp()).collect();
        let sum = 2.0 * weights.iter().sum::<f32>() - weights[0];
        let weights: Vec<f32> = weights.iter().map(|weight| weight / sum).collect();
        self.pixels = across(&self.pixels, self.width, self.height, 1, self.width, &weights);
        self.pixels = across(&self.pixels, self.height, self.width, self.width, 1, &weights);
    }
}

/// Filters each of `lines` lines of `length` pixels that lie `step` apart; lines begin `apart` from
/// each other.
fn across(
    pixels: &[[f32; 3]],
    length: usize,
    lines: usize,
    step: usize,
    apart: usize,
    weights: &[f32],
) -> Vec<[f32; 3]> {
    let mut filtered = vec![[0.0; 3]; pixels.len()];
    for line in 0..lines {
        for position in 0..length {
            let mut sum = [0.0; 3];
            let mut add = |at: usize, weight: f32| {
                let pixel = pixels[line * apart + at * step];
                (0..3).for_each(|channel| sum[channel] += weight * pixel[channel]);
            };
            add(position, weights[0]);
            for (distance, &weight) in weights.iter().enumerate().skip(1) {
                add(position.saturating_sub(distance), weight);
                add((position + distance).min(length - 1), weight);
            }
            filtered[line * apart + position * step] = sum;
        }
    }
    filtered
}

/// The brightness of a colour (Rec. 709 weights).
pub(super) fn brightness([red, green, blue]: [f32; 3]) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// From `one` at `share` 0 to `other` at 1.
pub(super) fn mixed(one: [f32; 3], other: [f32; 3], share: f32) -> [f32; 3] {
    std::array::from_fn(|channel| one[channel] + (other[channel] - one[channel]) * share)
}

/// The pure colour of a hue in `0..1`: red, green and blue in `0..=1`, one of them 1 and one 0.
pub(super) fn pure_colour(hue: f64) -> [f32; 3] {
    [5.0, 3.0, 1.0].map(|offset| {
        let place = (offset + 6.0 * hue) % 6.0;
        (1.0 - place.min(4.0 - place).clamp(0.0, 1.0)) as f32
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::formula_image;

    #[test]
    fn every_byte_comes_back() {
        let image = Rgb8::from_grey(256, 1, &(0..=255).collect::<Vec<u8>>()).unwrap();
        assert_eq!(Canvas::new(&image).image(), image);
    }

    #[test]
    fn what_leaves_the_range_is_cut() {
        let mut canvas = Canvas::new(&Rgb8::from_grey(1, 1, &[9]).unwrap());
        canvas.map(|_, _, _| [-1.0, f32::NAN, 7.0]);
        assert_eq!(canvas.image().bytes(), [0, 0, 255]);
    }

    #[test]
    fn a_blur_keeps_an_even_image_and_spreads_a_point_as_a_gaussian() {
        let mut even = Canvas::new(&Rgb8::from_grey(5, 3, &[77; 15]).unwrap());
        even.blur(4.0);
        assert_eq!(even.image().bytes(), [77; 45]);
        let mut point = Canvas { width: 41, height: 41, pixels: vec![[0.0; 3]; 41 * 41] };
        point.pixels[20 * 41 + 20] = [1.0; 3];
        point.blur(2.0);
        let at = |column: usize, row: usize| point.pixels[row * 41 + column][1];
        // exp(−d² / 2σ²) / 2πσ² at distances 0, 2 and √8.
        for (place, squared) in [((20, 20), 0.0_f32), ((22, 20), 4.0), ((18, 22), 8.0)] {
            let wanted = (-squared / 8.0).exp() / (8.0 * std::f32::consts::PI);
            assert!((at(place.0, place.1) / wanted - 1.0).abs() < 0.02, "{place:?}");
        }
    }

    #[test]
    fn one_pixel_can_be_blurred() {
        let image = formula_image(1, 1);
        let mut canvas = Canvas::new(&image);
        canvas.blur(3.0);
        assert_eq!(canvas.image(), image);
    }

    #[test]
    fn hues_go_round_the_circle() {
        assert_eq!(pure_colour(0.0), [1.0, 0.0, 0.0]);
        assert_eq!(pure_colour(1.0 / 3.0).map(f32::round), [0.0, 1.0, 0.0]);
        assert_eq!(pure_colour(0.5).map(f32::round), [0.0, 1.0, 1.0]);
        assert_eq!(pure_colour(2.0 / 3.0).map(f32::round), [0.0, 0.0, 1.0]);
    }
}
