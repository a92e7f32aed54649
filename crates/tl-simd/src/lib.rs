#![doc = include_str!("../README.md")]

pub mod act;
pub mod conv;
pub mod depthwise;
pub mod level;
pub mod norm;

mod rows;
mod tile;

#[cfg(test)]
mod testing;

pub use act::Act;
pub use level::Level;
