#![doc = include_str!("../README.md")]

pub mod act;
pub mod conv;
pub mod level;

mod tile;

pub use act::Act;
pub use level::Level;
