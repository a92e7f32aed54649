//! Dry to rain.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::shift::canvas::{Canvas, brightness, mixed};
use crate::shift::{graded, within};

/// Gloom, and drops drawn out to streaks by the time of exposure.
///
/// Streaks of one image fall in one direction; each has a place, a length and a brightness of its
/// own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rain {
    /// The share of the image that streaks cover, overlaps counted twice, `0..=1`.
    pub coverage: f64,
    /// The mean length of a streak in shares of the shorter side, `0..=1`.
    pub length: f64,
    /// The largest angle to the vertical, in degrees, `0..=60`.
    pub slant: f64,
    /// How much a streak hides of what is behind, `0..=1`.
    pub opacity: f64,
    /// How grey and flat the scene is, `0..=1`.
    pub gloom: f64,
}

impl Default for Rain {
    fn default() -> Self {
        Self::of_severity(1.0)
    }
}

impl Rain {
    /// From no rain at 0 to a downpour at 1.
    pub fn of_severity(severity: f64) -> Self {
        Self {
            coverage: graded(0.0, 0.18, severity),
            length: 0.2,
            slant: 20.0,
            opacity: 0.6,
            gloom: graded(0.0, 0.45, severity),
        }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        within("coverage", self.coverage, 0.0, 1.0)?;
        within("length", self.length, 0.0, 1.0)?;
        within("slant", self.slant, 0.0, 60.0)?;
        within("opacity", self.opacity, 0.0, 1.0)?;
        within("gloom", self.gloom, 0.0, 1.0)
    }

    /// The image in rain.
    pub fn apply(&self, image: &Rgb8, random: &mut Rng) -> Rgb8 {
        let mut canvas = Canvas::new(image);
        let gloom = self.gloom as f32;
        canvas.map(|_, _, pixel| {
            let grey = 0.2 + 0.5 * brightness(pixel);
            mixed(pixel, [grey * 0.96, grey, grey * 1.04], gloom)
        });
        let slope = random.between(-self.slant, self.slant).to_radians().tan() as f32;
        // At least a pixel wide and long: thinner ones could not be seen.
        let width = (canvas.short_side() / 160.0).max(1.0);
        let length = (self.length as f32 * canvas.short_side()).max(1.0);
        let area = (canvas.width * canvas.height) as f32;
        let streaks = self.coverage as f32 * area / (width * length) + random.uniform();
        // Without coverage none, whatever was drawn for the fraction.
        let streaks = if self.coverage > 0.0 { streaks as usize } else { 0 };
        for _ in 0..streaks {
            self.streak(&mut canvas, slope, width, length, random);
        }
        canvas.image()
    }

    /// Draws one streak, smooth at its sides and faint at its upper end.
    fn streak(&self, canvas: &mut Canvas, slope: f32, width: f32, mean: f32, random: &mut Rng) {
        let length = mean * random.between(0.5, 1.5) as f32;
        let opacity = self.opacity as f32 * random.between(0.4, 1.0) as f32;
        let top = random.uniform() * (canvas.height as f32 + length) - length;
        let middle = random.uniform() * canvas.width as f32;
        // What the slant adds to the width along a row.
        let half = 0.5 * width * (1.0 + slope * slope).sqrt();
        let first = top.max(0.0) as usize;
        let last = ((top + length).ceil().max(0.0) as usize).min(canvas.height);
        for row in first..last {
            let along = (row as f32 + 0.5 - top) / length;
            if !(0.0..=1.0).contains(&along) {
                continue;
            }
            let centre = middle + slope * (along - 0.5) * length;
            let left = (centre - half - 1.0).max(0.0) as usize;
            let right = ((centre + half + 1.0).ceil().max(0.0) as usize).min(canvas.width);
            for column in left..right {
                let distance = (column as f32 + 0.5 - centre).abs();
                let share = (half + 0.5 - distance).clamp(0.0, 1.0) * along.sqrt() * opacity;
                let pixel = &mut canvas.pixels[row * canvas.width + column];
                *pixel = mixed(*pixel, [0.84, 0.88, 0.92], share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of black pixels that a streak touched.
    fn touched(rain: &Rain, side: usize) -> f64 {
        let black = Rgb8::from_grey(side, side, &vec![0; side * side]).unwrap();
        let shifted = rain.apply(&black, &mut tl_random::rng(1, "test", 0, 0));
        let wet = shifted.bytes().chunks(3).filter(|pixel| pixel[0] > 0).count();
        wet as f64 / (side * side) as f64
    }

    #[test]
    fn streaks_cover_about_what_is_asked_for_at_any_size() {
        for side in [28, 100, 400] {
            let rain = Rain { gloom: 0.0, coverage: 0.1, ..Rain::default() };
            let share = touched(&rain, side);
            // Soft sides touch more pixels than the width says, ends outside the image touch fewer.
            assert!((0.04..0.25).contains(&share), "{side}: {share}");
        }
    }

    #[test]
    fn streaks_are_longer_than_wide() {
        let rain = Rain { gloom: 0.0, coverage: 0.03, slant: 0.0, ..Rain::default() };
        let black = Rgb8::from_grey(100, 100, &[0; 10_000]).unwrap();
        let shifted = rain.apply(&black, &mut tl_random::rng(1, "test", 0, 0));
        let wet = |column: usize, row: usize| shifted.bytes()[(row * 100 + column) * 3] > 20;
        let (mut below, mut beside) = (0, 0);
        for row in 0..99 {
            for column in 0..99 {
                below += usize::from(wet(column, row) && wet(column, row + 1));
                beside += usize::from(wet(column, row) && wet(column + 1, row));
            }
        }
        assert!(below > beside, "{below} {beside}");
    }
}
