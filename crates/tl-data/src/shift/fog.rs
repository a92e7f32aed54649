//! Clear air to fog.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::shift::canvas::{Canvas, mixed};
use crate::shift::cloud::Cloud;
use crate::shift::{graded, within};

/// Light scattered into the view: `v · t + airlight · (1 − t)` with the transmission
/// `t = exp(−density · depth)` (Koschmieder's law; Narasimhan, Nayar: "Vision and the Atmosphere",
/// IJCV 2002).
///
/// The depth is not known from an image: it is taken to rise from 0.4 at the lower edge to 1 at the
/// upper, uneven by drifting banks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fog {
    /// Optical thickness at depth 1, `0..=10`; varies by a quarter from image to image.
    pub density: f64,
    /// How uneven the fog is, `0..=1`.
    pub banks: f64,
    /// The colour of the fog, red, green and blue in `0..=1`.
    pub airlight: [f64; 3],
}

impl Default for Fog {
    fn default() -> Self {
        Self::of_severity(1.0)
    }
}

impl Fog {
    /// From clear air at 0 to dense fog at 1.
    pub fn of_severity(severity: f64) -> Self {
        Self { density: graded(0.0, 2.2, severity), banks: 0.6, airlight: [0.82, 0.84, 0.87] }
    }

    pub(super) fn validate(&self) -> Result<(), String> {
        within("density", self.density, 0.0, 10.0)?;
        within("banks", self.banks, 0.0, 1.0)?;
        self.airlight.iter().try_for_each(|&part| within("airlight", part, 0.0, 1.0))
    }

    /// The image in fog.
    pub fn apply(&self, image: &Rgb8, random: &mut Rng) -> Rgb8 {
        let mut canvas = Canvas::new(image);
        let density = (self.density * random.between(0.75, 1.25)) as f32;
        let banks = self.banks as f32;
        let airlight = self.airlight.map(|part| part as f32);
        let cloud = Cloud::draw(canvas.width, canvas.height, 2, 3, random);
        let height = canvas.height as f32;
        canvas.map(|column, row, pixel| {
            let depth = 1.0 - 0.6 * (row as f32 + 0.5) / height;
            let uneven = 1.0 + banks * (2.0 * cloud.at(column, row) - 1.0);
            mixed(airlight, pixel, (-density * depth * uneven).exp())
        });
        canvas.image()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_part_is_nearer_to_the_airlight() {
        let black = Rgb8::from_grey(50, 50, &[0; 2500]).unwrap();
        let fog = Fog { banks: 0.0, ..Fog::default() };
        let shifted = fog.apply(&black, &mut tl_random::rng(1, "test", 0, 0));
        let row = |row: usize| shifted.bytes()[row * 150];
        assert!(row(0) > row(25) && row(25) > row(49));
        // Between exp(−1.25 · 2.2 · 0.4) and exp(−0.75 · 2.2 · 0.4) of the way at the lower edge.
        let share = 1.0 - f64::from(row(49)) / 255.0 / 0.82;
        assert!((0.32..0.54).contains(&share), "{share}");
    }

    #[test]
    fn contrast_shrinks() {
        let grey: Vec<u8> = (0..900).map(|index| if index % 2 == 0 { 0 } else { 255 }).collect();
        let image = Rgb8::from_grey(30, 30, &grey).unwrap();
        let shifted = Fog::default().apply(&image, &mut tl_random::rng(1, "test", 0, 0));
        let step =
            |pixel: usize| shifted.bytes()[pixel * 3].abs_diff(shifted.bytes()[pixel * 3 + 3]);
        assert!((0..899).filter(|pixel| pixel % 30 != 29).all(|pixel| step(pixel) < 200));
    }
}
