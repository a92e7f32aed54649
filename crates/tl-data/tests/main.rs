//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod fetched;
mod mixed;
mod whole_words;
mod windows;
