//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

#[path = "../../tl-models/tests/formula/mod.rs"]
mod formula;
mod support;

mod collapse;
mod losses;
mod mae;
mod methods;
mod pretraining;
