#![doc = include_str!("../README.md")]

pub mod act;
pub mod attention;
pub mod conv;
pub mod cross_entropy;
pub mod depthwise;
pub mod gelu;
pub mod layer_norm;
pub mod layout;
pub mod level;
pub mod lstm;
pub mod norm;
pub mod optimizer;
pub mod pool;

mod math;
mod rows;
mod streaming;
mod tile;

#[cfg(test)]
mod testing;

pub use act::Act;
pub use level::Level;
