//! How well a network's features suit a task, told from one pass over the examples and without tuning: what to choose networks by.
//!
//! Every score is larger for the better features. Scores of one kind on the same examples can be compared, and no others.
//!
//! | score | file | what it looks at |
//! |---|---|---|
//! | [`log_me`] | `log_me` | the evidence of a Bayesian linear model of the classes (You et al. 2021) |
//! | [`h_score`] | `h_score` | how much of the spread lies between the classes (Bao et al. 2019) |
//! | [`shrunk_h_score`] | `shrunk_h_score` | the same with a covariance that is drawn to a sphere (Ibrahim et al. 2021) |
//! | [`trans_rate`] | `trans_rate` | how much shorter a code of the features is within the classes (Huang et al. 2022) |
//! | [`leep`] | `leep` | what the source's probabilities tell of the classes (Nguyen et al. 2020) |
//! | [`nce`] | `nce` | what the source's likeliest class tells of them (Tran et al. 2019) |
//! | [`neighbours_accuracy`] | `neighbours` | the classes of the nearest neighbours |
//! | [`probe_accuracy`] | `probe` | logistic regression, measured on other examples |
//!
//! ```
//! use tl_train::transferability::{LabelledFeatures, h_score};
//!
//! let features = [0.0f32, 1.0, 10.0, 11.0]; // four examples of one number each
//! let apart = LabelledFeatures::new(&features, &[0, 0, 1, 1], 2).unwrap();
//! let mixed = LabelledFeatures::new(&features, &[0, 1, 0, 1], 2).unwrap();
//! assert!(h_score(&apart).unwrap() > h_score(&mixed).unwrap());
//! ```

mod directions;
mod error;
mod h_score;
mod labelled_features;
mod leep;
mod log_me;
mod nce;
mod neighbours;
mod probe;
mod shrunk_h_score;
mod trans_rate;

pub use error::ScoreError;
pub use h_score::h_score;
pub use labelled_features::LabelledFeatures;
pub use leep::leep;
pub use log_me::log_me;
pub use nce::{nce, source_labels};
pub use neighbours::neighbours_accuracy;
pub use probe::probe_accuracy;
pub use shrunk_h_score::shrunk_h_score;
pub use trans_rate::trans_rate;

#[cfg(test)]
mod tests;
