//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod support;

mod judges;
mod losses;
mod norms;
mod runs;
mod test_time;
mod validators;
