//! Batch normalisation with the statistics of the batch (Ioffe and Szegedy, 2015), channels last.
//!
//! Values are `[pixels, channels]`, where pixels are those of all images. Each function passes over memory once, so
//! that a training step reads and writes as little as it can: [`statistics`] and [`normalise`] forward, [`sums`] and
//! [`input_gradient`] backward.

mod backward;
mod forward;

#[cfg(test)]
mod tests;

pub use backward::{
    Inputs, Slope, Sums, channel_sums, input_gradient, input_gradient_in_place, sums, through_act,
};
pub use forward::{normalise, scale_and_shift, statistics};
