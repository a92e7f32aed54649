//! Every test of what the crate offers, as one program: files that are programs of their own compile the same networks again
//! and again.

mod toy;

mod accumulate;
mod cached_views;
mod deadline;
mod earlier;
mod grad_cam;
mod halfway;
mod importance;
mod label_smoothing;
mod metrics;
mod sweep;
