#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`contract`] | what a method is: [`Method`], [`SourceBatch`], [`TargetBatch`], [`Terms`], [`Round`] |
//! | [`methods`] | one file a method: loss, formula, shapes, paper |
//! | [`validators`] | scores without target labels: [`Validator`], [`Scores`], [`choose`] |
//! | [`oracle`] | accuracy on target labels, which cannot choose: [`Oracle`] |
//! | [`domains`] | two domains and how their examples are paired: [`Domains`], [`InMemory`] |
//! | [`adapt`](mod@adapt) | the loop: [`adapt()`], [`Task`], [`Adapted`] |
//! | [`test_time`] | adaptation on a stream of batches: [`TestTime`](test_time::TestTime) |
//! | [`options`] | [`Settings`] that decide a result |
//! | [`rows`] | what is noted down for each epoch: [`AdaptRow`] |
//! | [`networks`] | discriminators and other networks of a method's own |
//! | [`outputs`] | features and logits on the host |
//! | [`a_distance`](mod@a_distance), [`negative_transfer`] | how far apart the domains are; signs of harm |

pub mod a_distance;
pub mod adapt;
pub mod contract;
pub mod domains;
mod error;
mod linear_algebra;
pub mod methods;
pub mod negative_transfer;
pub mod networks;
pub mod options;
pub mod oracle;
pub mod outputs;
mod parts;
pub mod rows;
pub mod test_time;
pub mod validators;

pub use a_distance::a_distance;
pub use adapt::{Adapted, Task, adapt, check_resume};
pub use contract::{
    EpochStart, Method, Round, Sizes, SourceBatch, Step, TargetBatch, Term, Terms, Trains,
};
pub use domains::{Domains, Examples, InMemory, LabelledExamples, PairedItems, Part, View};
pub use error::AdaptError;
pub use networks::{Mlp, NetworkShape, Networks};
pub use options::{Batches, Keep, Settings};
pub use oracle::{Oracle, OracleAccuracy};
pub use outputs::{LabelledOutputs, Outputs};
pub use parts::HeadValues;
pub use rows::AdaptRow;
pub use validators::{Evidence, Scores, Validator, choose, prefer};
