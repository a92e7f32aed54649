//! The file of a run holds exactly what torchvision's network of that name holds.
//!
//! The names, types and shapes are recorded by `xtask/parity/record_state_dicts.py`; that the values are
//! those of torchvision's network, too, is what `cargo xtask check --origin` shows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::support::Place;
use serde_json::Value;
use tl::models::save;

/// Name to type and shape.
type Entries = BTreeMap<String, String>;

fn recorded(network: &str) -> Entries {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/state_dicts.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut networks: BTreeMap<String, Entries> = serde_json::from_str(&text).unwrap();
    networks.remove(network).unwrap()
}

/// What the header of a file says: its length, then an object with one entry for each tensor.
fn entries(path: &Path) -> Entries {
    let mut file = File::open(path).unwrap();
    let mut length = [0; 8];
    file.read_exact(&mut length).unwrap();
    let mut header = vec![0; u64::from_le_bytes(length) as usize];
    file.read_exact(&mut header).unwrap();
    let tensors: BTreeMap<String, Value> = serde_json::from_slice(&header).unwrap();
    let text = |info: &Value| {
        let shape: Vec<usize> = serde_json::from_value(info["shape"].clone()).unwrap();
        format!("{} {shape:?}", info["dtype"].as_str().unwrap())
    };
    let tensors = tensors.iter().filter(|(name, _)| *name != "__metadata__");
    tensors.map(|(name, info)| (name.clone(), text(info))).collect()
}

#[test]
fn a_fine_tuned_run_holds_the_names_types_and_shapes_of_torchvision() {
    let place = Place::with_photos(3, 6);
    for network in ["mobilenet_v2", "resnet18"] {
        let words = format!(
            "finetune photos --out {network} --model {network} --weights random --recipe finetune \
             --epochs 1 --image-size 32"
        );
        place.good(&words.split_whitespace().collect::<Vec<_>>());
        let found = entries(&place.path(network).join("model.safetensors"));
        assert_eq!(found, recorded(network), "{network}");
    }
}

// Saved as a run saves it, without the minutes that fitting 129 million parameters takes.
#[test]
fn networks_without_norms_are_saved_with_the_names_of_torchvision() {
    let place = Place::new();
    let device = tl::device("flex").unwrap();
    for name in ["squeezenet1_1", "vgg11"] {
        let network = tl::pretrained(name, "random", Some(3), false, 0, &device).unwrap();
        let path = place.path(&format!("{name}.safetensors"));
        save(&path, &network.model, &BTreeMap::new()).unwrap();
        assert_eq!(entries(&path), recorded(name), "{name}");
    }
}
