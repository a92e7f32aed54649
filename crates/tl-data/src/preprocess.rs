//! From an image to the numbers a network expects.

use serde::{Deserialize, Serialize};

use crate::resize::{Window, resize};
use crate::{Augment, DataError, Interpolation, Rgb8};

/// Resize, centre crop, normalisation: what torchvision's weights were evaluated with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// The length of the shorter side after resizing, in pixels; the longer keeps the proportion.
    pub resize: usize,
    /// The side of the square cut out of the middle, in pixels; black is added where the image is smaller.
    pub crop: usize,
    /// Subtracted from each channel's value in `0..=1`.
    pub mean: [f32; 3],
    /// What each channel is divided by afterwards.
    pub std: [f32; 3],
    pub interpolation: Interpolation,
}

/// The longest side that is accepted, in pixels.
const MAX_SIDE: usize = 1 << 14;

impl Preprocess {
    /// Resizes to `resize`, cuts out `crop`, and normalises by the mean and deviation of ImageNet.
    pub fn imagenet(resize: usize, crop: usize) -> Self {
        Self {
            resize,
            crop,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            interpolation: Interpolation::Bilinear,
        }
    }

    /// Whether every number makes sense.
    ///
    /// # Errors
    /// A side of 0 or over 16,384 pixels, a mean or deviation that is not finite, a deviation that is not positive.
    pub fn validate(&self) -> Result<(), DataError> {
        let wrong = |problem: String| Err(DataError::Preprocess(problem));
        for (name, side) in [("resize", self.resize), ("crop", self.crop)] {
            if !(1..=MAX_SIDE).contains(&side) {
                return wrong(format!("{name} is {side}: use 1 to {MAX_SIDE} pixels"));
            }
        }
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return wrong(format!("the mean {:?} must be finite", self.mean));
        }
        if self.std.iter().any(|std| !(std.is_finite() && *std > 0.0)) {
            return wrong(format!(
                "the deviation {:?} must be finite and above 0",
                self.std
            ));
        }
        Ok(())
    }

    /// The image as the network expects it, `[3, crop, crop]`, without chance.
    pub fn apply(&self, image: &Rgb8) -> Vec<f32> {
        let (width, height) = self.resized(image);
        // Only the middle is computed. Where a side is shorter than the crop, all of it is, and black around it.
        let (left, before_left) = middle(width, self.crop);
        let (top, before_top) = middle(height, self.crop);
        let window = Window {
            left,
            top,
            width: width.min(self.crop),
            height: height.min(self.crop),
        };
        let resized = resize(image, width, height, window, self.interpolation);
        self.normalise(&resized, before_left, before_top, false)
    }

    /// The image as the network is trained on it, `[3, crop, crop]`; draws from `random`.
    pub fn apply_augmented(
        &self,
        image: &Rgb8,
        augment: &Augment,
        random: &mut tl_random::Rng,
    ) -> Vec<f32> {
        let cut = augment
            .random_resized_crop
            .as_ref()
            .map(|range| range.draw(image.width(), image.height(), random));
        let mirrored = random.uniform_f64() < augment.flip;
        let crop = self.crop;
        match cut {
            Some(cut) => {
                let part = image.cut(cut.left, cut.top, cut.width, cut.height);
                let whole = Window {
                    left: 0,
                    top: 0,
                    width: crop,
                    height: crop,
                };
                let resized = resize(&part, crop, crop, whole, self.interpolation);
                self.normalise(&resized, 0, 0, mirrored)
            }
            None => {
                let mut pixels = self.apply(image);
                if mirrored {
                    pixels
                        .chunks_exact_mut(crop.max(1))
                        .for_each(<[f32]>::reverse);
                }
                pixels
            }
        }
    }

    /// Width and height after the shorter side has become `resize`; the longer is rounded down.
    fn resized(&self, image: &Rgb8) -> (usize, usize) {
        let (width, height) = (image.width(), image.height());
        match width <= height {
            true => (self.resize, self.resize * height / width),
            false => (self.resize * width / height, self.resize),
        }
    }

    /// `[height, width, 3]` of bytes to `[3, crop, crop]` of numbers, the image at column `left` and row `top`, the
    /// rest black.
    fn normalise(&self, image: &Rgb8, left: usize, top: usize, mirrored: bool) -> Vec<f32> {
        let crop = self.crop;
        let mut pixels = Vec::with_capacity(3 * crop * crop);
        for channel in 0..3 {
            let value =
                |byte: u8| (f32::from(byte) / 255.0 - self.mean[channel]) / self.std[channel];
            let table: [f32; 256] = std::array::from_fn(|byte| value(byte as u8));
            let start = pixels.len();
            pixels.resize(start + crop * crop, table[0]);
            let plane = pixels[start..].chunks_exact_mut(crop.max(1)).skip(top);
            for (target, source) in plane.zip(image.bytes().chunks_exact(image.width() * 3)) {
                let (colours, _) = source.as_chunks::<3>();
                for (pixel, colour) in target[left..].iter_mut().zip(colours) {
                    *pixel = table[usize::from(colour[channel])];
                }
            }
        }
        if mirrored {
            pixels
                .chunks_exact_mut(crop.max(1))
                .for_each(<[f32]>::reverse);
        }
        pixels
    }
}

/// Where a centre crop begins in a side of `length`, and how much black comes before a side that is shorter.
fn middle(length: usize, crop: usize) -> (usize, usize) {
    if length < crop {
        return (0, (crop - length) / 2);
    }
    // Python's round: half to even.
    (((length - crop) as f64 / 2.0).round_ties_even() as usize, 0)
}
