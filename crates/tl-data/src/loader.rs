//! Batches of decoded images, made ahead on all cores.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};

use tl_random::mix;

use crate::batches::{Visit, lock};
use crate::near_duplicates::difference_hash;
use crate::{Augment, Batches, DataError, Images, Preprocess, Restyle, Rgb8, Views};

/// Decodes and preprocesses images on several threads.
///
/// What an image becomes depends on the view's seed, the epoch and the image's index alone: the
/// batches are the same for any number of threads. No decoded image is kept.
#[derive(Clone, Debug)]
pub struct Loader {
    pub(crate) source: Arc<LoaderSource>,
    pub(crate) threads: usize,
}

#[derive(Debug)]
pub(crate) struct LoaderSource {
    pub images: Arc<Images>,
    pub preprocess: Preprocess,
    pub strict: bool,
    pub restyle: Option<Restyle>,
    /// Why an item cannot be used; found once, known to all later passes.
    pub skipped: Mutex<BTreeMap<usize, String>>,
    /// How each item looks, noted when it is decoded; empty where nobody asks.
    pub hashes: Vec<OnceLock<Option<u64>>>,
}

/// The random view of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub augment: Augment,
    pub seed: u64,
    pub epoch: u64,
}

/// What is asked of each image of a pass.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    One(Box<View>),
    Several(Views),
}

impl Ask {
    fn validate(&self) -> Result<(), DataError> {
        match self {
            Self::One(view) => view.augment.validate(),
            Self::Several(views) => views.validate(),
        }
    }
}

/// An image that was left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    pub name: String,
    pub reason: String,
}

/// Some images, ready for a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The items, without those skipped.
    pub indices: Vec<usize>,
    /// `[indices, 3, crop, crop]`.
    pub pixels: Vec<f32>,
    /// The class of each, where it has one.
    pub labels: Vec<Option<usize>>,
}

impl Loader {
    /// A loader that works on `threads` threads; 0 stands for one per core. With `strict` an image
    /// that cannot be read is an error instead of being skipped.
    ///
    /// # Errors
    /// Preprocessing that does not [validate](Preprocess::validate).
    pub fn new(
        images: Arc<Images>,
        preprocess: Preprocess,
        threads: usize,
        strict: bool,
    ) -> Result<Self, DataError> {
        preprocess.validate()?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores() } else { threads };
        let source = LoaderSource {
            images,
            preprocess,
            strict,
            restyle: None,
            skipped: Mutex::default(),
            hashes: Vec::new(),
        };
        Ok(Self { source: Arc::new(source), threads })
    }

    /// The same loader, which notes down how each image looks while it decodes it, for [`Loader::near_duplicates`]. Images
    /// skipped so far are forgotten.
    pub fn hashed(&self) -> Self {
        let source = LoaderSource {
            images: Arc::clone(&self.source.images),
            preprocess: self.source.preprocess.clone(),
            strict: self.source.strict,
            restyle: self.source.restyle.clone(),
            skipped: Mutex::default(),
            hashes: vec![OnceLock::new(); self.source.images.len()],
        };
        Self { source: Arc::new(source), threads: self.threads }
    }

    /// The same loader with its training images restyled by random examples: those of passes with
    /// a [`View`]. Passes without one stay as they are. Images skipped so far are forgotten.
    ///
    /// # Errors
    /// See [`Restyle::validate`].
    pub fn restyled(&self, restyle: Restyle) -> Result<Self, DataError> {
        restyle.validate()?;
        let source = LoaderSource {
            images: Arc::clone(&self.source.images),
            preprocess: self.source.preprocess.clone(),
            strict: self.source.strict,
            restyle: Some(restyle),
            skipped: Mutex::default(),
            hashes: Vec::new(),
        };
        Ok(Self { source: Arc::new(source), threads: self.threads })
    }

    /// The images it reads.
    pub fn images(&self) -> &Arc<Images> {
        &self.source.images
    }

    /// What becomes of each image.
    pub fn preprocess(&self) -> &Preprocess {
        &self.source.preprocess
    }

    /// The items `order` in batches of `batch_size`, the last perhaps smaller.
    ///
    /// A batch with skipped images is smaller by them; one that would be empty does not come.
    /// Without a `view` each image is resized and cut from its centre. A wrong argument is the
    /// error of the first call to `next`.
    pub fn batches(&self, order: Vec<usize>, batch_size: usize, view: Option<View>) -> Batches {
        let order = order.into_iter().map(|index| Visit { index, round: 0 }).collect();
        self.visits(order, batch_size, view)
    }

    /// As [`Loader::batches`], for a pass that may go through the items more than once.
    pub(crate) fn visits(
        &self,
        order: Vec<Visit>,
        batch_size: usize,
        view: Option<View>,
    ) -> Batches {
        self.ask(order, batch_size, view.map(|view| Ask::One(Box::new(view))))
    }

    /// A pass with whatever is asked of each image.
    pub(crate) fn ask(&self, order: Vec<Visit>, batch_size: usize, ask: Option<Ask>) -> Batches {
        match self.check(&order, batch_size, ask.as_ref()) {
            Ok(()) => {
                Batches::start(Arc::clone(&self.source), order, batch_size, ask, self.threads)
            }
            Err(fault) => Batches::refuse(Arc::clone(&self.source), fault),
        }
    }

    /// The images skipped so far, each once, in the order of the items.
    pub fn skipped(&self) -> Vec<Skipped> {
        let name = |index: usize| {
            self.source.images.items.get(index).map_or(String::new(), |item| item.name.clone())
        };
        let skipped = lock(&self.source.skipped);
        skipped
            .iter()
            .map(|(&index, reason)| Skipped { name: name(index), reason: reason.clone() })
            .collect()
    }

    fn check(
        &self,
        order: &[Visit],
        batch_size: usize,
        ask: Option<&Ask>,
    ) -> Result<(), DataError> {
        if batch_size == 0 {
            return Err(DataError::ZeroBatch);
        }
        let count = self.source.images.len();
        if let Some(&Visit { index, .. }) = order.iter().find(|visit| visit.index >= count) {
            return Err(DataError::NoSuchItem { index, count });
        }
        ask.map_or(Ok(()), Ask::validate)
    }
}

impl LoaderSource {
    /// The pixels of one item, or why there are none.
    pub fn load(&self, visit: Visit, ask: Option<&Ask>) -> Result<Vec<f32>, String> {
        let Visit { index, round } = visit;
        let view = match ask {
            Some(Ask::Several(views)) => return self.load_views(index, views),
            Some(Ask::One(view)) => Some(view.as_ref()),
            None => None,
        };
        self.guarded(index, || {
            let image = self.decode(index)?;
            let Some(View { augment, seed, epoch }) = view else {
                return Ok(self.preprocess.apply(&image));
            };
            // Every round has a seed of its own, the first the view's.
            let seed = if round == 0 { *seed } else { mix(mix(*seed) ^ round) };
            let mut random = tl_random::rng(seed, "augment", *epoch, index as u64);
            let mut frame = self.preprocess.frame_augmented(&image, augment, &mut random);
            if let Some(restyle) = &self.restyle {
                let mut restyling = tl_random::rng(seed, "restyle", *epoch, index as u64);
                frame.image = restyle.apply(frame.image, &mut restyling)?;
            }
            Ok(self.preprocess.changed(&frame, augment, &mut random))
        })
    }

    /// What of one item fills the square, without black around it, or why there is nothing.
    pub fn picture(&self, index: usize) -> Result<Rgb8, String> {
        self.guarded(index, || Ok(self.preprocess.frame(&self.decode(index)?).image))
    }

    pub(crate) fn decode(&self, index: usize) -> Result<Rgb8, String> {
        let image = self.images.decode(index).map_err(|error| match error {
            DataError::Broken { reason, .. } => reason,
            other => other.to_string(),
        })?;
        if let Some(slot) = self.hashes.get(index) {
            slot.get_or_init(|| difference_hash(&image));
        }
        Ok(image)
    }

    /// Does `work` unless the item is known to be broken.
    pub(crate) fn guarded<T>(
        &self,
        index: usize,
        work: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        if let Some(reason) = lock(&self.skipped).get(&index) {
            return Err(reason.clone());
        }
        // Whoever waits for this item must get an answer, whatever happens here.
        catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err("could not be preprocessed".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{folder_with, loader, unsplit};

    fn view(epoch: u64) -> Option<View> {
        let augment = "crop,flip,randaugment,jitter,grey,erasing".parse().unwrap();
        Some(View { augment, seed: 7, epoch })
    }

    fn collect(batches: Batches) -> Vec<Batch> {
        batches.collect::<Result<_, _>>().unwrap()
    }

    /// Two good images, a JPEG cut short, a text and an empty file.
    fn partly_broken() -> tempfile::TempDir {
        let folder = folder_with(&["a/1.png", "a/2.jpg", "b/5.png"]);
        let jpeg = std::fs::read(folder.path().join("a/2.jpg")).unwrap();
        std::fs::write(folder.path().join("a/2.jpg"), &jpeg[..jpeg.len() / 2]).unwrap();
        std::fs::write(folder.path().join("b/3.png"), "a text").unwrap();
        std::fs::write(folder.path().join("b/4.png"), "").unwrap();
        folder
    }

    #[test]
    fn the_batches_are_the_same_for_any_number_of_threads() {
        let order: Vec<usize> = (0..20).rev().chain([3, 3]).collect();
        let with = |threads: usize, view| {
            collect(loader(unsplit(2, 10), threads, false).batches(order.clone(), 6, view))
        };
        for view in [None, view(0)] {
            let one = with(1, view.clone());
            assert_eq!(
                one.iter().map(|batch| batch.indices.len()).collect::<Vec<_>>(),
                [6, 6, 6, 4]
            );
            assert_eq!(one[0].indices, [19, 18, 17, 16, 15, 14]);
            assert_eq!(one[0].labels[..2], [Some(1), Some(0)]);
            assert_eq!(one[0].pixels.len(), 6 * 3 * 8 * 8);
            for threads in [2, 5] {
                assert!(one == with(threads, view.clone()), "{threads} threads");
            }
        }
    }

    #[test]
    fn a_view_depends_on_the_epoch_and_the_image_and_not_on_the_order() {
        let loader = loader(unsplit(2, 10), 2, false);
        let pixels = |order: Vec<usize>, epoch| collect(loader.batches(order, 1, view(epoch)));
        let forward = pixels((0..20).collect(), 1);
        let backward = pixels((0..20).rev().collect(), 1);
        assert!(forward.iter().eq(backward.iter().rev()));
        let later = pixels((0..20).collect(), 2);
        let changed = forward.iter().zip(&later).filter(|(one, other)| one.pixels != other.pixels);
        assert!(changed.count() > 10);
    }

    #[test]
    fn a_broken_image_is_skipped_counted_and_named() {
        let folder = partly_broken();
        let loader = loader(Images::open(folder.path()).unwrap(), 2, false);
        for _ in 0..2 {
            let batches = collect(loader.batches((0..5).collect(), 2, None));
            // The second batch held two broken images and does not come.
            let indices: Vec<_> = batches.iter().map(|batch| batch.indices.clone()).collect();
            assert_eq!(indices, [vec![0], vec![4]]);
            assert!(batches.iter().all(|batch| batch.pixels.len() == 3 * 8 * 8));
            assert!(batches.iter().all(|batch| batch.labels.len() == 1));
        }
        let skipped = loader.skipped();
        let names: Vec<_> = skipped.iter().map(|skipped| skipped.name.as_str()).collect();
        assert_eq!(names, ["a/2.jpg", "b/3.png", "b/4.png"]);
        assert!(skipped[0].reason.contains("cut short"));
        assert!(skipped[1].reason.contains("not an image"));
        assert!(skipped[2].reason.contains("empty"));
    }

    #[test]
    fn a_broken_image_is_an_error_when_strict() {
        let folder = partly_broken();
        let loader = loader(Images::open(folder.path()).unwrap(), 3, true);
        let mut batches = loader.batches((0..5).collect(), 1, None);
        assert_eq!(batches.next().unwrap().unwrap().indices, [0]);
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert!(error.contains("a/2.jpg") && error.contains("cut short"), "{error}");
        assert!(batches.next().is_none());
    }

    #[test]
    fn a_wrong_argument_is_one_error_and_the_end() {
        let loader = loader(unsplit(2, 2), 1, false);
        let flip = View { augment: Augment { flip: 2.0, ..Augment::none() }, seed: 0, epoch: 0 };
        for mut batches in [
            loader.batches(vec![0], 0, None),
            loader.batches(vec![0, 4], 1, None),
            loader.batches(vec![0], 1, Some(flip)),
        ] {
            assert!(batches.next().unwrap().is_err());
            assert!(batches.next().is_none());
        }
        assert!(loader.batches(Vec::new(), 1, None).next().is_none());
    }

    #[test]
    fn leaving_early_ends_the_threads() {
        let loader = loader(unsplit(2, 50), 3, false);
        let mut batches = loader.batches((0..100).collect(), 2, None);
        assert!(batches.next().is_some());
        drop(batches);
        // Every worker held the source: only the loader still does.
        assert_eq!(Arc::strong_count(&loader.source), 1);
    }

    #[test]
    fn no_more_than_three_batches_are_made_ahead() {
        let loader = loader(unsplit(2, 50), 1, false);
        let mut batches = loader.batches((0..100).collect(), 4, None);
        for handed_out in 1..=5 {
            assert!(batches.next().is_some());
            assert!(batches.claimed() <= (handed_out + 3) * 4);
        }
    }
}
