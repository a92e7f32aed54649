//! Language models: fitted on texts without labels, measured by perplexity, asked to go on with a text.
//!
//! | module | what it holds |
//! |---|---|
//! | `prepare` | [`prepare_language`], [`PreparedLanguage`]: from texts to a run |
//! | `run` | [`LanguageRun`], [`Perplexity`]: open and measure |
//! | `generate` | [`Writer`], [`Sampling`]: go on with a prompt |

mod generate;
mod prepare;
mod run;

pub use generate::{Sampling, Writer, Written};
pub use prepare::{PreparedLanguage, prepare_language};
pub use run::{LanguageRecord, LanguageRun, Perplexity};
