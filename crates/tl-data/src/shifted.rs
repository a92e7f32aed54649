//! Sets of images that are shifted whenever one is decoded.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::images::{Item, Source};
use crate::{Blend, DataError, Images, Rgb8, Shift};

/// A shift with its seed, and the photos that it blends with.
///
/// What becomes of an image depends on the seed and its name alone: neither on its place among
/// others nor on threads. A clone shares the photos.
#[derive(Clone, Debug)]
pub struct Shifter {
    shift: Shift,
    photos: Arc<[Rgb8]>,
    seed: u64,
}

impl Shift {
    /// The shift ready to be applied; reads the photos of a blend.
    ///
    /// # Errors
    /// Numbers that do not [validate](Shift::validate); no photo, or one that cannot be decoded.
    pub fn prepare(self, seed: u64) -> Result<Shifter, DataError> {
        self.validate()?;
        let photos = match &self {
            Self::Blend(blend) => read_photos(&blend.photos)?,
            _ => Vec::new(),
        };
        Shifter::new(self, photos, seed)
    }
}

impl Shifter {
    /// Blending with photos in memory; see [`Blend`] for the strength.
    ///
    /// # Errors
    /// A strength outside `0..=1`; no photo.
    pub fn blend(strength: f64, photos: Vec<Rgb8>, seed: u64) -> Result<Self, DataError> {
        Self::new(Shift::Blend(Blend { strength, photos: Default::default() }), photos, seed)
    }

    fn new(shift: Shift, photos: Vec<Rgb8>, seed: u64) -> Result<Self, DataError> {
        shift.validate()?;
        if matches!(shift, Shift::Blend(_)) && photos.is_empty() {
            return Err(DataError::Shift("blend: there is no photo to blend with".into()));
        }
        Ok(Self { shift, photos: photos.into(), seed })
    }

    /// What it does.
    pub fn shift(&self) -> &Shift {
        &self.shift
    }

    /// The image called `name`, shifted; it keeps its size.
    pub fn apply(&self, image: &Rgb8, name: &str) -> Rgb8 {
        self.apply_keyed(image, tl_random::hash(name), 0)
    }

    /// `depth` counts the shifts that came before, so that the same shift twice draws anew.
    fn apply_keyed(&self, image: &Rgb8, key: u64, depth: u64) -> Rgb8 {
        let mut random = tl_random::rng(self.seed, self.shift.name(), depth, key);
        match &self.shift {
            Shift::Blend(blend) => blend.apply(image, &self.photos, &mut random),
            Shift::Night(night) => night.apply(image, &mut random),
            Shift::Fog(fog) => fog.apply(image, &mut random),
            Shift::Rain(rain) => rain.apply(image, &mut random),
            Shift::Scanner(scanner) => scanner.apply(image, &mut random),
            Shift::Accent(accent) => accent.apply(image, &mut random),
        }
    }

    /// What tells one shifter from another: settings, seed and the photos' pixels, wherever they
    /// lie.
    fn digest(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        match &self.shift {
            Shift::Blend(Blend { strength, photos: _ }) => {
                hasher.update(format!("blend {strength:?}"));
            }
            // Every field, its numbers in full.
            other => hasher.update(format!("{other:?}")),
        }
        hasher.update(self.seed.to_le_bytes());
        for photo in &*self.photos {
            hasher.update((photo.width() as u64).to_le_bytes());
            hasher.update((photo.height() as u64).to_le_bytes());
            hasher.update(photo.bytes());
        }
        hasher.finalize().into()
    }
}

fn read_photos(path: &Path) -> Result<Vec<Rgb8>, DataError> {
    let photos = Images::open(path)?;
    (0..photos.len()).map(|index| photos.decode(index)).collect()
}

/// An image and what becomes of it.
#[derive(Debug)]
pub(crate) struct Shifted {
    original: Source,
    shifter: Shifter,
    /// Of the shifter, computed once for all images.
    digest: [u8; 32],
    key: u64,
    depth: u64,
}

impl Shifted {
    pub fn identify(&self, hasher: &mut Sha256) {
        hasher.update(b"shifted");
        hasher.update(self.digest);
        self.original.identify(hasher);
    }

    pub fn decode(&self) -> Result<Rgb8, String> {
        let image = self.original.decode()?;
        Ok(self.shifter.apply_keyed(&image, self.key, self.depth))
    }
}

impl Images {
    /// The same images in another domain: names, labels and parts stay, and each image is shifted
    /// after it is decoded, at its own size. The fingerprint tells shift, seed and photos.
    ///
    /// ```
    /// # use tl_data::{DataError, Images, Items, Shift};
    /// # fn main() -> Result<(), DataError> {
    /// # let (pixels, labels) = ([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 200], [0, 0, 8, 1, 0, 0, 0, 1, 0]);
    /// # let day = Images::idx(&[(tl_data::Part::Train, &pixels, &labels)], Vec::new())?;
    /// let night = day.shifted(&"night:0.7".parse::<Shift>()?.prepare(7)?);
    /// assert_ne!(night.fingerprint(), day.fingerprint());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shifted(&self, shifter: &Shifter) -> Self {
        let digest = shifter.digest();
        let items = self.items.iter().map(|item| {
            let depth = match &item.source {
                Source::Shifted(shifted) => shifted.depth + 1,
                _ => 0,
            };
            let (original, shifter) = (item.source.clone(), shifter.clone());
            let key = tl_random::hash(&item.name);
            let source =
                Source::Shifted(Arc::new(Shifted { original, shifter, digest, key, depth }));
            Item { source, ..item.clone() }
        });
        Self { classes: self.classes.clone(), items: items.collect(), notes: self.notes.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Items;
    use crate::testing::{folder_with, formula_image, loader, unsplit};

    fn shifter(text: &str, seed: u64) -> Shifter {
        text.parse::<Shift>().unwrap().prepare(seed).unwrap()
    }

    fn decoded(images: &Images) -> Vec<Rgb8> {
        (0..images.len()).map(|index| images.decode(index).unwrap()).collect()
    }

    #[test]
    fn shifted_images_keep_names_labels_and_parts() {
        let images = unsplit(2, 5);
        let night = images.shifted(&shifter("night", 7));
        let split = |images: &Images| images.split([0.6, 0.2, 0.2], 1).unwrap();
        assert_eq!(split(&night), split(&images));
        assert_eq!(night.classes, images.classes);
        assert!(decoded(&night).iter().zip(decoded(&images)).all(|(one, other)| *one != other));
    }

    #[test]
    fn an_image_is_shifted_alike_wherever_it_stands_among_the_others() {
        let images = unsplit(2, 5);
        let whole = decoded(&images.shifted(&shifter("night", 7)));
        let mut few = images.clone();
        few.items = images.items[3..6].iter().rev().cloned().collect();
        let few = decoded(&few.shifted(&shifter("night", 7)));
        assert!(few.iter().eq(whole[3..6].iter().rev()));
    }

    #[test]
    fn shifted_batches_are_the_same_for_any_number_of_threads() {
        let night = unsplit(2, 10).shifted(&shifter("night", 7));
        let batches = |threads| -> Vec<_> {
            let order = (0..20).collect();
            loader(night.clone(), threads, true)
                .batches(order, 6, None)
                .map(Result::unwrap)
                .collect()
        };
        assert!(batches(1) == batches(3));
    }

    #[test]
    fn the_fingerprint_tells_shift_seed_and_severity() {
        let images = unsplit(2, 2);
        let print = |text: &str, seed| images.shifted(&shifter(text, seed)).fingerprint();
        let base = print("night:0.5", 7);
        assert_eq!(base, print("night:0.5", 7));
        let twice = images.shifted(&shifter("night:0.5", 7)).shifted(&shifter("night:0.5", 7));
        for other in [
            print("night:0.5", 8),
            print("night:0.6", 7),
            print("fog:0.5", 7),
            twice.fingerprint(),
            images.fingerprint(),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_fingerprint_tells_the_photos_and_not_their_place() {
        let [one, same] = [(); 2].map(|()| folder_with(&["a.png", "b.png"]));
        let other = folder_with(&["a.png"]);
        let images = unsplit(2, 2);
        let print = |folder: &tempfile::TempDir| {
            let text = format!("blend@{}", folder.path().display());
            images.shifted(&shifter(&text, 7)).fingerprint()
        };
        assert_eq!(print(&one), print(&same));
        assert_ne!(print(&one), print(&other));
        let photos = vec![formula_image(8, 6); 2];
        let memory = images.shifted(&Shifter::blend(1.0, photos, 7).unwrap());
        assert_eq!(memory.fingerprint(), print(&one));
    }

    #[test]
    fn the_same_shift_twice_draws_anew() {
        let images = unsplit(2, 2);
        let once = images.shifted(&shifter("scanner", 7));
        let twice = once.shifted(&shifter("scanner", 7));
        let by_hand = shifter("scanner", 7).apply(&once.decode(0).unwrap(), &images.items[0].name);
        assert_ne!(twice.decode(0).unwrap(), by_hand);
        let by_name = shifter("scanner", 7).apply(&images.decode(0).unwrap(), "train/000000");
        assert_eq!(once.decode(0).unwrap(), by_name);
    }

    #[test]
    fn a_blend_without_photos_is_refused() {
        assert!(matches!(Shifter::blend(1.0, Vec::new(), 0), Err(DataError::Shift(_))));
        let nowhere: Shift = "blend@nowhere/at/all".parse().unwrap();
        assert!(matches!(nowhere.prepare(0), Err(DataError::NoSuchPath(_))));
        let broken = folder_with(&["a.png"]);
        std::fs::write(broken.path().join("b.png"), "no image").unwrap();
        let broken: Shift = format!("blend@{}", broken.path().display()).parse().unwrap();
        assert!(matches!(broken.prepare(0), Err(DataError::Broken { .. })));
    }

    #[test]
    fn a_broken_image_stays_broken() {
        let folder = folder_with(&["a.png"]);
        std::fs::write(folder.path().join("a.png"), "no image").unwrap();
        let images = Images::open(folder.path()).unwrap().shifted(&shifter("fog", 1));
        assert!(images.decode(0).unwrap_err().to_string().contains("not an image"));
    }
}
