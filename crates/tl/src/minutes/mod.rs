//! Fitting within a time: what can be tried in it is tried, and the validation part chooses.
//!
//! `candidates` is what may be tried, `cost` what each is expected to take, `planner` tries in order of value while the time
//! allows; `within` fits for real, `score` is the figure that chooses, `kept` is what a resume goes on from, `record` what `run.json`
//! and the report say of it. `epochs` lays a plan over another number of epochs, `pace` notices a machine that grows slower.

mod candidates;
mod cost;
mod epochs;
mod kept;
mod pace;
mod planner;
mod record;
mod score;
mod within;

pub use record::{MinutesRecord, Tried};
pub use within::{Budget, PreparedWithin, prepare_within};

pub(crate) use record::sections;
