#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`config`] | [`AdapterConfig`]: which adapter, and its numbers |
//! | [`targets`] | which layers get one |
//! | [`attach`](mod@attach) | [`attach()`], [`detach`], [`trained`] |
//! | [`lora`], [`dora`], [`ia3`], [`prompt`], [`bottleneck`], [`bitfit`] | one kind each: formula, shapes, paper |
//! | [`merge`](mod@merge) | [`merge()`] into the weights, [`Merged::unmerge`] |
//! | [`switch`] | [`Switch`]: several on one base |
//! | [`record`] | [`AdapterRecord`]: all that was trained, apart from the base |
//! | [`file`](mod@file) | its folder: PEFT's two files, or one of our own |
//! | [`folder`] | [`PeftFolder`]: a folder of PEFT's from elsewhere |
//! | `peft` | the names and the configuration of PEFT |

pub mod attach;
pub mod bitfit;
pub mod bottleneck;
pub mod config;
pub mod dora;
mod error;
pub mod file;
pub mod folder;
pub mod ia3;
pub mod lora;
pub mod merge;
mod peft;
pub mod prompt;
pub mod record;
pub mod switch;
pub mod targets;

pub use attach::{attach, detach, trained};
pub use config::AdapterConfig;
pub use error::PeftError;
pub use folder::PeftFolder;
pub use merge::{Merged, check_mergeable, merge};
pub use record::AdapterRecord;
pub use switch::Switch;
