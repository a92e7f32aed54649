//! Branches that are left out at random: what they depend on.

use crate::formula::{Rule, deviation_f32, filled, images, rows};
use crate::training::is_random;
use burn::prelude::*;
use tl_core::parameters::{Control, set_trained};
use tl_core::{Activation, Pass};
use tl_models::{Architecture, ConvNeXt, ConvNeXtSize, EfficientNet, EfficientNetSize};

fn check<B: Architecture>(backbone: B) {
    let model = filled(backbone, 3, &Rule::plain());
    let batch = || images("input", [4, 3, 32, 32]);
    let embed = |backbone: &B, batch: Tensor<4>, pass| {
        let stages = backbone.stages().len();
        let last = backbone.forward_stages(Activation::image(batch), 0..stages, pass).unwrap();
        rows(Activation::Vector(last.pooled().unwrap().without_autodiff()))
    };
    let plain = embed(&model.backbone, batch(), Pass::default());
    let with_flags = |on: bool| {
        set_trained(model.backbone.clone().train(), |path, control| {
            control == Control::Flag && on && is_random(path)
        })
    };
    let still = with_flags(false);
    let off = deviation_f32(&embed(&still, batch().autodiff(), Pass::default()), &plain);
    assert!(off < 1e-4, "without chance it is the network of evaluation: {off:.1e}");

    let random = with_flags(true);
    let at = |seed, step| embed(&random, batch().autodiff(), Pass { seed, step });
    let first = at(1, 2);
    assert!(deviation_f32(&first, &plain) > 1e-3, "no branch was left out");
    assert!(at(1, 2) == first, "the same step draws otherwise");
    assert!(at(1, 3) != first, "another step draws the same");
    assert!(at(2, 2) != first, "another seed draws the same");
    // On the plain device nothing is drawn.
    let evaluated = embed(&random.valid(), batch(), Pass { seed: 1, step: 2 });
    assert!(deviation_f32(&evaluated, &plain) < 1e-4);
}

#[test]
fn they_are_drawn_by_seed_and_step_alone() {
    let device = Device::flex();
    check(EfficientNet::new(EfficientNetSize::B0, &device));
    check(ConvNeXt::new(ConvNeXtSize::Tiny, &device));
}
