//! Digits blended into photos, as MNIST-M is made.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tl_random::Rng;

use crate::Rgb8;
use crate::resize::{Interpolation, Window, resize};
use crate::shift::within;

/// The absolute difference of image and photo, channel by channel: `|image − strength · patch|`
/// (Ganin, Lempitsky: "Unsupervised Domain Adaptation by Backpropagation", ICML 2015, section 4.1,
/// where the strength is 1 and the photos are those of BSDS500).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blend {
    /// How strong the photo is, `0..=1`.
    pub strength: f64,
    /// The folder of photos; empty where they are given in memory.
    pub photos: PathBuf,
}

impl Blend {
    pub(super) fn validate(&self) -> Result<(), String> {
        within("strength", self.strength, 0.0, 1.0)
    }

    /// The image blended with a random part, of the image's size, of a random one of `photos`.
    ///
    /// A photo that is smaller than the image is enlarged until it covers it. Without a photo the
    /// image stays as it is.
    pub fn apply(&self, image: &Rgb8, photos: &[Rgb8], random: &mut Rng) -> Rgb8 {
        let Some(photo) = photos.get(random.below(photos.len())) else {
            return image.clone();
        };
        let patch = patch(photo, image.width(), image.height(), random);
        let strength = self.strength as f32;
        let blended = image.bytes().iter().zip(patch.bytes()).map(|(&one, &other)| {
            (f32::from(one) - strength * f32::from(other)).abs().round() as u8
        });
        Rgb8::from_parts(image.width(), image.height(), blended.collect())
    }
}

/// A random part of `photo`, `width × height` pixels.
fn patch(photo: &Rgb8, width: usize, height: usize, random: &mut Rng) -> Rgb8 {
    // The least enlargement that covers both sides, none if the photo covers them already.
    let scale =
        f64::max(width as f64 / photo.width() as f64, height as f64 / photo.height() as f64)
            .max(1.0);
    let enlarged = |side: usize, least: usize| ((side as f64 * scale).round() as usize).max(least);
    let (across, down) = (enlarged(photo.width(), width), enlarged(photo.height(), height));
    let left = random.below(across - width + 1);
    let top = random.below(down - height + 1);
    resize(photo, across, down, Window { left, top, width, height }, Interpolation::Bilinear)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::formula_image;

    fn blend(strength: f64) -> Blend {
        Blend { strength, photos: PathBuf::new() }
    }

    #[test]
    fn a_blend_is_the_absolute_difference_with_some_part_of_the_photo() {
        let (digit, photo) = (formula_image(5, 4), formula_image(9, 7));
        let mut seen = std::collections::HashSet::new();
        for index in 0..60 {
            let mut random = tl_random::rng(1, "test", 0, index);
            let blended = blend(1.0).apply(&digit, std::slice::from_ref(&photo), &mut random);
            let places = (0..5).flat_map(|left| (0..4).map(move |top| (left, top)));
            let place = places.into_iter().find(|&(left, top)| {
                let part = photo.cut(left, top, 5, 4);
                let pairs = digit.bytes().iter().zip(part.bytes());
                let wanted: Vec<u8> = pairs.map(|(&one, &other)| one.abs_diff(other)).collect();
                blended.bytes() == wanted
            });
            seen.insert(place.unwrap());
        }
        assert!(seen.len() > 12, "{seen:?}");
    }

    #[test]
    fn a_small_photo_is_enlarged_until_it_covers_the_image() {
        let photo = Rgb8::new(1, 1, vec![10, 20, 30]).unwrap();
        let black = Rgb8::from_grey(7, 3, &[0; 21]).unwrap();
        let mut random = tl_random::rng(1, "test", 0, 0);
        let blended = blend(0.5).apply(&black, &[photo], &mut random);
        assert_eq!((blended.width(), blended.height()), (7, 3));
        assert_eq!(blended.bytes()[..6], [5, 10, 15, 5, 10, 15]);
    }

    #[test]
    fn every_photo_has_its_turn() {
        let photos = [10, 20, 30].map(|value| Rgb8::from_grey(2, 2, &[value; 4]).unwrap());
        let black = Rgb8::from_grey(1, 1, &[0]).unwrap();
        let mut seen: Vec<u8> = (0..40)
            .map(|index| {
                let mut random = tl_random::rng(1, "test", 0, index);
                blend(1.0).apply(&black, &photos, &mut random).bytes()[0]
            })
            .collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [10, 20, 30]);
    }
}
