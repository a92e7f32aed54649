//! Pre-training as a verb: images without labels in, a weights file out that any plan begins with.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | [`PretrainOptions`] that decide a result, and the plan they stand for |
//! | `prepare` | [`PretrainRequest`], [`prepare_pretraining`] |
//! | `course` | the method by its name, and the run's folder |
//! | `record` | [`PretrainRecord`]: what `run.json` says of it |
//! | `page` | the sections of `report.html` |

mod course;
mod options;
mod page;
mod prepare;
mod record;

pub use options::PretrainOptions;
pub(crate) use page::sections;
pub use prepare::{PreparedPretraining, PretrainRequest, prepare_pretraining};
pub use record::{PictureRows, PretrainRecord};

use tl_train::Progress;

use crate::{Error, RunRecord};

/// Prepares and pre-trains; answers the run's record.
///
/// # Errors
/// As [`prepare_pretraining`] and [`PreparedPretraining::fit`].
pub fn pretrain(request: PretrainRequest, progress: &mut dyn Progress) -> Result<RunRecord, Error> {
    prepare_pretraining(request)?.fit(progress)
}
