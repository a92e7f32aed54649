//! Adapters from elsewhere: a folder in PEFT's format, put on its base and merged into it.
//!
//! | module | what it holds |
//! |---|---|
//! | `source` | `Foreign`: the folder as a source of weights |
//! | `place` | where adapters and bases lie, by the words of `--weights` |
//! | `run` | a classifier or a language model of base and adapters, as a run: measured, asked, written in one file |

mod place;
mod run;
mod source;

pub use run::{holds_language, merge_into};
pub(crate) use source::Foreign;
