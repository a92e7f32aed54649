//! Several views of each training image behind a frozen prefix, made once: a middle way between images that are never varied and
//! frozen stages that are computed anew in every epoch.
//!
//! View 0 is the image as it is, which the validation part has alone. The others are drawn once, from the run's seed. Epoch `e` of a phase is
//! trained on view `e mod n`.

use tl_core::{Backbone, Head, ResolvedPhase, Solver};
use tl_data::View;

use super::session::Session;
use crate::features::FeatureStore;

/// The rows of all views in one store.
pub(crate) struct CachedViews {
    pub store: FeatureStore,
    pub count: usize,
    /// What the numbers of the rows of one view are higher by than those of the view before it.
    pub stride: usize,
}

impl CachedViews {
    /// What the numbers of the rows are higher by in the epoch of `view`; those of the images as they are without one.
    pub fn offset(&self, view: Option<&View>) -> usize {
        let place = |view: &View| (view.epoch % self.count.max(1) as u64) as usize;
        view.map_or(0, place) * self.stride
    }
}

/// One pass in which a cache is filled: some items in one view.
pub(super) struct Filling {
    pub items: Vec<usize>,
    pub view: Option<View>,
    pub offset: usize,
}

impl<B: Backbone + Sync + 'static, H: Head> Session<'_, B, H> {
    /// How many views of the training images a phase keeps.
    pub(super) fn cached_views(&self, phase: &ResolvedPhase) -> usize {
        let varied = phase.cut > 0 && phase.phase.augment;
        match varied && phase.phase.solver == Solver::Gradient {
            true => self.settings.cached_views,
            false => 1,
        }
    }

    /// What the cache of a phase with so many views is filled with: all items as they are, then the training part in each of the
    /// other views.
    pub(super) fn fillings(&self, count: usize) -> Vec<Filling> {
        let plain = Filling { items: self.sorted(self.items()), view: None, offset: 0 };
        let varied = (1..count).map(|place| Filling {
            items: self.sorted(self.labelled(&self.task.split.train)),
            view: super::feed::view(Some(&self.task.augment), self.settings.seed, place),
            offset: place * self.labels.len(),
        });
        std::iter::once(plain).chain(varied).collect()
    }
}
