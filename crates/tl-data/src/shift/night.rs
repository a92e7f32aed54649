//! Day to night.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::shift::canvas::Canvas;
use crate::shift::{graded, within};

/// Little light of another colour, the noise of a sensor that amplifies it, and lamps that glare.
///
/// Each value `v` of `0..=1` becomes `cast · exposure · v^gamma`; the light of lamps is added, then
/// noise whose variance grows with the light. The exposure varies from image to image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Night {
    /// The share of the light that is left, above 0 up to 1.
    pub exposure: f64,
    /// Above 1 darkens the middle more than the bright parts; `0.2..=5`.
    pub gamma: f64,
    /// What red, green and blue are multiplied by, `0..=2` each.
    pub cast: [f64; 3],
    /// The standard deviation of the noise on a bright pixel, `0..=1`.
    pub noise: f64,
    /// The brightness of the lamps, `0..=1`.
    pub glare: f64,
}

impl Default for Night {
    fn default() -> Self {
        Self::of_severity(1.0)
    }
}

/// A lamp: its place and radius in pixels and its light.
struct Lamp {
    column: f32,
    row: f32,
    radius: f32,
    light: [f32; 3],
}

impl Lamp {
    fn draw(canvas: &Canvas, glare: f64, random: &mut Rng) -> Self {
        let column = random.uniform() * canvas.width as f32;
        let row = random.uniform() * canvas.height as f32;
        let radius = canvas.short_side() * random.between(0.03, 0.08) as f32;
        // From the orange of sodium to a cold white.
        let cold = random.uniform();
        let strength = (glare * random.between(0.7, 1.3)) as f32;
        let light = [1.0, 0.72 + 0.25 * cold, 0.35 + 0.65 * cold].map(|part| part * strength);
        Self { column, row, radius, light }
    }

    /// A bright core and a wide halo.
    fn share(&self, column: usize, row: usize) -> f32 {
        let (across, down) = (column as f32 + 0.5 - self.column, row as f32 + 0.5 - self.row);
        let squared = (across * across + down * down) / (self.radius * self.radius);
        (-0.5 * squared).exp() + 0.3 / (1.0 + 0.25 * squared)
    }
}

impl Night {
    /// From the day at 0 to a dark night at 1.
    pub fn of_severity(severity: f64) -> Self {
        let of = |none, full| graded(none, full, severity);
        Self {
            exposure: of(1.0, 0.45),
            gamma: of(1.0, 1.5),
            cast: [of(1.0, 0.75), of(1.0, 0.85), of(1.0, 1.2)],
            noise: of(0.0, 0.1),
            glare: of(0.0, 0.8),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        within("exposure", self.exposure, 0.01, 1.0)?;
        within("gamma", self.gamma, 0.2, 5.0)?;
        self.cast.iter().try_for_each(|&part| within("cast", part, 0.0, 2.0))?;
        within("noise", self.noise, 0.0, 1.0)?;
        within("glare", self.glare, 0.0, 1.0)
    }

    /// The image by night.
    pub fn apply(&self, image: &Rgb8, random: &mut Rng) -> Rgb8 {
        let mut canvas = Canvas::new(image);
        let exposure = self.exposure.powf(random.between(0.7, 1.3));
        let gain = self.cast.map(|part| (part * exposure) as f32);
        let lamps = if self.glare > 0.0 { 1 + random.below(3) } else { 0 };
        let lamps: Vec<Lamp> =
            (0..lamps).map(|_| Lamp::draw(&canvas, self.glare, random)).collect();
        let (gamma, noise) = (self.gamma as f32, self.noise as f32);
        canvas.map(|column, row, pixel| {
            let shares: Vec<f32> = lamps.iter().map(|lamp| lamp.share(column, row)).collect();
            std::array::from_fn(|channel| {
                let glow =
                    lamps.iter().zip(&shares).map(|(lamp, share)| lamp.light[channel] * share);
                let light = gain[channel] * pixel[channel].powf(gamma) + glow.sum::<f32>();
                // A part that does not depend on light (reading out) and one that does (photons).
                let deviation = noise * (0.15 + 0.85 * light).sqrt();
                light + deviation * random.normal() as f32
            })
        });
        canvas.image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_noise_and_glare_each_value_follows_the_formula() {
        let night =
            Night { exposure: 1.0, gamma: 2.0, cast: [0.5, 1.0, 2.0], noise: 0.0, glare: 0.0 };
        let image = Rgb8::new(2, 1, vec![255, 128, 128, 0, 51, 255]).unwrap();
        let shifted = night.apply(&image, &mut tl_random::rng(1, "test", 0, 0));
        // 128² / 255 = 64.25, twice that 128.5 + …; 51² / 255 = 10.2; what exceeds 255 is cut.
        assert_eq!(shifted.bytes(), [128, 64, 129, 0, 10, 255]);
    }

    #[test]
    fn night_is_darker_than_day_and_noisy() {
        let day = Rgb8::from_grey(40, 40, &[180; 1600]).unwrap();
        let night = Night { glare: 0.0, ..Night::default() };
        let shifted = night.apply(&day, &mut tl_random::rng(1, "test", 0, 0));
        let red: Vec<f64> =
            shifted.bytes().iter().step_by(3).map(|&byte| f64::from(byte)).collect();
        let mean = red.iter().sum::<f64>() / red.len() as f64;
        let variance = red.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 1600.0;
        assert!(mean < 90.0, "{mean}");
        // 0.1 · √(0.15 + 0.85 · mean ÷ 255) · 255, the part cut at 0 aside.
        let wanted = 255.0 * 0.1 * (0.15 + 0.85 * mean / 255.0).sqrt();
        assert!((variance.sqrt() / wanted - 1.0).abs() < 0.1, "{} {wanted}", variance.sqrt());
    }

    #[test]
    fn a_lamp_shines_in_the_dark() {
        let black = Rgb8::from_grey(60, 60, &[0; 3600]).unwrap();
        let night = Night { noise: 0.0, ..Night::default() };
        let shifted = night.apply(&black, &mut tl_random::rng(1, "test", 0, 0));
        assert!(shifted.bytes().iter().max() > Some(&120));
    }
}
