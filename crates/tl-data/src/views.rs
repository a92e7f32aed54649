//! Several random views of each image: decoded once, then varied, on all threads.

use serde::{Deserialize, Serialize};

use crate::batches::Visit;
use crate::loader::{Ask, LoaderSource};
use crate::{Augment, Batches, DataError, Loader, Preprocess};

/// How one view of an image is made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewRecipe {
    /// Pixels on a side; those of the loader where it is not given.
    pub size: Option<usize>,
    pub augment: Augment,
}

/// The views of one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Views {
    pub recipes: Vec<ViewRecipe>,
    pub seed: u64,
    pub epoch: u64,
}

/// Some images in several views.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewBatch {
    /// The items, without those skipped.
    pub indices: Vec<usize>,
    /// For each recipe its pixels on a side and `[indices, 3, size, size]`.
    pub views: Vec<(usize, Vec<f32>)>,
}

impl Loader {
    /// The items `order` in batches of `batch_size`, each in all of the `views`; a batch with skipped
    /// images is smaller by them.
    ///
    /// What a view becomes depends on the seed, the epoch, its place among the recipes and the image's
    /// index alone. A wrong argument is the error of the first call to `next`.
    pub fn views(&self, order: Vec<usize>, batch_size: usize, views: Views) -> ViewBatches {
        let crop = self.preprocess().crop;
        let sizes = views.recipes.iter().map(|recipe| recipe.size.unwrap_or(crop)).collect();
        let order = order.into_iter().map(|index| Visit { index, round: 0 }).collect();
        ViewBatches { batches: self.ask(order, batch_size, Some(Ask::Several(views))), sizes }
    }
}

impl Views {
    /// Whether every recipe makes sense.
    pub(crate) fn validate(&self) -> Result<(), DataError> {
        self.recipes.iter().try_for_each(|recipe| recipe.augment.validate())
    }
}

impl LoaderSource {
    /// All views of one item one after another, or why there are none.
    pub(crate) fn load_views(&self, index: usize, views: &Views) -> Result<Vec<f32>, String> {
        self.guarded(index, || {
            let image = self.decode(index)?;
            let mut pixels = Vec::new();
            for (place, recipe) in views.recipes.iter().enumerate() {
                let purpose = format!("view.{place}");
                let mut random = tl_random::rng(views.seed, &purpose, views.epoch, index as u64);
                let preprocess = self.resized(recipe.size);
                pixels.extend(preprocess.apply_augmented(&image, &recipe.augment, &mut random));
            }
            Ok(pixels)
        })
    }

    /// The preprocessing for another side of the square, as much of the image in it.
    fn resized(&self, size: Option<usize>) -> Preprocess {
        let own = &self.preprocess;
        let Some(size) = size else { return own.clone() };
        let resize = (own.resize * size).div_ceil(own.crop.max(1));
        Preprocess { resize, crop: size, ..own.clone() }
    }
}

/// The batches of one pass; made by [`Loader::views`].
#[derive(Debug)]
pub struct ViewBatches {
    batches: Batches,
    sizes: Vec<usize>,
}

impl Iterator for ViewBatches {
    type Item = Result<ViewBatch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.batches.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let elements: Vec<usize> = self.sizes.iter().map(|size| 3 * size * size).collect();
        let total = elements.iter().sum::<usize>().max(1);
        let mut views: Vec<(usize, Vec<f32>)> = self
            .sizes
            .iter()
            .zip(&elements)
            .map(|(&size, &each)| (size, Vec::with_capacity(each * batch.indices.len())))
            .collect();
        for image in batch.pixels.chunks_exact(total) {
            let mut rest = image;
            for ((_, pixels), &each) in views.iter_mut().zip(&elements) {
                let (own, others) = rest.split_at(each);
                pixels.extend_from_slice(own);
                rest = others;
            }
        }
        Some(Ok(ViewBatch { indices: batch.indices, views }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CropRange;
    use crate::testing::{loader, unsplit};

    fn views(epoch: u64) -> Views {
        let crop = Augment::cropped(CropRange::default());
        let recipe = |size, augment: &Augment| ViewRecipe { size, augment: augment.clone() };
        let plain = Augment::none();
        let recipes = vec![recipe(None, &crop), recipe(None, &crop), recipe(Some(4), &plain)];
        Views { recipes, seed: 7, epoch }
    }

    fn collect(threads: usize, order: Vec<usize>, epoch: u64) -> Vec<ViewBatch> {
        let loader = loader(unsplit(2, 10), threads, false);
        loader.views(order, 6, views(epoch)).collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_views_are_the_same_for_any_number_of_threads_and_other_ones_in_each_epoch() {
        let order: Vec<usize> = (0..20).rev().collect();
        let one = collect(1, order.clone(), 0);
        assert_eq!(one[0].indices, [19, 18, 17, 16, 15, 14]);
        assert_eq!(one.len(), 4);
        for threads in [2, 5] {
            assert!(one == collect(threads, order.clone(), 0), "{threads} threads");
        }
        assert!(one != collect(2, order, 1));
    }

    #[test]
    fn every_view_is_drawn_by_itself_in_its_own_size() {
        let batch = collect(2, vec![3, 4], 0).remove(0);
        let [(first_size, first), (_, second), (small_size, small)] = &batch.views[..] else {
            panic!("three views were asked for")
        };
        assert_eq!((*first_size, first.len()), (8, 2 * 3 * 8 * 8));
        assert_ne!(first, second);
        assert_eq!((*small_size, small.len()), (4, 2 * 3 * 4 * 4));
        // An image's views do not depend on those around it.
        let alone = collect(1, vec![4], 0).remove(0);
        assert_eq!(alone.views[0].1, first[3 * 64..]);
        assert_eq!(alone.views[2].1, small[3 * 16..]);
    }

    #[test]
    fn a_senseless_recipe_is_one_error_and_the_end() {
        let mut senseless = views(0);
        senseless.recipes[1].augment.flip = 2.0;
        let mut batches = loader(unsplit(2, 2), 1, false).views(vec![0], 1, senseless);
        assert!(batches.next().unwrap().is_err());
        assert!(batches.next().is_none());
    }
}
