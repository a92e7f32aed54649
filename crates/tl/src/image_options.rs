//! Options that only images have a place for: images that are mixed, and views of them that are kept.

use tl_core::{ResolvedPhase, Solver};

use crate::{Error, FinetuneOptions};

/// Refuses what would change nothing in a fitting of `images`, or of texts, in these phases.
///
/// # Errors
/// The first option that has no place, by its flag.
pub(crate) fn check(
    options: &FinetuneOptions,
    images: bool,
    phases: &[ResolvedPhase],
) -> Result<(), Error> {
    let some = |cut: fn(usize) -> bool| {
        phases.iter().any(|it| cut(it.cut) && it.phase.solver == Solver::Gradient)
    };
    if options.settings.mixes() {
        let mend = "leave out --mixup and --cutmix";
        if !images {
            return Err(Error::options("it is images that are mixed, and these are texts", mend));
        }
        if !some(|cut| cut == 0) {
            let what = "images are mixed where no stage before a trained one is frozen, which is nowhere here";
            return Err(Error::options(what, format!("{mend}, or take --recipe finetune")));
        }
    }
    if options.settings.cached_views == 1 {
        return Ok(());
    }
    let fault = if !images {
        "it is images that have views, and these are texts"
    } else if !options.tuning.augment {
        "nothing says how views of an image are made: --augment is not given"
    } else if !options.settings.cache {
        "with --no-cache nothing is kept"
    } else if !some(|cut| cut > 0) {
        "no phase by gradient has frozen stages whose outputs could be kept"
    } else {
        return Ok(());
    };
    Err(Error::options(fault, "leave out --cached-views"))
}

/// Refuses what has no place in a fitting of texts without labels.
///
/// # Errors
/// The first of them, by its flag.
pub(crate) fn check_without_labels(options: &FinetuneOptions) -> Result<(), Error> {
    if options.tuning.label_smoothing.is_some() {
        return Err(Error::options("these texts have no labels", "leave out --label-smoothing"));
    }
    check(options, false, &[])
}
