//! Texts: sentences, pairs of sentences, documents.
//!
//! | module | what it holds |
//! |---|---|
//! | `texts` | [`Texts`]: what was read, with classes and parts |
//! | `read` | from CSV, TSV, JSON lines, plain lines and folders |
//! | `vocabulary` | [`Tokenizer`]: from texts to numbers of pieces (feature `text`) |
//! | `blocks` | [`Blocks`]: texts joined and cut into equal lengths, for a language model (feature `text`) |
//! | `windows` | [`Windows`]: long texts in windows that overlap |
//! | `encode_windows` | from texts to windows of pieces (feature `text`) |
//! | `encoded` | [`EncodedTexts`]: texts as numbers |
//! | `length` | orders in which batches hold texts of like length |
//! | `sentiment` | ratings by people as two classes |
//! | `tagged` | [`Tagged`]: sentences whose words have tags |
//! | `conll` | from files with a word and its tag a line |
//! | `scheme` | [`Scheme`]: how tags mark entities |
//! | `tf_idf` | [`TfIdf`]: words weighed by how rare they are |
//! | `word_places` | which pieces are which word (feature `text`) |
//! | `word_pieces` | a tokenizer from `vocab.txt` alone (feature `text`) |
//! | `words` | [`words`](words()): the words of a line |

mod blocks;
mod conll;
#[cfg(feature = "text")]
mod encode_windows;
mod encoded;
mod length;
mod read;
mod scheme;
mod sentiment;
mod tagged;
mod texts;
mod tf_idf;
#[cfg(feature = "text")]
mod vocabulary;
mod windows;
#[cfg(feature = "text")]
mod word_pieces;
#[cfg(feature = "text")]
mod word_places;
mod words;

pub use blocks::Blocks;
pub use encoded::{EncodedTagged, EncodedTexts, EncodedWords, Encoding};
pub use length::{batches_by_length, longest_first};
pub use read::Columns;
pub(crate) use read::read as read_text;
pub use scheme::{Mark, Scheme, mark_and_type};
pub use tagged::{OUTSIDE, Sentence, Tagged};
pub use texts::{TextItem, Texts};
pub use tf_idf::TfIdf;
#[cfg(feature = "text")]
pub use vocabulary::Tokenizer;
pub use windows::Windows;
pub use words::words;
