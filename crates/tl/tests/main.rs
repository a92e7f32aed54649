//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod domains;
mod networks;
mod predictor;
mod registry;
mod sentences;
