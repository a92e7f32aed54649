//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod support;

mod adapters;
mod language;
mod peft_files;
