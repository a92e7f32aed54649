//! One medical scanner to another.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::shift::canvas::Canvas;
use crate::shift::cloud::Cloud;
use crate::shift::{graded, within};

/// Blur of the optics or the reconstruction, another intensity curve, uneven sensitivity, and the
/// noise of magnitude images.
///
/// Blurred, each value `v` of `0..=1` becomes `low + (high − low) · v^gamma`, times a field that
/// falls smoothly by up to `shading`; then `√((v + a)² + b²)` with normal `a`, `b` (Rice's
/// distribution; Gudbjartsson, Patz 1995). Noise and field are equal in the three channels, so that
/// grey images stay grey. Curve and blur are the scanner's: the same for all images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scanner {
    /// The standard deviation of the blur in shares of the shorter side, `0..=0.1`.
    pub blur: f64,
    /// The bend of the intensity curve, `0.2..=5`; below 1 the middle becomes brighter.
    pub gamma: f64,
    /// What black and white become, `0..=1` each.
    pub range: [f64; 2],
    /// How much sensitivity is lost where it is least, `0..=1`.
    pub shading: f64,
    /// The standard deviation of the noise, `0..=1`.
    pub noise: f64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self::of_severity(1.0)
    }
}

impl Scanner {
    /// From the same scanner at 0 to a very different one at 1.
    pub fn of_severity(severity: f64) -> Self {
        let of = |none, full| graded(none, full, severity);
        Self {
            blur: of(0.0, 0.015),
            gamma: of(1.0, 0.6),
            range: [of(0.0, 0.08), of(1.0, 0.85)],
            shading: of(0.0, 0.5),
            noise: of(0.0, 0.05),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        within("blur", self.blur, 0.0, 0.1)?;
        within("gamma", self.gamma, 0.2, 5.0)?;
        self.range.iter().try_for_each(|&end| within("range", end, 0.0, 1.0))?;
        within("shading", self.shading, 0.0, 1.0)?;
        within("noise", self.noise, 0.0, 1.0)
    }

    /// The image as the other scanner shows it.
    pub fn apply(&self, image: &Rgb8, random: &mut Rng) -> Rgb8 {
        let mut canvas = Canvas::new(image);
        canvas.blur(self.blur as f32 * canvas.short_side());
        let [low, high] = self.range.map(|end| end as f32);
        let (gamma, shading, noise) = (self.gamma as f32, self.shading as f32, self.noise);
        let field = Cloud::draw(canvas.width, canvas.height, 1, 1, random);
        canvas.map(|column, row, pixel| {
            let sensitivity = 1.0 - shading * field.at(column, row);
            let [real, imaginary] = [(); 2].map(|()| (noise * random.normal()) as f32);
            pixel.map(|value| {
                let signal = sensitivity * (low + (high - low) * value.powf(gamma)) + real;
                (signal * signal + imaginary * imaginary).sqrt()
            })
        });
        canvas.image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_images_stay_grey() {
        let grey: Vec<u8> = (0..=255).collect();
        let image = Rgb8::from_grey(16, 16, &grey).unwrap();
        let shifted = Scanner::default().apply(&image, &mut tl_random::rng(1, "test", 0, 0));
        assert_ne!(shifted, image);
        assert!(
            shifted.bytes().chunks(3).all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
        );
    }

    #[test]
    fn the_noise_of_black_follows_rayleigh() {
        let black = Rgb8::from_grey(100, 100, &[0; 10_000]).unwrap();
        let scanner = Scanner { noise: 0.1, ..Scanner::of_severity(0.0) };
        let shifted = scanner.apply(&black, &mut tl_random::rng(1, "test", 0, 0));
        let sum: f64 = shifted.bytes().iter().step_by(3).map(|&byte| f64::from(byte)).sum();
        // The mean of Rice's distribution without a signal is σ √(π / 2): 31.96; its standard error
        // here is 0.17.
        assert!((sum / 10_000.0 - 31.96).abs() < 0.8, "{}", sum / 10_000.0);
    }

    #[test]
    fn without_noise_and_shading_the_curve_remains() {
        let image = Rgb8::from_grey(3, 1, &[0, 64, 255]).unwrap();
        let scanner = Scanner { gamma: 0.5, range: [0.2, 0.6], ..Scanner::of_severity(0.0) };
        let shifted = scanner.apply(&image, &mut tl_random::rng(1, "test", 0, 0));
        // 51 + 102 · √(64 / 255) = 102.1
        assert_eq!(shifted.bytes().iter().step_by(3).copied().collect::<Vec<_>>(), [51, 102, 153]);
    }
}
