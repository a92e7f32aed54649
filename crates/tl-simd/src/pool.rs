//! Pooling, channels last: the greatest of windows, their means, and the mean of an image.

mod average;
mod max;

#[cfg(test)]
mod tests;

pub use average::{
    adaptive_average, adaptive_average_backward, global_average, global_average_backward,
};
pub use max::{Window, max, max_backward};
