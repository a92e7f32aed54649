//! A random rectangle that a training image lacks (Zhong et al. 2020, "Random erasing data augmentation").

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::{Cut, DataError};

/// A rectangle that becomes 0 after the normalisation, the mean colour; as torchvision's `RandomErasing` draws it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Erasing {
    pub probability: f64,
    /// The least and largest share of the area, `0..=1`.
    pub scale: [f64; 2],
    /// The least and largest height ÷ width.
    pub ratio: [f64; 2],
}

impl Default for Erasing {
    /// Every second image loses 2 % to 33 % of its area, 3∶10 to 33∶10.
    fn default() -> Self {
        Self { probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] }
    }
}

impl Erasing {
    /// What makes no sense about the numbers, if anything.
    pub(crate) fn validate(&self) -> Result<(), DataError> {
        let ordered = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        let problem = if !(0.0..=1.0).contains(&self.probability) {
            format!("the probability of erasing is {}: use 0 to 1", self.probability)
        } else if !ordered(self.scale) || self.scale[1] > 1.0 {
            let scale = self.scale;
            format!(
                "erasing's scale {scale:?} must be two shares above 0 and up to 1, the smaller first"
            )
        } else if !ordered(self.ratio) {
            let ratio = self.ratio;
            format!("erasing's ratio {ratio:?} must be two positive numbers, the smaller first")
        } else {
            return Ok(());
        };
        Err(DataError::Augment(problem))
    }

    /// Changes `pixels`, `[3, side, side]`, normalised; draws from `random`.
    pub(crate) fn apply(&self, pixels: &mut [f32], side: usize, random: &mut Rng) {
        if random.uniform_f64() >= self.probability {
            return;
        }
        let Some(Cut { left, top, width, height }) = self.draw(side, random) else { return };
        for plane in pixels.chunks_exact_mut((side * side).max(1)) {
            for row in plane.chunks_exact_mut(side).skip(top).take(height) {
                row[left..left + width].fill(0.0);
            }
        }
    }

    /// Ten tries at an area and a ratio that fit.
    fn draw(&self, side: usize, random: &mut Rng) -> Option<Cut> {
        let area = (side * side) as f64;
        let [low, high] = self.ratio.map(f64::ln);
        for _ in 0..10 {
            let erased = area * random.between(self.scale[0], self.scale[1]);
            let ratio = random.between(low, high).exp();
            let height = (erased * ratio).sqrt().round_ties_even() as usize;
            let width = (erased / ratio).sqrt().round_ties_even() as usize;
            if height < side && width < side {
                let top = random.below(side - height + 1);
                let left = random.below(side - width + 1);
                return Some(Cut { left, top, width, height });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rectangle_is_erased_as_often_and_as_large_as_was_asked_for() {
        let erasing = Erasing { probability: 0.4, scale: [0.1, 0.2], ratio: [0.5, 2.0] };
        let side = 40;
        let mut erased = 0;
        for index in 0..1000 {
            let mut pixels = vec![1.0; 3 * side * side];
            erasing.apply(&mut pixels, side, &mut tl_random::rng(3, "test", 0, index));
            let gone: Vec<usize> = (0..side * side).filter(|at| pixels[*at] == 0.0).collect();
            for plane in pixels.chunks(side * side) {
                assert_eq!(plane, &pixels[..side * side]);
            }
            if gone.is_empty() {
                continue;
            }
            erased += 1;
            let range = |places: &mut dyn Iterator<Item = usize>| {
                let places: Vec<usize> = places.collect();
                places.iter().max().unwrap() - places.iter().min().unwrap() + 1
            };
            let width = range(&mut gone.iter().map(|at| at % side));
            let height = range(&mut gone.iter().map(|at| at / side));
            assert_eq!(width * height, gone.len());
            // Rounding to whole pixels moves both a little.
            let (share, ratio) = (gone.len() as f64 / 1600.0, height as f64 / width as f64);
            assert!((0.09..0.21).contains(&share), "{share}");
            assert!((0.45..2.2).contains(&ratio), "{ratio}");
        }
        // The standard deviation is 15.
        assert!((340..460).contains(&erased), "{erased}");
    }

    #[test]
    fn senseless_numbers_are_refused() {
        assert!(Erasing::default().validate().is_ok());
        let bad = [
            Erasing { probability: 1.1, ..Erasing::default() },
            Erasing { probability: f64::NAN, ..Erasing::default() },
            Erasing { scale: [0.0, 0.3], ..Erasing::default() },
            Erasing { scale: [0.2, 1.3], ..Erasing::default() },
            Erasing { ratio: [2.0, 1.0], ..Erasing::default() },
        ];
        for erasing in bad {
            assert!(erasing.validate().is_err(), "{erasing:?}");
        }
    }
}
