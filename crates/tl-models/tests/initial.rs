//! The distributions of initial values, against those that torchvision draws from.
//!
//! The deviations and bounds are those measured on torchvision 0.29's fresh networks with ten classes: to two digits
//! deviations of normal draws, to four the largest values of even ones.

use burn::prelude::*;
use tl_models::{
    Architecture, ConvNeXt, ConvNeXtSize, DenseNet, EfficientNet, EfficientNetSize, InceptionV3,
    Initial, ResNet, ResNetDepth, SqueezeNet, SqueezeNetVersion,
};

#[track_caller]
fn check<B: Architecture>(backbone: &B, path: &str, shape: &[usize], expected: Initial) {
    let found = backbone.initial(path, shape);
    let near = |found: f64, expected: f64, share: f64| (found - expected).abs() <= share * expected;
    let good = match (found, expected) {
        (Initial::Normal(found), Initial::Normal(expected)) => near(found, expected, 0.05),
        (Initial::Uniform(found), Initial::Uniform(expected)) => near(found, expected, 1e-3),
        (found, expected) => found == expected,
    };
    assert!(good, "{path}: {found:?} is not {expected:?}");
}

#[test]
fn new_networks_begin_as_torchvisions_do() {
    let device = Device::flex();
    let (constant, zero) = (Initial::Constant, Initial::Constant(0.0));
    let (normal, even) = (Initial::Normal, Initial::Uniform);
    let (weight, bias) = ("head.linear.weight", "head.linear.bias");

    let network = SqueezeNet::new(SqueezeNetVersion::V1_1, &device);
    check(&network, "fires.0.squeeze.weight", &[16, 64, 1, 1], even(0.30608));
    check(&network, "stem.bias", &[64], zero);
    check(&network, weight, &[10, 512], normal(0.01));
    check(&network, bias, &[10], zero);

    let network = DenseNet::new(&device);
    check(&network, "blocks.0.0.conv2.weight", &[32, 128, 3, 3], normal(0.0413));
    check(&network, "blocks.0.0.norm1.weight", &[64], constant(1.0));
    check(&network, weight, &[10, 1024], even(0.03125));
    check(&network, bias, &[10], zero);

    let network = EfficientNet::new(EfficientNetSize::B0, &device);
    check(&network, "layers.1.0.depthwise.conv.weight", &[96, 1, 3, 3], normal(0.0476));
    check(&network, "layers.1.0.squeeze.fc1.weight", &[4, 96, 1, 1], normal(0.725));
    check(&network, "layers.1.0.squeeze.fc1.bias", &[4], zero);
    check(&network, weight, &[10, 1280], even(0.31622));
    check(&network, bias, &[10], zero);

    let network = ConvNeXt::new(ConvNeXtSize::Tiny, &device);
    check(&network, "layers.0.0.fc1.weight", &[384, 96], normal(0.02));
    check(&network, "layers.0.0.depthwise.weight", &[96, 1, 7, 7], normal(0.02));
    check(&network, "layers.0.0.fc1.bias", &[384], zero);
    check(&network, "layers.0.0.norm.weight", &[96], constant(1.0));
    check(&network, "layers.0.0.layer_scale", &[96, 1, 1], constant(1e-6));
    check(&network, weight, &[10, 768], normal(0.02));
    check(&network, bias, &[10], zero);

    let network = InceptionV3::new(&device);
    check(&network, "mixed.0.branches.0.units.0.conv.weight", &[64, 192, 1, 1], normal(0.1));
    check(&network, "stem.0.norm.running_var", &[32], constant(1.0));
    check(&network, weight, &[10, 2048], normal(0.1));
    check(&network, bias, &[10], even(0.022097));

    let network = ResNet::new(ResNetDepth::X50, &device);
    // Grouped convolutions too by all outgoing channels: sqrt(2 / (128 · 9)).
    check(&network, "layer1.0.conv2.weight", &[128, 4, 3, 3], normal(0.04167));
}
