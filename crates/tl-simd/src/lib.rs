#![doc = include_str!("../README.md")]

pub mod act;
pub mod level;

pub use act::Act;
pub use level::Level;
