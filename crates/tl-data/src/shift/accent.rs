//! Other accents of colour and contrast.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::shift::canvas::{Canvas, brightness, mixed, pure_colour};
use crate::shift::{graded, within};

/// Another camera's or another painter's colours: contrast and saturation changed, the shadows
/// tinted in one colour and the lights in another.
///
/// All of it is drawn anew for each image. Grey images become coloured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accent {
    /// How much the colours of shadows and lights are tinted, `0..=1`.
    pub tint: f64,
    /// Saturation is multiplied by up to 1 ± this, `0..=1`.
    pub saturation: f64,
    /// Contrast around the image's mean is multiplied by up to 1 ± this, `0..=1`.
    pub contrast: f64,
}

impl Default for Accent {
    fn default() -> Self {
        Self::of_severity(1.0)
    }
}

impl Accent {
    /// From the image's own colours at 0 to foreign ones at 1.
    pub fn of_severity(severity: f64) -> Self {
        let of = |full| graded(0.0, full, severity);
        Self { tint: of(0.6), saturation: of(0.8), contrast: of(0.4) }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        within("tint", self.tint, 0.0, 1.0)?;
        within("saturation", self.saturation, 0.0, 1.0)?;
        within("contrast", self.contrast, 0.0, 1.0)
    }

    /// The image in other colours.
    pub fn apply(&self, image: &Rgb8, random: &mut Rng) -> Rgb8 {
        let mut canvas = Canvas::new(image);
        let mut around_one = |range: f64| random.between(1.0 - range, 1.0 + range) as f32;
        let (saturation, contrast) = (around_one(self.saturation), around_one(self.contrast));
        // The lights' hue lies across the circle from the shadows', give or take a sixth.
        let hue = random.uniform_f64();
        let shadows = pure_colour(hue);
        let lights = pure_colour((hue + 0.5 + random.between(-1.0, 1.0) / 6.0) % 1.0);
        let tint = self.tint as f32;
        let sum: f64 = canvas.pixels.iter().map(|&pixel| f64::from(brightness(pixel))).sum();
        let mean = (sum / canvas.pixels.len() as f64) as f32;
        canvas.map(|_, _, pixel| {
            let pixel = pixel.map(|value| mean + contrast * (value - mean));
            let grey = brightness(pixel);
            let pixel = mixed([grey; 3], pixel, saturation);
            let bright = grey.clamp(0.0, 1.0);
            // Shadows gain their colour, lights lose all but theirs: black and white stay apart.
            std::array::from_fn(|channel| {
                let gained = 0.5 * tint * (1.0 - bright) * shadows[channel];
                let lost = 0.7 * tint * bright * (1.0 - lights[channel]) * pixel[channel];
                pixel[channel] + gained - lost
            })
        });
        canvas.image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grey_image_becomes_coloured_and_another_image_otherwise() {
        let grey: Vec<u8> = (0..=255).collect();
        let image = Rgb8::from_grey(16, 16, &grey).unwrap();
        let shifted =
            |index| Accent::default().apply(&image, &mut tl_random::rng(1, "test", 0, index));
        let coloured = |image: &Rgb8| {
            let spread = |pixel: &[u8]| pixel.iter().max().unwrap() - pixel.iter().min().unwrap();
            image.bytes().chunks(3).filter(|pixel| spread(pixel) > 30).count()
        };
        assert!(coloured(&shifted(0)) > 128);
        assert_ne!(shifted(0), shifted(1));
    }

    #[test]
    fn contrast_is_changed_around_the_mean() {
        let image = Rgb8::from_grey(2, 1, &[100, 140]).unwrap();
        let accent = Accent { tint: 0.0, saturation: 0.0, contrast: 0.5 };
        for index in 0..20 {
            let shifted = accent.apply(&image, &mut tl_random::rng(1, "test", 0, index));
            let (dark, bright) = (shifted.bytes()[0], shifted.bytes()[3]);
            assert!(dark.abs_diff(240 - bright) <= 1, "{dark} {bright}");
            assert!((20..=60).contains(&(bright - dark)));
        }
    }
}
