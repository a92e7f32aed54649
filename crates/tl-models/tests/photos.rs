//! The networks with weights in `assets/` on three photos, against torchvision.
//!
//! The expected numbers are recorded in f64 by `xtask/parity/record_photos.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::prelude::*;
use burn::tensor::TensorData;
use serde::Deserialize;
use tl_core::{Activation, Pass};
use tl_data::{Images, Preprocess};
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, LoadOptions, MobileNetV2, SqueezeNet, SqueezeNetVersion, load};

#[derive(Deserialize)]
struct Fixture {
    photos: BTreeMap<String, Photo>,
}

#[derive(Deserialize)]
struct Photo {
    top5: Vec<Answer>,
    first_logits: Vec<f64>,
    logits_norm: f64,
    pixel_sum: u64,
    pixel: [u8; 3],
}

#[derive(Deserialize)]
struct Answer {
    class: usize,
    name: String,
    logit: f64,
}

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets")
}

/// The bytes behind normalised pixels.
fn bytes(pixels: &[f32], preprocess: &Preprocess) -> Vec<u8> {
    let plane = preprocess.crop * preprocess.crop;
    pixels
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let channel = at / plane;
            let (mean, std) = (preprocess.mean[channel], preprocess.std[channel]);
            ((value * std + mean) * 255.0).round() as u8
        })
        .collect()
}

#[test]
fn the_embedded_weights_see_on_photos_what_torchvision_sees() {
    check(MobileNetV2::new(&Device::flex()), include_str!("fixtures/photos/mobilenet_v2.json"));
}

#[test]
fn squeezenets_weights_see_on_photos_what_torchvision_sees() {
    let network = SqueezeNet::new(SqueezeNetVersion::V1_1, &Device::flex());
    check(network, include_str!("fixtures/photos/squeezenet1_1.json"));
}

/// The best answer to each photo is the recorded one, and the logits are.
fn check<B: Architecture>(backbone: B, recorded: &str) {
    let fixture: Fixture = serde_json::from_str(recorded).unwrap();
    let network = backbone.name();
    let names = std::fs::read_to_string(assets().join("imagenet_classes.json")).unwrap();
    let names: Vec<String> = serde_json::from_str(&names).unwrap();

    let device = Device::flex();
    let file = WeightsFile::open(&assets().join(format!("{network}.safetensors"))).unwrap();
    let model = backbone.with_head(names.len(), 0, &device);
    let (model, report) = load(model, &file, LoadOptions::default()).unwrap();
    assert_eq!(report.applied, file.names().filter(|n| !n.ends_with("tracked")).count());
    assert!(report.missing.is_empty() && report.unused.is_empty() && report.reshaped.is_empty());
    assert!(!report.untrained);

    let preprocess = Preprocess::imagenet(256, 224);
    for (name, photo) in &fixture.photos {
        let images = Images::from_files(&[assets().join("photos").join(name)]).unwrap();
        let pixels = preprocess.apply(&images.decode(0).unwrap());
        let bytes = bytes(&pixels, &preprocess);
        let pixel = [0, 1, 2].map(|channel| bytes[(channel * 224 + 112) * 224 + 100]);
        assert_eq!(pixel, photo.pixel, "{name}: a pixel after resizing and cropping");
        assert_eq!(bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>(), photo.pixel_sum);

        let batch = Tensor::from_data(TensorData::new(pixels, [1, 3, 224, 224]), &device);
        let logits = model.forward(Activation::image(batch), Pass::default()).unwrap();
        let logits = logits.into_data().try_into_vec::<f32>().unwrap();
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
        assert_eq!(best, photo.top5[0].class, "{name} is {}", names[best]);
        assert_eq!(names[best], photo.top5[0].name);

        let recorded = photo.first_logits.iter().copied().enumerate();
        let recorded = recorded.chain(photo.top5.iter().map(|answer| (answer.class, answer.logit)));
        let worst = recorded
            .map(|(class, expected)| (f64::from(logits[class]) - expected).abs())
            .fold(0.0, f64::max);
        let norm = logits.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        // The typical size of one of the thousand logits.
        let typical = photo.logits_norm / (logits.len() as f64).sqrt();
        println!(
            "{network}, {name}: {}; a logit is off by {:.1e} of the typical one",
            names[best],
            worst / typical
        );
        assert!(worst / typical <= 1e-4, "{name}: a logit is off by {worst}");
        assert!((norm / photo.logits_norm - 1.0).abs() <= 1e-5, "{name}: norm {norm}");
    }
    assert_eq!(fixture.photos.len(), 3);
}
