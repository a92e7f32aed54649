//! The forward pass in evaluation with every norm as an operation of its own, as PyTorch's `eval()` runs it.
//!
//! The networks of the program take a norm's running statistics into the convolution before it. Here the same networks, by
//! their own fields, run the convolution, and then one pass over its output that scales and shifts each channel, adds the
//! residual and takes the nonlinearity, where PyTorch has a pass for each of these.

use burn::module::Param;
use burn::prelude::*;
use tl::Network;
use tl::core::{Activation, Head, Pass};
use tl::kernels::{BatchNorm2d, Conv2d, Conv2dConfig, Nonlinearity, conv, conv_norm, max_pool};
use tl::models::{Classifier, MobileNetV2, ResNet};

use crate::Outcome;

/// The logits of a batch.
pub fn forward(model: &Classifier<Network>, images: Activation) -> Outcome<Tensor<2>> {
    let images = images.into_image("unfolded")?.into_channels_first();
    let map = match &model.backbone {
        Network::ResNet(network) => resnet(network, images)?,
        Network::MobileNetV2(network) => mobilenet(network, images),
        other => return Err(format!("{other:?} is not written out here").into()),
    };
    Ok(model.head.forward(Activation::image(map), Pass::default())?)
}

fn unit(
    layer: &Conv2d,
    norm: &BatchNorm2d,
    input: Tensor<4>,
    residual: Option<Tensor<4>>,
    activation: Nonlinearity,
) -> Tensor<4> {
    let raw = conv(layer, input, Nonlinearity::None);
    let ([_, channels, ..], device) = (raw.dims(), raw.device());
    // A convolution of one pixel that changes nothing: what is left is the norm.
    let mut nothing = Conv2dConfig::new([channels; 2], 1).groups(channels).init(&device);
    nothing.weight = Param::from_tensor(Tensor::ones([channels, 1, 1, 1], &device));
    conv_norm(&nothing, norm, raw, residual.map(Into::into), activation)
}

fn mobilenet(network: &MobileNetV2, images: Tensor<4>) -> Tensor<4> {
    let relu6 = Nonlinearity::Relu6;
    let mut map = unit(&network.stem.conv, &network.stem.norm, images, None, relu6);
    for block in &network.blocks {
        let input = map.clone();
        if let Some(expand) = &block.expand {
            map = unit(&expand.conv, &expand.norm, map, None, relu6);
        }
        map = unit(&block.depthwise.conv, &block.depthwise.norm, map, None, relu6);
        let [_, channels, height, _] = input.dims();
        let same = block.project.conv.weight.dims()[0] == channels && map.dims()[2] == height;
        let residual = same.then_some(input);
        map = unit(&block.project.conv, &block.project.norm, map, residual, Nonlinearity::None);
    }
    unit(&network.last.conv, &network.last.norm, map, None, relu6)
}

/// Networks of two convolutions to a block.
fn resnet(network: &ResNet, images: Tensor<4>) -> Outcome<Tensor<4>> {
    let relu = Nonlinearity::Relu;
    let mut map = max_pool(unit(&network.conv1, &network.bn1, images, None, relu), 3, 2, 1);
    let layers = [&network.layer1, &network.layer2, &network.layer3, &network.layer4];
    for block in layers.into_iter().flatten() {
        if block.conv3.is_some() {
            return Err("blocks of three convolutions are not written out here".into());
        }
        let shortcut = match &block.downsample {
            Some(downsample) => {
                unit(&downsample.conv, &downsample.norm, map.clone(), None, Nonlinearity::None)
            }
            None => map.clone(),
        };
        let first = unit(&block.conv1, &block.bn1, map, None, relu);
        map = unit(&block.conv2, &block.bn2, first, Some(shortcut), relu);
    }
    Ok(map)
}
