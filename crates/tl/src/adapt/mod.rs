//! Domain adaptation as a verb: labels from one domain, use in another, chosen without target labels.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | [`AdaptOptions`] that decide a result, and the plans they stand for |
//! | `methods` | which methods there are here: those of `tl-adapt` and `fda` |
//! | `data` | [`TargetData`], images by name: folders, digits, what is part of the program |
//! | `domains` | [`LoadedDomains`]: `tl-data`'s loaders as the two domains of the loop |
//! | `prepare` | [`AdaptRequest`], [`prepare_adaptation`] |
//! | `target` | what the target's images are for |
//! | `course` | the source phase once, then each method from there, and the pick |
//! | `findings` | features, class-wise gains and losses, the oracle |
//! | `map` | features in the plane |
//! | `record` | [`AdaptRecord`]: what `run.json` says of it |
//! | `page` | the sections of `report.html` |

mod course;
mod data;
mod domains;
mod findings;
mod map;
mod methods;
mod options;
mod page;
mod prepare;
mod record;
mod target;

pub use data::{
    TargetData, open_images, open_images_as, open_sources, open_sources_as, open_texts,
};
pub use domains::{Chosen, LoadedDomains};
pub use methods::{CORE, named, names};
pub use options::AdaptOptions;
pub(crate) use page::sections;
pub use prepare::{AdaptRequest, PreparedAdaptation, prepare_adaptation};
pub use record::{AdaptRecord, Candidate, ClassChange, LN_2_NOTE, OracleRecord, TargetRecord};

use tl_train::Progress;

use crate::{Error, Run};

/// Prepares and adapts.
///
/// # Errors
/// As [`prepare_adaptation`] and [`PreparedAdaptation::fit`].
pub fn adapt(request: AdaptRequest, progress: &mut dyn Progress) -> Result<Run, Error> {
    prepare_adaptation(request)?.fit(progress)
}
