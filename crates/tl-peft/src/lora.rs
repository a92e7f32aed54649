//! LoRA: a low-rank change of a weight (Hu et al. 2021, arXiv 2106.09685, equation 3).
//!
//! `y = W·x + b + s·B·A·dropout(x)` with `s = α/rank`; `A` is `[rank, in]`, even between ±1/√in as PEFT draws it, `B` is
//! `[out, rank]` and 0, so that the first output is that of the weights alone. Of a convolution `A` has the size of its
//! window, and `B` is one of 1 by 1.

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::rng;
use tl_kernels::adapter::{Adapter, LowRank, Site};

use crate::config::Lora;

/// The low-rank path of the layer at `path` as it begins.
pub(crate) fn begin(config: &Lora, path: &str, site: &Site, seed: u64, device: &Device) -> LowRank {
    let fan_in = site.fan_in();
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    let mut random = rng(seed, &format!("{path}.adapter.low_rank.a"), 0, 0);
    let count = config.rank * fan_in;
    let a: Vec<f32> = (0..count).map(|_| random.between(-bound, bound) as f32).collect();
    let a = Tensor::from_data(TensorData::new(a, [config.rank, fan_in]), device);
    let b = Tensor::zeros([site.output, config.rank], device);
    let name = format!("{path}.lora");
    LowRank::new(a, b, config.scaling(), (&name, config.dropout))
}

/// The layers that PEFT adapts where nothing is said, by their names here.
pub(crate) const USUAL: &[&[&str]] = &[&["query", "value"], &["qkv"], &["c_attn"]];

/// `W + s·B·A` in f64, `weight` in row order.
pub(crate) fn merged(weight: &[f32], [a, b]: [&[f32]; 2], rank: usize, scaling: f64) -> Vec<f64> {
    let fan_in = a.len() / rank.max(1);
    let mut whole: Vec<f64> = weight.iter().map(|value| f64::from(*value)).collect();
    for (row, b) in whole.chunks_exact_mut(fan_in.max(1)).zip(b.chunks_exact(rank.max(1))) {
        for (a, b) in a.chunks_exact(fan_in.max(1)).zip(b) {
            let factor = scaling * f64::from(*b);
            row.iter_mut().zip(a).for_each(|(value, a)| *value += factor * f64::from(*a));
        }
    }
    whole
}

/// Whether `adapter` is one.
pub(crate) fn of(adapter: &Adapter) -> Option<&LowRank> {
    adapter.low_rank.as_ref()
}
