//! Random changes to training images.

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::{Colour, DataError, Erasing, RandAugment};

/// What is drawn anew for each image in each epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augment {
    /// A random part of the image, resized to the crop; without it resize and centre crop stay.
    pub random_resized_crop: Option<CropRange>,
    /// The probability of mirroring left and right, `0..=1`.
    pub flip: f64,
    /// A few changes of shape and colour drawn from a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugment>,
    /// What happens to the colours; nothing where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<Colour>,
    /// A rectangle that is erased after the normalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasing: Option<Erasing>,
}

/// How much of an image a random crop shows (Szegedy et al. 2015, "Going deeper with convolutions",
/// section 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropRange {
    /// The least and largest share of the area, `0..=1`.
    pub scale: [f64; 2],
    /// The least and largest width ÷ height before resizing.
    pub ratio: [f64; 2],
}

impl Default for CropRange {
    /// 8 % to 100 % of the area, 3∶4 to 4∶3.
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl Augment {
    /// No change.
    pub fn none() -> Self {
        Self::default()
    }

    /// A random part of the image, mirrored half the time.
    pub fn cropped(range: CropRange) -> Self {
        Self { random_resized_crop: Some(range), flip: 0.5, ..Self::none() }
    }

    /// The same, its colours changed.
    pub fn coloured(self, colour: Colour) -> Self {
        Self { colour: Some(colour), ..self }
    }

    /// The views of photos that SimCLR compares, of `size` pixels (Chen et al. 2020, appendix A): 8 % or
    /// more of the image, colours of strength 1, a blur in every second.
    pub fn contrastive(size: usize) -> Self {
        let colour = Colour::simclr(1.0).blurred(size, 0.5);
        Self::cropped(CropRange::default()).coloured(colour)
    }

    /// The two views that BYOL, Barlow Twins and VICReg compare, of `size` pixels (Grill et al. 2020,
    /// appendix B): the first always blurred, the second seldom, but sometimes solarised.
    pub fn two_sided(size: usize) -> [Self; 2] {
        let (first, second) =
            (Colour::byol().blurred(size, 1.0), Colour::byol().blurred(size, 0.1));
        [first, second.solarised(0.2)]
            .map(|colour| Self::cropped(CropRange::default()).coloured(colour))
    }

    /// Whether every number makes sense.
    ///
    /// # Errors
    /// A probability outside `0..=1`; a range that is reversed, not positive or not finite; a scale
    /// above 1; an even kernel; a jitter below 0; a magnitude above 30.
    pub fn validate(&self) -> Result<(), DataError> {
        let wrong = |problem: String| Err(DataError::Augment(problem));
        if !(0.0..=1.0).contains(&self.flip) {
            return wrong(format!("the probability of a flip is {}: use 0 to 1", self.flip));
        }
        self.rand_augment.as_ref().map_or(Ok(()), RandAugment::validate)?;
        self.colour.as_ref().map_or(Ok(()), Colour::validate)?;
        self.erasing.as_ref().map_or(Ok(()), Erasing::validate)?;
        let Some(CropRange { scale, ratio }) = self.random_resized_crop else {
            return Ok(());
        };
        let ordered = |[low, high]: [f64; 2]| low > 0.0 && low <= high && high.is_finite();
        if !ordered(scale) || scale[1] > 1.0 {
            return wrong(format!(
                "the scale {scale:?} must be two shares above 0 and up to 1, the smaller first"
            ));
        }
        if !ordered(ratio) {
            return wrong(format!(
                "the ratio {ratio:?} must be two positive numbers, the smaller first"
            ));
        }
        Ok(())
    }
}

/// A rectangle of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub left: usize,
    pub top: usize,
    pub width: usize,
    pub height: usize,
}

impl CropRange {
    /// A random part of an image: ten tries at an area and a ratio that fit, then the largest
    /// middle part of an allowed ratio, as in torchvision's `RandomResizedCrop`.
    pub(crate) fn draw(&self, width: usize, height: usize, random: &mut Rng) -> Cut {
        let area = (width * height) as f64;
        let [low, high] = self.ratio.map(f64::ln);
        for _ in 0..10 {
            let target = area * random.between(self.scale[0], self.scale[1]);
            let ratio = random.between(low, high).exp();
            let cut_width = (target * ratio).sqrt().round_ties_even() as usize;
            let cut_height = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&cut_width) && (1..=height).contains(&cut_height) {
                let top = random.below(height - cut_height + 1);
                let left = random.below(width - cut_width + 1);
                return Cut { left, top, width: cut_width, height: cut_height };
            }
        }
        let ratio = width as f64 / height as f64;
        let (cut_width, cut_height) = if ratio < self.ratio[0] {
            (width, (width as f64 / self.ratio[0]).round_ties_even() as usize)
        } else if ratio > self.ratio[1] {
            ((height as f64 * self.ratio[1]).round_ties_even() as usize, height)
        } else {
            (width, height)
        };
        let (cut_width, cut_height) = (cut_width.clamp(1, width), cut_height.clamp(1, height));
        Cut {
            left: (width - cut_width) / 2,
            top: (height - cut_height) / 2,
            width: cut_width,
            height: cut_height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_keeps_to_its_ranges_and_inside_the_image() {
        let range = CropRange { scale: [0.2, 0.6], ratio: [0.5, 2.0] };
        let (width, height) = (200, 160);
        let mut corners = std::collections::HashSet::new();
        for index in 0..500 {
            let cut = range.draw(width, height, &mut tl_random::rng(1, "test", 0, index));
            assert!(cut.left + cut.width <= width && cut.top + cut.height <= height, "{cut:?}");
            let share = (cut.width * cut.height) as f64 / (width * height) as f64;
            let ratio = cut.width as f64 / cut.height as f64;
            // Rounding to whole pixels moves both by about one in a hundred.
            assert!((0.19..0.61).contains(&share), "{cut:?}");
            assert!((0.49..2.05).contains(&ratio), "{cut:?}");
            corners.insert((cut.left, cut.top));
        }
        assert!(corners.len() > 300);
    }

    #[test]
    fn where_nothing_fits_the_middle_is_taken() {
        let range = CropRange { scale: [0.9, 1.0], ratio: [0.75, 4.0 / 3.0] };
        let mut random = tl_random::rng(1, "test", 0, 0);
        let wide = range.draw(100, 6, &mut random);
        assert_eq!(wide, Cut { left: 46, top: 0, width: 8, height: 6 });
        let tall = range.draw(6, 100, &mut random);
        assert_eq!(tall, Cut { left: 0, top: 46, width: 6, height: 8 });
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let crop = |scale, ratio| Augment {
            random_resized_crop: Some(CropRange { scale, ratio }),
            ..Augment::none()
        };
        assert!(crop([0.08, 1.0], [0.75, 1.5]).validate().is_ok());
        let bad = [
            crop([0.0, 1.0], [0.75, 1.5]),
            crop([0.5, 0.4], [0.75, 1.5]),
            crop([0.5, 1.1], [0.75, 1.5]),
            crop([0.5, f64::NAN], [0.75, 1.5]),
            crop([0.5, 1.0], [-1.0, 1.5]),
            crop([0.5, 1.0], [1.0, f64::INFINITY]),
            Augment { flip: 1.5, ..Augment::none() },
            Augment { flip: f64::NAN, ..Augment::none() },
            Augment::none().coloured(Colour::default().solarised(2.0)),
        ];
        for augment in bad {
            assert!(augment.validate().is_err(), "{augment:?}");
        }
    }

    #[test]
    fn the_papers_views_make_sense_and_come_back_from_json() {
        let [first, second] = Augment::two_sided(64);
        for augment in [Augment::contrastive(224), first, second] {
            assert!(augment.validate().is_ok(), "{augment:?}");
            let json = serde_json::to_string(&augment).unwrap();
            assert_eq!(serde_json::from_str::<Augment>(&json).unwrap(), augment);
        }
    }

    #[test]
    fn what_was_written_before_there_were_colours_is_read_and_still_written_so() {
        let text = r#"{"random_resized_crop":null,"flip":0.5}"#;
        let augment: Augment = serde_json::from_str(text).unwrap();
        assert_eq!(augment, Augment { flip: 0.5, ..Augment::none() });
        assert_eq!(serde_json::to_string(&augment).unwrap(), text);
    }
}
