//! Language models: fitted on texts without labels, measured by perplexity; a causal one is asked to go on with a text.
//!
//! | module | what it holds |
//! |---|---|
//! | `data` | [`LanguageData`]: blocks of which the next piece is asked for, texts whose words are hidden |
//! | `prepare` | [`prepare_language`], [`PreparedLanguage`]: from texts to a run |
//! | `run` | [`LanguageRun`], [`Perplexity`]: open and measure |
//! | `generate` | [`Writer`], [`Sampling`]: go on with a prompt |

mod data;
mod generate;
mod prepare;
mod run;

pub use data::LanguageData;
pub use generate::{Sampling, Writer, Written};
pub use prepare::{PreparedLanguage, prepare_language};
pub use run::{LanguageRecord, LanguageRun, Perplexity};
