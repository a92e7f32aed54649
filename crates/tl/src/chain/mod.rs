//! Tasks learnt one after another, and how much of the earlier ones is left.
//!
//! A chain is a list of [`Link`]s. Each becomes a run of its own in the chain's folder, `01-NAME`, `02-NAME`, …, and begins with the
//! weights that the one before it left or, with adapters, with those that the chain began with. After each, all tasks so far are
//! measured anew: the rows of the matrix.
//!
//! | module | what it holds |
//! |---|---|
//! | `request` | [`ChainRequest`], [`Link`], [`Begin`] |
//! | `prepare` | [`prepare_chain`]: what is checked before anything is learnt |
//! | `course` | [`PreparedChain`]: link after link, and going on where it stopped |
//! | `standing` | the network as it stands after some links, with the heads of all of them |
//! | `heads` | several heads behind one network |
//! | `kept` | [`KEPT_FILE`]: what was measured so far |
//! | [`figures`] | average accuracy, backward and forward transfer, forgetting |
//! | `record` | [`ChainRecord`]: `chain.json` |
//! | `page` | `report.html` |

mod course;
pub mod figures;
mod heads;
mod kept;
mod page;
mod prepare;
mod record;
mod request;
mod standing;

pub use course::PreparedChain;
pub use kept::{Asked, AskedTask, Cell, KEPT_FILE, Kept, Probes, Row};
pub use prepare::prepare_chain;
pub use record::{CHAIN_FILE, ChainRecord, Memory};
pub use request::{Begin, ChainRequest, Link};

use tl_train::Progress;

use crate::Error;

/// Prepares a chain and carries it out.
///
/// # Errors
/// As [`prepare_chain`] and [`PreparedChain::fit`].
pub fn chain(request: ChainRequest, progress: &mut dyn Progress) -> Result<ChainRecord, Error> {
    prepare_chain(request)?.fit(progress)
}
