//! A small block below the progress bar that shows how training goes.
//!
//! `state` is what is known, `render` makes lines of it, `curve` a curve in a line.

mod curve;
mod render;
mod state;

pub use render::lines;
pub use state::State;
