//! Bottleneck adapters (Houlsby et al. 2019, arXiv 1902.00751, section 2.1).
//!
//! `y + W₂·relu(W₁·y + b₁) + b₂` behind attention and behind the feed-forward part, before each one's sum with its input;
//! in convolutional networks behind a block's norm, pixel by pixel. `W₁` is `[hidden, width]`, even between ±1/√width,
//! `W₂` is `[width, hidden]` and 0, so that the first output is that of the network alone.

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::rng;
use tl_kernels::adapter::{Adapter, Bottleneck};

use crate::targets::Layer;

/// The last layer of each branch.
pub(crate) const USUAL: &[&[&str]] = &[
    &["output", "outer"],
    &["attn.proj", "mlp.fc2"],
    &["attn.c_proj", "mlp.c_proj"],
    &["conv3"],
    &["conv2"],
];

/// The bottleneck behind a layer as it begins.
pub(crate) fn begin(hidden: usize, layer: &Layer, seed: u64, device: &Device) -> Adapter {
    let width = layer.site.output;
    let bound = 1.0 / (width.max(1) as f64).sqrt();
    let mut random = rng(seed, &format!("{}.adapter.bottleneck.down", layer.path), 0, 0);
    let count = hidden * width;
    let down: Vec<f32> = (0..count).map(|_| random.between(-bound, bound) as f32).collect();
    let down = Tensor::from_data(TensorData::new(down, [hidden, width]), device);
    let bottleneck = Bottleneck::new(down, Tensor::zeros([width, hidden], device));
    Adapter { bottleneck: Some(bottleneck), ..Adapter::default() }
}
