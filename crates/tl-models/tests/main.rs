//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod formula;
mod networks;
mod recorded;
mod training;

mod contract;
mod encoders;
mod export;
mod fetched;
mod freezing;
mod gpt2;
mod initial;
mod load_and_save;
mod lstm;
mod masked;
mod origins;
mod parity;
mod photos;
mod random_branches;
mod small_conv;
mod trainable_report;
mod vit;
