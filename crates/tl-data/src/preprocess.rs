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
    /// The side of the square cut out of the middle, in pixels; black is added where the image is
    /// smaller.
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
    /// A side of 0 or over 16,384 pixels, a mean or deviation that is not finite, a deviation that
    /// is not positive.
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
            return wrong(format!("the deviation {:?} must be finite and above 0", self.std));
        }
        Ok(())
    }

    /// The image as the network expects it, `[3, crop, crop]`, without chance.
    pub fn apply(&self, image: &Rgb8) -> Vec<f32> {
        self.normalise(&self.frame(image))
    }

    /// The image as the network is trained on it, `[3, crop, crop]`; draws from `random`.
    pub fn apply_augmented(
        &self,
        image: &Rgb8,
        augment: &Augment,
        random: &mut tl_random::Rng,
    ) -> Vec<f32> {
        let frame = self.frame_augmented(image, augment, random);
        self.changed(&frame, augment, random)
    }

    /// The image that a network's input `[3, crop, crop]` shows: the reverse of the normalisation.
    ///
    /// # Errors
    /// Another number of values.
    pub fn picture(&self, pixels: &[f32]) -> Result<Rgb8, DataError> {
        let plane = self.crop * self.crop;
        let byte = |place: usize, channel: usize| {
            let value = pixels.get(channel * plane + place).copied().unwrap_or_default();
            // A cast of a number beyond the bytes ends at the nearest one.
            (255.0 * (value * self.std[channel] + self.mean[channel])).round() as u8
        };
        let bytes = (0..pixels.len().min(3 * plane)).map(|at| byte(at / 3, at % 3)).collect();
        Rgb8::new(self.crop, self.crop, bytes)
    }

    /// What of the image fills the square, without chance.
    pub(crate) fn frame(&self, image: &Rgb8) -> Frame {
        let (width, height) = self.resized(image);
        // Only the middle is computed. Where a side is shorter than the crop, all of it is, and
        // black around it.
        let (left, before_left) = middle(width, self.crop);
        let (top, before_top) = middle(height, self.crop);
        let window =
            Window { left, top, width: width.min(self.crop), height: height.min(self.crop) };
        let image = resize(image, width, height, window, self.interpolation);
        Frame { image, left: before_left, top: before_top, mirrored: false }
    }

    /// What of the image fills the square in training; draws from `random`.
    pub(crate) fn frame_augmented(
        &self,
        image: &Rgb8,
        augment: &Augment,
        random: &mut tl_random::Rng,
    ) -> Frame {
        let cut = augment
            .random_resized_crop
            .as_ref()
            .map(|range| range.draw(image.width(), image.height(), random));
        let mirrored = random.uniform_f64() < augment.flip;
        let Some(cut) = cut else {
            return Frame { mirrored, ..self.frame(image) };
        };
        let crop = self.crop;
        let part = image.cut(cut.left, cut.top, cut.width, cut.height);
        let whole = Window { left: 0, top: 0, width: crop, height: crop };
        let image = resize(&part, crop, crop, whole, self.interpolation);
        Frame { image, left: 0, top: 0, mirrored }
    }

    /// Width and height after the shorter side has become `resize`; the longer is rounded down.
    fn resized(&self, image: &Rgb8) -> (usize, usize) {
        let (width, height) = (image.width(), image.height());
        match width <= height {
            true => (self.resize, self.resize * height / width),
            false => (self.resize * width / height, self.resize),
        }
    }

    /// As [`Preprocess::normalise`], shape and colours changed before and a part erased after it; draws from `random`.
    pub(crate) fn changed(
        &self,
        frame: &Frame,
        augment: &Augment,
        random: &mut tl_random::Rng,
    ) -> Vec<f32> {
        let Augment { rand_augment, colour, erasing, .. } = augment;
        let mut pixels = if rand_augment.is_none() && colour.is_none() {
            self.normalise(frame)
        } else {
            let plain = Self { mean: [0.0; 3], std: [1.0; 3], ..self.clone() };
            let mut pixels = plain.normalise(frame);
            if let Some(rand_augment) = rand_augment {
                rand_augment.apply(&mut pixels, self.crop, random);
            }
            if let Some(colour) = colour {
                colour.apply(&mut pixels, self.crop, random);
            }
            let planes = pixels.chunks_exact_mut((self.crop * self.crop).max(1));
            for ((plane, mean), std) in planes.zip(self.mean).zip(self.std) {
                plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
            }
            pixels
        };
        if let Some(erasing) = erasing {
            erasing.apply(&mut pixels, self.crop, random);
        }
        pixels
    }

    /// `[height, width, 3]` of bytes to `[3, crop, crop]` of numbers.
    pub(crate) fn normalise(&self, frame: &Frame) -> Vec<f32> {
        let Frame { image, left, top, mirrored } = frame;
        let crop = self.crop;
        let mut pixels = Vec::with_capacity(3 * crop * crop);
        for channel in 0..3 {
            let value =
                |byte: u8| (f32::from(byte) / 255.0 - self.mean[channel]) / self.std[channel];
            let table: [f32; 256] = std::array::from_fn(|byte| value(byte as u8));
            let start = pixels.len();
            pixels.resize(start + crop * crop, table[0]);
            let plane = pixels[start..].chunks_exact_mut(crop.max(1)).skip(*top);
            for (target, source) in plane.zip(image.bytes().chunks_exact(image.width() * 3)) {
                let (colours, _) = source.as_chunks::<3>();
                for (pixel, colour) in target[*left..].iter_mut().zip(colours) {
                    *pixel = table[usize::from(colour[channel])];
                }
            }
        }
        if *mirrored {
            pixels.chunks_exact_mut(crop.max(1)).for_each(<[f32]>::reverse);
        }
        pixels
    }
}

/// What fills the square of a network's input: the image at column `left` and row `top`, black
/// around it.
pub(crate) struct Frame {
    pub image: Rgb8,
    pub left: usize,
    pub top: usize,
    /// Whether left and right are exchanged in the end.
    pub mirrored: bool,
}

/// Where a centre crop begins in a side of `length`, and how much black comes before a side that is
/// shorter.
fn middle(length: usize, crop: usize) -> (usize, usize) {
    if length < crop {
        return (0, (crop - length) / 2);
    }
    // Python's round: half to even.
    (((length - crop) as f64 / 2.0).round_ties_even() as usize, 0)
}

#[cfg(test)]
mod pillow;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CropRange;
    use crate::testing::{formula_image, recorded};

    #[test]
    fn resize_and_centre_crop_equal_torchvision() {
        let recorded = recorded().cropped;
        assert_eq!(recorded.len(), 20);
        for case in recorded {
            let preprocess = Preprocess {
                resize: case.resize,
                crop: case.crop,
                mean: [0.0; 3],
                std: [1.0; 3],
                interpolation: case.filter,
            };
            let pixels = preprocess.apply(&formula_image(case.from.0, case.from.1));
            let bytes = case.bytes();
            let plane = case.crop * case.crop;
            for (position, pixel) in pixels.iter().enumerate() {
                let byte = bytes[position % plane * 3 + position / plane];
                let (filter, from) = (case.filter, case.from);
                assert_eq!(*pixel, f32::from(byte) / 255.0, "{filter:?} {from:?} at {position}");
            }
        }
    }

    #[test]
    fn each_channel_is_normalised_by_its_own_mean_and_deviation() {
        let image = Rgb8::new(1, 1, vec![0, 51, 255]).unwrap();
        let preprocess = Preprocess {
            mean: [0.5, 0.2, 0.0],
            std: [0.5, 0.25, 4.0],
            ..Preprocess::imagenet(1, 1)
        };
        assert_eq!(preprocess.apply(&image), [-1.0, 0.0, 0.25]);
    }

    #[test]
    fn a_picture_is_the_image_that_was_normalised() {
        let image = formula_image(8, 8);
        let preprocess = Preprocess::imagenet(8, 8);
        let shown = preprocess.picture(&preprocess.apply(&image)).unwrap();
        assert_eq!(shown.bytes(), image.bytes());
        let decoded = crate::decode::decode_bytes(&shown.to_png().unwrap()).unwrap();
        assert_eq!(decoded, image);
        assert!(preprocess.picture(&[0.0; 5]).is_err());
    }

    #[test]
    fn one_pixel_fills_the_whole_crop() {
        let image = Rgb8::new(1, 1, vec![9, 9, 9]).unwrap();
        let preprocess =
            Preprocess { mean: [0.0; 3], std: [1.0; 3], ..Preprocess::imagenet(16, 16) };
        assert_eq!(preprocess.apply(&image), vec![9.0 / 255.0; 3 * 16 * 16]);
    }

    #[test]
    fn a_flip_mirrors_the_columns_and_nothing_else() {
        let image = formula_image(20, 14);
        let preprocess = Preprocess::imagenet(8, 8);
        let mut random = tl_random::rng(0, "test", 0, 0);
        let plain = preprocess.apply(&image);
        let never = Augment::none();
        let always = Augment { flip: 1.0, ..Augment::none() };
        let whole = CropRange { scale: [1.0, 1.0], ratio: [20.0 / 14.0; 2] };
        assert_eq!(preprocess.apply_augmented(&image, &never, &mut random), plain);
        let mirrored = preprocess.apply_augmented(&image, &always, &mut random);
        assert_ne!(mirrored, plain);
        let back: Vec<f32> = mirrored.chunks(8).flat_map(|row| row.iter().rev()).copied().collect();
        assert_eq!(back, plain);
        // The same through a random crop that can only be the whole image.
        let cropped = |flip| Augment { flip, ..Augment::cropped(whole.clone()) };
        let straight = preprocess.apply_augmented(&image, &cropped(0.0), &mut random);
        let mirrored = preprocess.apply_augmented(&image, &cropped(1.0), &mut random);
        let back: Vec<f32> = mirrored.chunks(8).flat_map(|row| row.iter().rev()).copied().collect();
        assert_eq!(back, straight);
    }

    #[test]
    fn colours_are_changed_before_they_are_normalised() {
        use crate::Colour;
        let image = formula_image(8, 8);
        let preprocess = Preprocess::imagenet(8, 8);
        let draw = |augment: &Augment| {
            preprocess.apply_augmented(&image, augment, &mut tl_random::rng(0, "test", 0, 0))
        };
        let plain = preprocess.apply(&image);
        assert_eq!(draw(&Augment::none().coloured(Colour::default())), plain);
        let negative = draw(&Augment::none().coloured(Colour {
            solarise: Some(crate::Solarise { probability: 1.0, threshold: 0.0 }),
            ..Colour::default()
        }));
        let shown = preprocess.picture(&negative).unwrap();
        assert!(shown.bytes().iter().zip(image.bytes()).all(|(one, other)| *one == 255 - other));
    }

    #[test]
    fn senseless_numbers_are_refused() {
        let good = Preprocess::imagenet(256, 224);
        assert!(good.validate().is_ok());
        let bad = [
            Preprocess { resize: 0, ..good.clone() },
            Preprocess { crop: 0, ..good.clone() },
            Preprocess { crop: usize::MAX, ..good.clone() },
            Preprocess { mean: [f32::NAN, 0.0, 0.0], ..good.clone() },
            Preprocess { std: [1.0, 0.0, 1.0], ..good.clone() },
            Preprocess { std: [1.0, f32::INFINITY, 1.0], ..good.clone() },
        ];
        for preprocess in bad {
            assert!(preprocess.validate().is_err(), "{preprocess:?}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_and_a_known_one_comes_back() {
        let preprocess = Preprocess::imagenet(256, 224);
        let mut json = serde_json::to_value(&preprocess).unwrap();
        assert_eq!(json["interpolation"], "bilinear");
        assert_eq!(serde_json::from_value::<Preprocess>(json.clone()).unwrap(), preprocess);
        json["size"] = 3.into();
        assert!(serde_json::from_value::<Preprocess>(json).is_err());
    }
}
