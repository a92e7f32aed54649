//! IA³: a factor for each value (Liu et al. 2022, arXiv 2205.05638, section 3.3).
//!
//! `y = l ⊙ (W·x + b)` where keys and values are made, `l` `[out]`; `y = W·(l ⊙ x) + b` where the feed-forward part ends,
//! `l` `[in]`. All begin at 1.

use burn::module::Param;
use burn::prelude::*;
use tl_kernels::adapter::{Adapter, SiteKind};

use crate::PeftError;
use crate::config::Ia3;
use crate::targets::{Layer, usual};

/// The layers that PEFT scales where nothing is said: `output.dense` there is both the attention's and the feed-forward
/// part's last layer.
const OUTPUTS: &[&[&str]] = &[&["key", "value"], &["qkv"], &["c_attn"]];
const INPUTS: &[&[&str]] = &[&["output", "outer"], &["fc2"], &["mlp.c_proj"]];

/// The same with what is usual where nothing was said.
pub(crate) fn filled(config: &Ia3, all: &[Layer]) -> Ia3 {
    let said = !config.targets.is_empty() || !config.feedforward.is_empty();
    if said {
        return config.clone();
    }
    let or = |preferred| usual(all, preferred).unwrap_or_default();
    Ia3 { targets: or(OUTPUTS), feedforward: or(INPUTS) }
}

/// The factors of a layer as they begin.
pub(crate) fn begin(layer: &Layer, on_input: bool, device: &Device) -> Result<Adapter, PeftError> {
    if layer.site.kind != SiteKind::Linear {
        return Err(PeftError::WrongSite {
            kind: "ia3",
            layer: layer.path.clone(),
            problem: "a convolution".into(),
            mend: "give lora or bottleneck, or targets that are linear layers",
        });
    }
    let width = if on_input { layer.site.input } else { layer.site.output };
    let factor = Some(Param::from_tensor(Tensor::ones([width], device)));
    Ok(match on_input {
        true => Adapter { scale_input: factor, ..Adapter::default() },
        false => Adapter { scale_output: factor, ..Adapter::default() },
    })
}

/// `W·diag(l)` or `diag(l)·W`, and what `diag(l)` makes of the bias.
pub(crate) fn merge(weight: &mut [f64], bias: &mut [f64], factor: &[f32], on_input: bool) {
    if on_input {
        for row in weight.chunks_exact_mut(factor.len().max(1)) {
            row.iter_mut().zip(factor).for_each(|(value, l)| *value *= f64::from(*l));
        }
        return;
    }
    let width = weight.len() / factor.len().max(1);
    for (row, l) in weight.chunks_exact_mut(width.max(1)).zip(factor) {
        row.iter_mut().for_each(|value| *value *= f64::from(*l));
    }
    bias.iter_mut().zip(factor).for_each(|(value, l)| *value *= f64::from(*l));
}
