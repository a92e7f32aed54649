#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`fit`](mod@fit) | the loop: [`fit()`], [`predict`], [`Task`], [`Fitted`] |
//! | [`options`] | [`Settings`] that decide a result, [`Conduct`] that does not |
//! | [`checkpoint`] | one file that holds all that a run needs to go on |
//! | `answers` | [`Answers`]: items with several answers, such as words |
//! | `deadline` | until when a run may go on: [`Deadline`], [`Clock`] |
//! | [`dataset`] | what a run is fitted on: [`Dataset`], [`TextDataset`], [`TaggedDataset`] |
//! | `features` | the outputs of a frozen prefix, computed once |
//! | [`ema`] | a moving average of the weights, norm statistics included |
//! | [`grad_cam`](mod@grad_cam) | where a network looks |
//! | [`knn`] | classification by the nearest neighbours of an embedding |
//! | [`loss`] | cross-entropy, of one class or of several, the squared error, and the value of a loss |
//! | [`logistic`] | a linear head trained to convergence |
//! | [`metrics`] | accuracy with its interval, scores per class, confusion; R² of numbers |
//! | `numbers` | [`Numbers`]: what items are answered with that have no class |
//! | `pairs` | [`PairDataset`]: texts that belong together, two by two |
//! | [`progress`] | what a run tells while it goes on; [`EpochRow`] |
//! | [`regularise`] | terms beside the loss: L2-SP, DELTA, batch spectral shrinkage, EWC, MAS, SI, LwF, rehearsal |
//! | [`report`] | `report.html`, one page that needs nothing else |
//! | `resident` | how much memory the program holds |
//! | `several` | [`Several`]: items that may have several labels or none |
//! | `symmetric` | large symmetric matrices: eigenvalues and logarithms of determinants |
//! | `tensor_file` | named values and numbers in one file |
//! | [`transferability`] | how well features suit a task, without tuning: LogME, H-score, LEEP and others |
//! | [`files`] | files that are whole or not there |

mod answers;
pub mod checkpoint;
pub mod dataset;
mod deadline;
pub mod ema;
mod error;
mod features;
pub mod files;
pub mod fit;
pub mod grad_cam;
pub mod knn;
pub mod logistic;
pub mod loss;
pub mod metrics;
mod numbers;
pub mod options;
mod pairs;
pub mod progress;
pub mod regularise;
pub mod report;
mod resident;
mod several;
mod symmetric;
pub mod tensor_file;
pub mod transferability;

pub use answers::{Answers, WordLogits};
pub use dataset::{BlockDataset, Dataset, TaggedDataset, TextDataset};
pub use deadline::{Clock, Deadline, Later, WallClock};
pub use error::TrainError;
pub use features::{FeatureStore, Room};
pub use fit::{
    Fitted, Predictions, Task, check_resume, fit, measure_part, plain_device, predict, time_used,
};
pub use numbers::{Numbers, Scale};
pub use options::{Conduct, Keep, Settings};
pub use pairs::PairDataset;
pub use progress::{EpochRow, Lines, Progress, Silent, Step};
pub use regularise::{Earlier, EarlierHead, Memory};
pub use resident::resident_bytes;
pub use several::{Several, SeveralDataset};
