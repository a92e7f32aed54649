#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`adapter`] | what may be fitted to a layer: [`Slot`], [`Adapter`] |
//! | [`conv`](mod@conv) | [`Conv2d`] and the unit [`conv_norm`]: convolution, norm, residual, nonlinearity |
//! | [`norm`] | [`BatchNorm2d`] |
//! | [`shared`] | [`share`]: a map that several branches read |
//! | [`linear`](mod@linear) | [`Linear`], [`linear()`], [`side_by_side`], [`Dropout`], [`LinearHead`] |
//! | [`attention`](mod@attention) | [`attention()`], [`LayerNorm`], [`gelu`] |
//! | [`embedding`] | [`Embedding`]: vectors looked up by number |
//! | [`lstm`] | [`Lstm`]: a recurrent layer |
//! | [`transformer`] | [`Block`]: attention and two linear layers, each behind a norm |
//! | [`optimizer`] | [`Fused`]: steps of an optimizer in one pass |
//! | [`loss`] | [`cross_entropy`], [`weighted_cross_entropy`] |
//! | [`pool`] | [`max_pool`], [`average_pool`], [`adaptive_average_pool`] |
//! | [`maps`] | [`concatenate`], [`silu`], [`scale_channels`]: what is done to whole feature maps |
//! | [`stochastic_depth`] | [`StochasticDepth`]: branches left out at random |
//! | [`reversal`] | [`reverse_gradient`], for adversarial methods |
//! | [`frozen`] | [`compile`]: stages that stand still |
//! | [`buffer`] | [`Buffer`]: state that moves without a gradient |
//! | [`count`] | [`multiply_adds`]: what a network costs, by its shapes |
//! | [`memory`] | an allocator that counts |
//! | `extension` | Burn's internals: fused units as operations of their own |
//!
//! On a flex device the units run the kernels of `tl-simd`, on every other device Burn's operations.

pub mod adapter;
pub mod attention;
pub mod buffer;
pub mod conv;
pub mod count;
pub mod embedding;
mod extension;
pub mod frozen;
pub mod linear;
pub mod loss;
pub mod lstm;
pub mod maps;
pub mod memory;
mod nonlinearity;
pub mod norm;
pub mod optimizer;
pub mod pool;
pub mod reversal;
pub mod shared;
pub mod stochastic_depth;
pub mod transformer;

pub use adapter::{Adapter, Slot};
pub use attention::{AttentionMask, Gelu, LayerNorm, attention, attention_of_last, gelu};
pub use buffer::Buffer;
pub use conv::{Conv2d, Conv2dConfig, conv, conv_norm};
pub use count::multiply_adds;
pub use embedding::Embedding;
pub use extension::ConvShape;
pub use frozen::{StandingWeights, compile, has_half_precision, numerics, with_half_precision};
pub use linear::{Dropout, Linear, LinearHead, linear, side_by_side};
pub use loss::{cross_entropy, weighted_cross_entropy};
pub use lstm::Lstm;
pub use maps::{channels_last, concatenate, scale_channels, silu};
pub use nonlinearity::Nonlinearity;
pub use norm::BatchNorm2d;
pub use optimizer::Fused;
pub use pool::{adaptive_average_pool, average_pool, max_pool, max_pool_to_edge};
pub use reversal::reverse_gradient;
pub use shared::{Shared, share};
pub use stochastic_depth::StochasticDepth;
pub use transformer::{Block, BlockActivation, BlockConfig};
