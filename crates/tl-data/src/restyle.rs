//! Training images in the style of random examples.

use tl_random::Rng;

use crate::batches::lock;
use crate::{DataError, Loader, Rgb8, Style};

/// How a [`Loader`] restyles what it trains on: each image, in each epoch, by an example of its
/// own, after the random crop and before normalisation.
///
/// Which example it is depends on the view's seed, the epoch and the image's index alone.
/// [`Loader::restyled`] puts it to use. Labels of examples are never looked at.
#[derive(Clone, Debug)]
pub struct Restyle {
    pub style: Style,
    /// Reads the examples. One that cannot be read leaves the image as it is and is listed among
    /// this loader's [skipped](Loader::skipped); if this loader is strict, the image to be restyled
    /// counts as broken.
    pub examples: Loader,
    /// The items of `examples` to choose from.
    pub items: Vec<usize>,
    /// The share of images that are restyled, `0..=1`.
    pub share: f64,
}

impl Restyle {
    /// Whether there are examples and every number makes sense.
    ///
    /// # Errors
    /// A style that does not [validate](Style::validate), no item or an unknown one, a share
    /// outside `0..=1`.
    pub fn validate(&self) -> Result<(), DataError> {
        self.style.validate()?;
        if !(0.0..=1.0).contains(&self.share) {
            return Err(DataError::Style(format!("the share is {}: use 0 to 1", self.share)));
        }
        if self.items.is_empty() {
            return Err(DataError::Style("there is no example to take a style from".into()));
        }
        let count = self.examples.images().len();
        match self.items.iter().find(|&&index| index >= count) {
            Some(&index) => Err(DataError::NoSuchItem { index, count }),
            None => Ok(()),
        }
    }

    /// The image, perhaps restyled; an error if its example is broken and the examples strict.
    pub(crate) fn apply(&self, image: Rgb8, random: &mut Rng) -> Result<Rgb8, String> {
        let chosen = random.uniform_f64() < self.share;
        let Some(&index) = self.items.get(random.below(self.items.len())).filter(|_| chosen) else {
            return Ok(image);
        };
        let source = &self.examples.source;
        match source.picture(index) {
            Ok(example) => Ok(self.style.apply(&image, &example)),
            Err(reason) if source.strict => {
                let name = source.images.items.get(index).map_or("", |item| item.name.as_str());
                Err(format!("its example {name}: {reason}"))
            }
            Err(reason) => {
                lock(&source.skipped).insert(index, reason);
                Ok(image)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{folder_with, loader, unsplit};
    use crate::{Augment, Batch, Images, View};

    fn view(epoch: u64) -> Option<View> {
        Some(View { augment: Augment::none(), seed: 7, epoch })
    }

    fn restyle(examples: Loader, share: f64) -> Restyle {
        let items = (0..examples.images().len()).collect();
        Restyle { style: Style::Histogram, examples, items, share }
    }

    fn batches(loader: &Loader, view: Option<View>) -> Vec<Batch> {
        let order = (0..loader.images().len()).collect();
        loader.batches(order, 3, view).map(Result::unwrap).collect()
    }

    #[test]
    fn training_images_are_restyled_and_others_stay() {
        let plain = loader(unsplit(2, 5), 2, true);
        let restyled = plain.restyled(restyle(loader(unsplit(2, 20), 1, true), 1.0)).unwrap();
        assert_eq!(batches(&restyled, None), batches(&plain, None));
        let (styled, without) = (batches(&restyled, view(0)), batches(&plain, view(0)));
        assert!(styled.iter().zip(&without).all(|(one, other)| one.pixels != other.pixels));
        assert!(styled.iter().zip(&without).all(|(one, other)| one.labels == other.labels));
        assert_ne!(styled, batches(&restyled, view(1)));
        let never = plain.restyled(restyle(loader(unsplit(2, 20), 1, true), 0.0)).unwrap();
        assert_eq!(batches(&never, view(0)), without);
    }

    #[test]
    fn the_styles_are_the_same_for_any_number_of_threads() {
        let with = |threads| {
            let plain = loader(unsplit(2, 10), threads, true);
            batches(
                &plain.restyled(restyle(loader(unsplit(2, 20), 1, true), 0.5)).unwrap(),
                view(3),
            )
        };
        assert_eq!(with(1), with(4));
    }

    #[test]
    fn an_image_takes_over_the_colours_of_its_example() {
        let plain = loader(unsplit(1, 4), 1, true);
        let example = loader(unsplit(1, 9), 1, true);
        let only = Restyle { items: vec![8], ..restyle(example.clone(), 1.0) };
        let styled = batches(&plain.restyled(only).unwrap(), view(0));
        let sorted = |pixels: &[f32]| {
            let mut pixels = pixels[..64].to_vec();
            pixels.sort_unstable_by(f32::total_cmp);
            pixels
        };
        let wanted = sorted(&example.batches(vec![8], 1, None).next().unwrap().unwrap().pixels);
        // One step of a byte, normalised by ImageNet's deviation.
        let near = |one: &f32, other: &f32| (one - other).abs() < 1.1 / 255.0 / 0.229;
        for image in styled.iter().flat_map(|batch| batch.pixels.chunks(3 * 64)) {
            assert!(sorted(image).iter().zip(&wanted).all(|(one, other)| near(one, other)));
        }
    }

    #[test]
    fn a_broken_example_is_named_or_is_an_error_when_strict() {
        let folder = folder_with(&["a.png"]);
        std::fs::write(folder.path().join("a.png"), "no image").unwrap();
        let examples = |strict| loader(Images::open(folder.path()).unwrap(), 1, strict);
        let plain = loader(unsplit(2, 2), 1, true);
        let lenient = examples(false);
        let restyled = plain.restyled(restyle(lenient.clone(), 1.0)).unwrap();
        assert_eq!(batches(&restyled, view(0)), batches(&plain, view(0)));
        assert_eq!(lenient.skipped()[0].name, "a.png");
        let strict = plain.restyled(restyle(examples(true), 1.0)).unwrap();
        let error = strict.batches(vec![0], 1, view(0)).next().unwrap().unwrap_err().to_string();
        assert!(error.contains("a.png") && error.contains("not an image"), "{error}");
    }

    #[test]
    fn a_restyling_without_sense_is_refused() {
        let plain = loader(unsplit(2, 2), 1, true);
        let good = restyle(loader(unsplit(2, 2), 1, true), 1.0);
        for bad in [
            Restyle { items: Vec::new(), ..good.clone() },
            Restyle { items: vec![4], ..good.clone() },
            Restyle { share: 1.5, ..good.clone() },
            Restyle { share: f64::NAN, ..good.clone() },
            Restyle { style: Style::Fourier { reach: 2.0 }, ..good.clone() },
        ] {
            assert!(plain.restyled(bad).is_err());
        }
    }
}
