//! Images of one channel, as files hold them.

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, Pass};
use tl_data::{Images, Loader, Part, Preprocess};
use tl_models::Architecture;

use crate::examples::CLASSES;
use crate::formula::{Rule, filled, images, rows};

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

    let single = Activation::image(images("input", [1, 1, side, side]));
    let refusal = model.forward(single, Pass::default()).unwrap_err().to_string();
    assert!(refusal.contains(network) && refusal.contains("channel"), "{refusal}");
    assert_eq!(refusal.lines().count(), 1, "{refusal}");
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
