//! DELTA: the outputs of stages stay near those that the first weights gave (Li et al. 2019, arXiv 1901.09229, equations 2 to 5).
//!
//! Weights may go where they like as long as the features of the new images keep their meaning. Beside the loss stands
//! `α · Σ_stages ½ · mean over batch and places of Σ_c (a_c − a⁰_c)²` and `β/2 · ‖v‖²`: `a` the output of a trained stage with channels
//! `c`, `a⁰` what it is with the weights that the run began with, whose statistics stand still, `v` the parameters of the head.
//! Every channel weighs the same, as in the paper's comparison without attention.

use burn::prelude::*;
use tl_core::{Activation, Backbone, CoreError, FeatureMap, Pass};

/// Runs the stages from `from` on; answers what the last one made, what it makes in the network `first`, and how far the outputs of
/// all lie from those of that, of shape `[1]`.
///
/// # Errors
/// As [`Backbone::forward_stages`]; a network none of whose stages makes feature maps.
pub(super) fn forward<B: Backbone>(
    backbone: &B,
    first: &B,
    input: Activation,
    from: usize,
    pass: Pass,
) -> Result<(Activation, Activation, Tensor<1>), CoreError> {
    let mut before = input.clone().without_autodiff();
    let mut now = input;
    let mut sum: Option<Tensor<1>> = None;
    for stage in from..backbone.stages().len() {
        now = backbone.forward_stages(now, stage..stage + 1, pass)?;
        before = first.forward_stages(before, stage..stage + 1, Pass::default())?;
        if let (Activation::Image(now), Activation::Image(before)) = (&now, &before) {
            let distance = distance(now.clone(), before.clone());
            sum = Some(match sum {
                Some(sum) => sum + distance,
                None => distance,
            });
        }
    }
    let sum = sum.ok_or_else(|| CoreError::Unable {
        network: "a network without feature maps".into(),
        what: "be held to the outputs of its stages by delta",
        instead: "resnet50 or another network of convolutions",
    })?;
    Ok((now, before, sum))
}

/// `½ · mean over batch and places of Σ_c (now_c − before_c)²`, of shape `[1]`.
fn distance(now: FeatureMap, before: FeatureMap) -> Tensor<1> {
    let [batch, _, height, width] = now.dims();
    let now = now.into_channels_first();
    let before = before.into_channels_first();
    let before = if now.is_autodiff() { before.autodiff() } else { before };
    (now - before).powi_scalar(2).sum().mul_scalar(0.5 / (batch * height * width).max(1) as f64)
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    const NOW: [f64; 8] = [0.5, 1.0, -0.5, 2.0, 0.25, -1.0, 1.5, 0.75];
    const BEFORE: [f64; 8] = [0.0, 1.5, -0.5, 1.0, 0.5, 0.5, 1.0, 0.0];

    fn map(values: [f64; 8], device: &Device) -> Tensor<4> {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, [2, 2, 1, 2]), device)
    }

    /// Of two images of two channels with two places.
    fn reference(now: &[f64; 8]) -> f64 {
        now.iter().zip(BEFORE).map(|(now, before)| (now - before).powi(2)).sum::<f64>() / 2.0 / 4.0
    }

    #[test]
    fn value_and_gradient_are_those_of_the_formula() {
        let now = map(NOW, &Device::flex().autodiff()).require_grad();
        let before = FeatureMap::channels_first(map(BEFORE, &Device::flex()));
        let found = distance(FeatureMap::channels_first(now.clone()), before);
        let gradients = found.clone().backward();
        let value = found.into_data().try_to_vec::<f32>().unwrap()[0];
        assert!((f64::from(value) - reference(&NOW)).abs() < 1e-6);
        let found = now.grad(&gradients).unwrap().into_data().try_to_vec::<f32>().unwrap();
        for (place, found) in found.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut now = NOW;
                now[place] += by;
                reference(&now)
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}
