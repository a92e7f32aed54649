#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`activation`] | what flows between stages: [`Activation`], [`FeatureMap`] |
//! | [`tokens`] | sequences: [`Pieces`], [`Tokens`], and how one becomes a vector |
//! | [`backbone`] | the contract of a network: [`Stage`], [`Backbone`], [`Head`], [`Model`], [`FrozenPrefix`] |
//! | [`causal`] | what networks that see the past alone can do beside: [`CausalCache`] |
//! | [`visible`] | what networks of patches can do beside: [`VisibleTokens`] |
//! | [`plan`] | what happens to each stage: [`Plan`], [`Phase`], [`apply`], [`TrainableReport`] |
//! | [`optimizer`] | SGD and AdamW by path: [`Optimizer`], [`OptimizerConfig`] |
//! | [`rows`] | activations as rows of numbers: [`RowShape`] |
//! | [`schedule`] | [`Schedule`]: one-cycle, warm-up and cosine, slanted triangular |
//! | [`gradients`] | the norm of all gradients together, for clipping and for finding what is not finite; their change |
//! | [`pattern`] | names by regular expression |
//! | [`parameters`] | walking over the parameters of a module by path |

pub mod activation;
pub mod backbone;
pub mod causal;
mod error;
pub mod gradients;
pub mod optimizer;
pub mod parameters;
pub mod pattern;
pub mod plan;
pub mod rows;
pub mod schedule;
pub mod tokens;
pub mod visible;

pub use activation::{Activation, FeatureMap, Layout, Pass};
pub use backbone::{
    Backbone, ExpectedImages, ExpectedInput, ExpectedTexts, FrozenPrefix, HEAD, Head, Model, Stage,
};
pub use causal::{CausalCache, Past, PastLayer};
pub use error::CoreError;
pub use optimizer::{Optimizer, OptimizerConfig};
pub use pattern::Pattern;
pub use plan::{
    Freeze, NormPolicy, Phase, PhaseReport, PhaseTime, Pick, Plan, Regulariser, ResolvedPhase,
    Solver, StageRow, TrainableReport, Trained, apply,
};
pub use rows::RowShape;
pub use schedule::Schedule;
pub use tl_random::rng;
pub use tokens::{Pieces, TokenPooling, Tokens};
pub use visible::{PatchGrid, VisibleTokens};
