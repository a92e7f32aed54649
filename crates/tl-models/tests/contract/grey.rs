//! Images of one channel, as files hold them.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, Pass};
use tl_data::{Images, Loader, Part, Preprocess};
use tl_models::weights::{Reshaped, WeightsFile};
use tl_models::{
    Architecture, Classifier, LoadOptions, ResNet, ResNetDepth, load, save, with_channels,
};

use super::examples::CLASSES;
use crate::formula::{Rule, deviation_f32, filled, images, rows};

/// Two grey images of the formula's bytes and `side` pixels, as a network sees them: `[2, 3, side, side]`.
fn seen(side: usize, mean: [f32; 3], std: [f32; 3]) -> Tensor<4> {
    let header = |magic: u32, sizes: &[usize]| -> Vec<u8> {
        let sizes = sizes.iter().map(|size| *size as u32);
        std::iter::once(magic).chain(sizes).flat_map(u32::to_be_bytes).collect()
    };
    let mut pixels = header(0x0803, &[2, side, side]);
    pixels.extend((0..2 * side * side).map(|at| (at * at * 31 + at * 17) as u8));
    let mut labels = header(0x0801, &[2]);
    labels.extend([0, 1]);
    let classes = ["0", "1"].map(str::to_string).to_vec();
    let images = Images::idx(&[(Part::Train, &pixels, &labels)], classes).unwrap();
    let preprocess = Preprocess { mean, std, ..Preprocess::imagenet(side, side) };
    let loader = Loader::new(Arc::new(images), preprocess, 1, true).unwrap();
    let batch = loader.batches(vec![0, 1], 2, None).next().unwrap().unwrap();
    Tensor::from_data(TensorData::new(batch.pixels, [2, 3, side, side]), &Device::flex())
}

/// A grey image that was read is one of three equal channels and is answered; a tensor of one channel is one line.
fn check<B: Architecture>(backbone: B) {
    let model = filled(backbone, CLASSES, &Rule::plain());
    let network = model.backbone.name();
    let expected = model.backbone.expected_input().images(network).unwrap();
    let side = expected.smallest;
    let grey = seen(side, expected.mean, expected.std);
    let logits = model.forward(Activation::image(grey), Pass::default()).unwrap();
    assert_eq!(logits.dims(), [2, CLASSES], "{network}");
    let logits = rows(Activation::Vector(logits));
    assert!(logits.iter().all(|value| value.is_finite()), "{network}: {logits:?}");

    let single = images("input", [2, 1, side, side]);
    let refused = |model: &Classifier<B>, images: &Tensor<4>| {
        let answer = model.forward(Activation::image(images.clone()), Pass::default());
        let refusal = answer.unwrap_err().to_string();
        assert!(refusal.contains(network) && refusal.contains("channel"), "{refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    };
    refused(&model, &single);

    // Fitted to one channel, or to twice as many, it answers to equal channels what it answered to three of them.
    let answers = |model: &Classifier<B>, images: Tensor<4>| {
        rows(Activation::Vector(model.forward(Activation::image(images), Pass::default()).unwrap()))
    };
    let copies = |channels: usize| Tensor::cat(vec![single.clone(); channels], 1);
    let expected = answers(&model, copies(3));
    for channels in [1, 6] {
        let backbone = with_channels(model.backbone.clone(), channels).unwrap();
        let fitted = Classifier { backbone, head: model.head.clone() };
        let off = deviation_f32(&answers(&fitted, copies(channels)), &expected);
        assert!(off <= MOST_DEVIATION, "{network}, {channels} channels: off by {off:.1e}");
        refused(&fitted, &copies(3));
        let expected = fitted.backbone.expected_input().images(network).unwrap();
        assert_eq!(expected.channels, channels);
    }
}

/// What sums in another order come to, relative to the logits' length.
const MOST_DEVIATION: f64 = 1e-4;

/// A file of three channels fits a network of one and of four, one of one a network of three, and the report says so.
#[test]
fn weights_of_another_number_of_channels_are_fitted_while_they_are_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let network = |channels| with_channels(ResNet::new(ResNetDepth::D10, &device), channels);
    let of = |channels| network(channels).unwrap().with_head(CLASSES, 1, &device);
    let saved = |model: &Classifier<ResNet>, name: &str| {
        let path = folder.path().join(name);
        save(&path, model, &BTreeMap::new()).unwrap();
        WeightsFile::open(&path).unwrap()
    };
    let model = filled(ResNet::new(ResNetDepth::D10, &device), CLASSES, &Rule::plain());
    let file = saved(&model, "three.safetensors");
    for channels in [1, 4] {
        let (loaded, report) = load(of(channels), &file, LoadOptions::default()).unwrap();
        let changed = Reshaped {
            name: "conv1.weight".into(),
            from: vec![32, 3, 3, 3],
            to: vec![32, channels, 3, 3],
        };
        assert_eq!(report.reshaped, [changed]);
        let same = with_channels(model.backbone.clone(), channels).unwrap();
        let values = |network: &ResNet| network.conv1.weight.val().into_data();
        assert_eq!(values(&loaded.backbone), values(&same));
        // Its own file is read as it is.
        let own = saved(&loaded, "own.safetensors");
        let (_, report) = load(of(channels), &own, LoadOptions::default()).unwrap();
        assert!(report.reshaped.is_empty());
        let (_, report) = load(of(3), &own, LoadOptions::default()).unwrap();
        assert_eq!(report.reshaped[0].from, [32, channels, 3, 3]);
    }
    assert!(network(0).is_none());
}

#[test]
fn a_grey_image_has_three_equal_channels() {
    let values = rows(Activation::image(seen(5, [0.0; 3], [1.0; 3])));
    for image in values.chunks_exact(75) {
        assert!(image[..25] == image[25..50] && image[..25] == image[50..]);
    }
    // The second pixel holds 31 + 17.
    assert_eq!(values[1], 48.0 / 255.0);
}

mod grey_images_are_answered_and_single_channels_refused {
    crate::for_every_architecture!(all: super::check);

    #[test]
    fn vision_transformers() {
        use burn::prelude::Device;
        use tl_models::{Vit, VitConfig, VitSize};

        super::check(Vit::new(VitConfig::new(VitSize::Tiny, 8, 32).depth(2), &Device::flex()));
    }
}
