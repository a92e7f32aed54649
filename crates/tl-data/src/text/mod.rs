//! Texts: sentences, pairs of sentences, documents.
//!
//! | module | what it holds |
//! |---|---|
//! | `texts` | [`Texts`]: what was read, with classes and parts |
//! | `read` | from CSV, TSV, JSON lines, plain lines and folders |
//! | `vocabulary` | [`Tokenizer`]: from texts to numbers of pieces (feature `text`) |
//! | `blocks` | [`Blocks`]: texts joined and cut into equal lengths, for a language model (feature `text`) |
//! | `encoded` | [`EncodedTexts`]: texts as numbers |
//! | `length` | orders in which batches hold texts of like length |
//! | `sentiment` | ratings by people as two classes |

#[cfg(feature = "text")]
mod blocks;
mod encoded;
mod length;
mod read;
mod sentiment;
mod texts;
#[cfg(feature = "text")]
mod vocabulary;

#[cfg(feature = "text")]
pub use blocks::Blocks;
pub use encoded::{EncodedTexts, Encoding};
pub use length::{batches_by_length, longest_first};
pub use read::Columns;
pub use texts::{TextItem, Texts};
#[cfg(feature = "text")]
pub use vocabulary::Tokenizer;
