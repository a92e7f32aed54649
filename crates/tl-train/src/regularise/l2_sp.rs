//! L2-SP: weights stay near those that the run began with (Li, Grandvalet and Davoine 2018, arXiv 1802.01483, equations 2 and 3).
//!
//! Beside the loss stands `α/2 · ‖w − w⁰‖² + β/2 · ‖v‖²`: `w` the trained parameters of the stages, `w⁰` what they were when the
//! weights were read, `v` those of the head, which has no beginning worth keeping. It is added to the gradients, `α · (w − w⁰)` and
//! `β · v`, before they are clipped; the decay of AdamW, which is no part of its gradient, stands beside it.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;

use super::quadratic;

/// Adds the term's gradients to those of the parameters of `module` that are trained; `first` are the values of the stages by path
/// when the run began.
pub(super) fn add<M: Module>(
    module: &M,
    gradients: &mut Gradients,
    first: &BTreeMap<String, Tensor<1>>,
    (strength, head): (f64, f64),
) {
    quadratic::add(module, gradients, strength, |path| {
        first.get(path).cloned().map(|it| (it, None))
    });
    quadratic::shrink(module, gradients, head, |path| path.starts_with("head."));
}

#[cfg(test)]
mod tests {
    use burn::module::Param;
    use burn::tensor::TensorData;

    use super::*;

    #[derive(Module, Debug)]
    struct Both {
        backbone: Stage,
        head: Stage,
    }

    #[derive(Module, Debug)]
    struct Stage {
        weight: Param<Tensor<2>>,
    }

    const FIRST: [f32; 4] = [0.5, -1.0, 2.0, 0.25];
    const NOW: [f32; 4] = [0.75, -1.5, 2.0, -0.5];
    const HEAD: [f32; 2] = [1.5, -0.5];

    fn stage<const N: usize>(values: [f32; N], device: &Device) -> Stage {
        let data = TensorData::new(values.to_vec(), [N / 2, 2]);
        Stage { weight: Param::from_tensor(Tensor::from_data(data, device).require_grad()) }
    }

    /// The gradients of `Σ w · x` and the term.
    fn gradients(strengths: (f64, f64)) -> [Vec<f32>; 2] {
        let device = Device::flex().autodiff();
        let module = Both { backbone: stage(NOW, &device), head: stage(HEAD, &device) };
        let sum = |stage: &Stage| (stage.weight.val() * 3.0).sum();
        let mut found = (sum(&module.backbone) + sum(&module.head)).backward();
        let first = Tensor::<1>::from_floats(FIRST, &Device::flex());
        let first = BTreeMap::from([("backbone.weight".to_string(), first)]);
        add(&module, &mut found, &first, strengths);
        [&module.backbone, &module.head].map(|stage| {
            let gradient = stage.weight.val().grad(&found).unwrap();
            gradient.into_data().try_to_vec::<f32>().unwrap()
        })
    }

    #[test]
    fn the_gradient_is_that_of_differences_of_the_formula() {
        let (alpha, beta) = (0.7, 0.3);
        let value = |now: [f64; 4], head: [f64; 2]| {
            let loss = 3.0 * (now.iter().sum::<f64>() + head.iter().sum::<f64>());
            let far = now.iter().zip(FIRST).map(|(now, first)| (now - f64::from(first)).powi(2));
            loss + alpha / 2.0 * far.sum::<f64>()
                + beta / 2.0 * head.iter().map(|v| v * v).sum::<f64>()
        };
        let [found, found_head] = gradients((alpha, beta));
        for place in 0..4 {
            let moved = |by: f64| {
                let mut now = NOW.map(f64::from);
                now[place] += by;
                value(now, HEAD.map(f64::from))
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(found[place]) - expected).abs() < 1e-5, "{found:?} {expected}");
        }
        for place in 0..2 {
            let moved = |by: f64| {
                let mut head = HEAD.map(f64::from);
                head[place] += by;
                value(NOW.map(f64::from), head)
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!((f64::from(found_head[place]) - expected).abs() < 1e-5);
        }
    }

    #[test]
    fn at_strength_0_the_gradients_stay_what_they_are() {
        assert_eq!(gradients((0.0, 0.0)), [vec![3.0; 4], vec![3.0; 2]]);
    }
}
