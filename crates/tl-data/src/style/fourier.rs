//! Fourier domain adaptation.

use std::f64::consts::TAU;

use crate::Rgb8;
use crate::resize::{Interpolation, Window, resize};

/// `image` with the low-frequency amplitudes of `example` and its own phases (Yang, Soatto: "FDA:
/// Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020, equation 3).
///
/// Low are the frequencies up to `⌊reach · shorter side⌋` along each axis, `reach` being the paper's
/// β, cut to `0..=0.5`; a reach of 0 exchanges the mean colour alone. The example is first resized
/// to the image's size. Values are cut to `0..=255`.
///
/// Only the frequencies that change are computed, so that it takes about
/// `pixels · reach · shorter side` steps: of the order of 10 ms for 224 × 224 pixels at β = 0.1, and
/// eight times that for twice the side.
pub fn fourier(image: &Rgb8, example: &Rgb8, reach: f64) -> Rgb8 {
    let (width, height) = (image.width(), image.height());
    let whole = Window { left: 0, top: 0, width, height };
    let example = resize(example, width, height, whole, Interpolation::Bilinear);
    // Half the side is every frequency. The cast makes 0 of what is no number.
    let band = (reach.clamp(0.0, 0.5) * width.min(height) as f64).floor() as usize;
    let across = Waves::new(width, (0..=band.min(width / 2)).collect());
    let down = Waves::new(height, low(height, band));
    let mut bytes = vec![0; image.bytes().len()];
    for channel in 0..3 {
        let plane = |image: &Rgb8| -> Vec<f64> {
            image.bytes().iter().skip(channel).step_by(3).map(|&byte| f64::from(byte)).collect()
        };
        let own = plane(image);
        let change: Vec<Complex> = spectrum(&own, &across, &down)
            .into_iter()
            .zip(spectrum(&plane(&example), &across, &down))
            .map(|(own, example)| own.resized(example.amplitude()) - own)
            .collect();
        let added = inverse(&change, &across, &down);
        for (place, (value, added)) in own.iter().zip(added).enumerate() {
            // The cast cuts to 0..=255.
            bytes[3 * place + channel] = (value + added).round() as u8;
        }
    }
    Rgb8::from_parts(width, height, bytes)
}

#[derive(Clone, Copy, Debug, Default)]
struct Complex {
    real: f64,
    imaginary: f64,
}

impl Complex {
    fn amplitude(self) -> f64 {
        self.real.hypot(self.imaginary)
    }

    /// The same phase with another amplitude; nothing has phase 0.
    fn resized(self, amplitude: f64) -> Self {
        let own = self.amplitude();
        if own == 0.0 {
            return Self { real: amplitude, imaginary: 0.0 };
        }
        Self { real: self.real / own * amplitude, imaginary: self.imaginary / own * amplitude }
    }

    /// `self + factor · other`
    fn plus(self, factor: Self, other: Self) -> Self {
        Self {
            real: self.real + factor.real * other.real - factor.imaginary * other.imaginary,
            imaginary: self.imaginary
                + factor.real * other.imaginary
                + factor.imaginary * other.real,
        }
    }

    fn conjugate(self) -> Self {
        Self { imaginary: -self.imaginary, ..self }
    }
}

impl std::ops::Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { real: self.real - other.real, imaginary: self.imaginary - other.imaginary }
    }
}

/// The frequencies `-band..=band` of a side, each once, as numbers in `0..length`.
fn low(length: usize, band: usize) -> Vec<usize> {
    if 2 * band + 1 >= length {
        return (0..length).collect();
    }
    (0..=band).chain(length - band..length).collect()
}

/// Some frequencies of a side and their waves.
struct Waves {
    length: usize,
    frequencies: Vec<usize>,
    /// `exp(−2πi frequency position / length)`, `[length, frequencies]`.
    table: Vec<Complex>,
}

impl Waves {
    fn new(length: usize, frequencies: Vec<usize>) -> Self {
        let turn: Vec<Complex> = (0..length)
            .map(|step| {
                let (imaginary, real) = (-TAU * step as f64 / length as f64).sin_cos();
                Complex { real, imaginary }
            })
            .collect();
        let places = (0..length).flat_map(|position| {
            frequencies.iter().map(move |frequency| frequency * position % length)
        });
        let table = places.map(|place| turn[place]).collect();
        Self { length, frequencies, table }
    }

    /// All frequencies at a position.
    fn at(&self, position: usize) -> &[Complex] {
        let count = self.frequencies.len();
        &self.table[position * count..(position + 1) * count]
    }
}

/// The Fourier coefficients `[frequencies down, frequencies across]` of `[height, width]` values.
fn spectrum(values: &[f64], across: &Waves, down: &Waves) -> Vec<Complex> {
    let columns = across.frequencies.len();
    let mut sums = vec![Complex::default(); down.frequencies.len() * columns];
    let mut line = vec![Complex::default(); columns];
    for (row, values) in values.chunks_exact(across.length).enumerate() {
        line.fill(Complex::default());
        for (column, &value) in values.iter().enumerate() {
            for (sum, wave) in line.iter_mut().zip(across.at(column)) {
                sum.real += wave.real * value;
                sum.imaginary += wave.imaginary * value;
            }
        }
        for (sums, &wave) in sums.chunks_exact_mut(columns).zip(down.at(row)) {
            sums.iter_mut().zip(&line).for_each(|(sum, &part)| *sum = sum.plus(wave, part));
        }
    }
    sums
}

/// The real values `[height, width]` of which `coefficients` are the low frequencies, the others 0.
///
/// Across, only frequencies from 0 to half are given: those of real values come in conjugate pairs.
fn inverse(coefficients: &[Complex], across: &Waves, down: &Waves) -> Vec<f64> {
    let columns = across.frequencies.len();
    let mut values = Vec::with_capacity(across.length * down.length);
    let scale = 1.0 / (across.length * down.length) as f64;
    let mut line = vec![Complex::default(); columns];
    for row in 0..down.length {
        line.fill(Complex::default());
        for (part, wave) in coefficients.chunks_exact(columns).zip(down.at(row)) {
            let wave = wave.conjugate();
            line.iter_mut().zip(part).for_each(|(sum, &part)| *sum = sum.plus(wave, part));
        }
        for (sum, &frequency) in line.iter_mut().zip(&across.frequencies) {
            // Frequency 0 and half the length are their own partners, the others stand for two.
            let alone = frequency == 0 || 2 * frequency == across.length;
            let times = if alone { scale } else { 2.0 * scale };
            *sum = Complex { real: sum.real * times, imaginary: sum.imaginary * times };
        }
        for column in 0..across.length {
            let waves = line.iter().zip(across.at(column));
            let parts =
                waves.map(|(sum, wave)| sum.real * wave.real + sum.imaginary * wave.imaginary);
            values.push(parts.sum());
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::formula_image;

    /// Both transforms in full by their definition, the window in the middle of the spectrum moved
    /// so that frequency 0 is at `length / 2`, as the paper's own program does it.
    fn naive(image: &Rgb8, example: &Rgb8, reach: f64) -> Vec<f64> {
        let (width, height) = (image.width(), image.height());
        let transform = |values: &[Complex], sign: f64| -> Vec<Complex> {
            let mut all = Vec::new();
            for (v, u) in (0..height).flat_map(|v| (0..width).map(move |u| (v, u))) {
                let mut sum = Complex::default();
                for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let turns = (u * x) as f64 / width as f64 + (v * y) as f64 / height as f64;
                    let (imaginary, real) = (sign * TAU * turns).sin_cos();
                    sum = sum.plus(Complex { real, imaginary }, values[y * width + x]);
                }
                all.push(sum);
            }
            all
        };
        let band = (reach * width.min(height) as f64).floor() as i64;
        let is_low = |frequency: usize, length: usize| {
            let middle = (length / 2) as i64;
            let shifted = (frequency as i64 + middle) % length as i64;
            (middle - band..=middle + band).contains(&shifted)
        };
        let mut result = vec![0.0; 3 * width * height];
        for channel in 0..3 {
            let complex = |image: &Rgb8| -> Vec<Complex> {
                let values = image.bytes().iter().skip(channel).step_by(3);
                values.map(|&byte| Complex { real: f64::from(byte), imaginary: 0.0 }).collect()
            };
            let other = transform(&complex(example), -1.0);
            let mut own = transform(&complex(image), -1.0);
            for (place, own) in own.iter_mut().enumerate() {
                if is_low(place % width, width) && is_low(place / width, height) {
                    *own = own.resized(other[place].amplitude());
                }
            }
            for (place, value) in transform(&own, 1.0).iter().enumerate() {
                result[3 * place + channel] = value.real / (width * height) as f64;
            }
        }
        result
    }

    #[test]
    fn it_equals_the_transforms_by_definition() {
        for (width, height) in [(12, 12), (13, 9), (8, 15), (1, 6), (7, 2)] {
            let image = formula_image(width, height);
            let bytes: Vec<u8> = formula_image(height, width)
                .bytes()
                .iter()
                .rev()
                .map(|&byte| 40 + byte / 2)
                .collect();
            let example = Rgb8::new(width, height, bytes).unwrap();
            for reach in [0.0, 0.1, 0.2, 0.35, 0.5] {
                let styled = fourier(&image, &example, reach);
                let wanted = naive(&image, &example, reach);
                for (ours, theirs) in styled.bytes().iter().zip(&wanted) {
                    let distance = (f64::from(*ours) - theirs.clamp(0.0, 255.0)).abs();
                    assert!(distance < 0.5 + 1e-6, "{width}×{height} {reach}: {ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn a_reach_of_0_takes_over_the_mean_colour() {
        let image = Rgb8::from_grey(4, 4, &[90, 110, 90, 110].repeat(4)).unwrap();
        let example = Rgb8::new(1, 1, vec![50, 100, 200]).unwrap();
        let styled = fourier(&image, &example, 0.0);
        assert_eq!(styled.bytes()[..6], [40, 90, 190, 60, 110, 210]);
    }

    #[test]
    fn a_reach_without_sense_is_cut_to_its_range() {
        let (image, example) = (formula_image(7, 6), formula_image(9, 4));
        let of = |reach| fourier(&image, &example, reach);
        assert_eq!(of(f64::INFINITY), of(0.5));
        assert!(of(-3.0) == of(0.0) && of(f64::NAN) == of(0.0));
    }

    #[test]
    fn a_black_image_is_styled_too() {
        let black = Rgb8::from_grey(6, 6, &[0; 36]).unwrap();
        let styled = fourier(&black, &formula_image(6, 6), 0.2);
        assert!(styled.bytes().iter().any(|&byte| byte > 0));
    }
}
