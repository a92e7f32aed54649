//! Finding where a value stopped being a number.

use burn::prelude::*;
use tl_core::{Activation, Backbone, HEAD, Head, Model, Pass, ResolvedPhase};

/// The first stage after the cut whose output is not finite, in a pass without a graph; the input
/// itself, or the loss when all of them are finite.
pub(crate) fn first_not_finite<B: Backbone, H: Head>(
    model: &Model<B, H>,
    input: Activation,
    cut: usize,
) -> String {
    let model = model.valid();
    let mut activation = input.without_autodiff();
    if !is_finite(&activation) {
        return "the input of the trained stages".into();
    }
    for (index, stage) in model.backbone.stages().into_iter().enumerate().skip(cut) {
        match model.backbone.forward_stages(activation, index..index + 1, Pass::default()) {
            Ok(next) if is_finite(&next) => activation = next,
            _ => return format!("stage {}", stage.name),
        }
    }
    let logits = model.head.forward(activation, Pass::default()).map(Activation::Vector);
    if logits.is_ok_and(|logits| is_finite(&logits)) {
        return "the loss".into();
    }
    format!("stage {HEAD}")
}

fn is_finite(activation: &Activation) -> bool {
    activation.clone().into_rows().is_ok_and(|values| values.iter().all(|value| value.is_finite()))
}

/// The stage that the first of `paths` belongs to.
pub(crate) fn stage_of(paths: &[String], phase: &ResolvedPhase) -> String {
    let path = paths.first().map(String::as_str).unwrap_or_default();
    match phase.setting(path) {
        Some(setting) => format!("stage {} ({path})", setting.name),
        None => path.to_string(),
    }
}
