#![doc = include_str!("../README.md")]
//!
//! | module | what it holds |
//! |---|---|
//! | [`contract`] | what a method is: [`Method`], [`Step`], [`Terms`] |
//! | [`methods`] | one file a method: views, heads, loss, formula, shapes, paper |
//! | [`decoder`] | from the tokens of visible patches to the pixels of hidden ones |
//! | [`momentum`] | the teacher: a moving average of the network |
//! | [`pretrain`](mod@pretrain) | the loop: [`pretrain()`], [`Task`], [`Pretrained`] |
//! | [`monitor`] | watching for collapse: [`Monitor`](monitor::Monitor), [`Spread`](monitor::Spread) |
//! | [`knn`] | what features are good for, by their nearest neighbours: that of tl-train |
//! | [`attentive`] | a head that looks at all places: [`AttentiveHead`] |
//! | [`embed`] | images to embeddings |
//! | `masked_texts` | texts whose words are hidden anew in every epoch: [`MaskedTexts`] |
//! | [`projector`] | between an embedding and a loss that compares images |
//! | [`options`] | [`Settings`] that decide a result |
//! | [`view_options`] | changes to a method's own views: [`ViewOptions`] |
//! | [`rows`] | what is noted down for each epoch: [`PretrainRow`] |

pub mod attentive;
pub mod contract;
pub mod decoder;
pub mod embed;
mod error;
mod initial;
mod masked_texts;
pub mod methods;
pub mod momentum;
pub mod monitor;
pub mod options;
pub mod pretrain;
pub mod projector;
pub mod rows;
mod vectors;
pub mod view_options;

pub use attentive::AttentiveHead;
pub use contract::{Method, Pair, Shown, Sizes, Step, Term, Terms};
pub use decoder::{Decoder, DecoderShape};
pub use embed::embed_labelled;
pub use error::SslError;
pub use masked_texts::MaskedTexts;
pub use options::Settings;
pub use pretrain::{Pretrained, ProbeItems, Task, pretrain};
pub use rows::PretrainRow;
pub use tl_train::knn;
pub use view_options::ViewOptions;
