//! What is fitted on texts without labels: language models, measured by perplexity, of which a causal one is asked to go on with
//! a text; and makers of vectors, measured by which text they find for another.
//!
//! | module | what it holds |
//! |---|---|
//! | `data` | [`LanguageData`]: blocks of which the next piece is asked for, texts whose words are hidden, pairs |
//! | `prepare` | [`prepare_language`], [`PreparedLanguage`]: from texts to a run |
//! | `run` | [`LanguageRun`], [`Found`], [`Perplexity`]: open and measure |
//! | `generate` | [`Writer`], [`Sampling`]: go on with a prompt |

mod data;
mod generate;
mod prepare;
mod run;

pub use data::LanguageData;
pub use generate::{Sampling, Writer, Written};
pub use prepare::{PreparedLanguage, prepare_language};
pub use run::{Found, LanguageRecord, LanguageRun, Perplexity};
