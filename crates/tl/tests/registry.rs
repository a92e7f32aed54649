//! The registry of networks beside what their origins say of them.

use std::collections::HashSet;

use serde::Deserialize;
use tl::models::weights::KnownWeights;
use tl::registry::{ModelInput, describe, matching, measure};
use tl::train::Silent;

/// What `xtask/parity/record_registry.py` recorded: torchvision's record of its weights, and what PyTorch's counter finds.
#[derive(Deserialize)]
struct Recorded {
    published: Vec<Published>,
    counted: Vec<Counted>,
}

#[derive(Deserialize)]
struct Published {
    name: String,
    parameters: u64,
    /// 10⁹ multiply-adds, to three decimals.
    billions: f64,
}

#[derive(Deserialize)]
struct Counted {
    name: String,
    parameters: u64,
    multiply_adds: u64,
}

/// What a SqueezeNet's last convolution costs there at all 13×13 places, and here once, behind the pooling.
const SQUEEZED: [u64; 2] = [512 * 1000 * 13 * 13, 512 * 1000];

#[test]
fn parameters_and_multiply_adds_are_those_that_torchvision_publishes() {
    let device = tl::device("flex").unwrap();
    let recorded: Recorded = serde_json::from_str(include_str!("fixtures/registry.json")).unwrap();
    assert_eq!((recorded.published.len(), recorded.counted.len()), (29, 8));
    for Published { name, parameters, billions } in recorded.published {
        let entry = describe(&name, &device).unwrap().entry;
        assert_eq!(entry.parameters, parameters, "{name}");
        let found = match name.as_str() {
            "squeezenet1_0" | "squeezenet1_1" => entry.multiply_adds - SQUEEZED[1] + SQUEEZED[0],
            _ => entry.multiply_adds,
        };
        let off = found as f64 / 1e9 - billions;
        assert!(off.abs() < 0.0006, "{name}: {found} multiply-adds, published are {billions} G");
    }
    for Counted { name, parameters, multiply_adds } in recorded.counted {
        let entry = describe(&name, &device).unwrap().entry;
        assert_eq!((entry.parameters, entry.multiply_adds), (parameters, multiply_adds), "{name}");
    }
}

#[test]
fn every_network_has_an_entry_whose_stages_come_to_the_whole() {
    let device = tl::device("flex").unwrap();
    let names = tl::networks();
    for name in &names {
        let detail = describe(name, &device).unwrap();
        let entry = &detail.entry;
        assert_eq!(entry.name, *name);
        let sum =
            |of: fn(&tl::registry::ModelStage) -> u64| detail.stages.iter().map(of).sum::<u64>();
        assert_eq!(sum(|stage| stage.parameters), entry.parameters, "{name}");
        assert_eq!(sum(|stage| stage.multiply_adds), entry.multiply_adds, "{name}");
        assert!(entry.parameters > 0 && entry.multiply_adds > 0, "{name}");
        let read: Vec<&String> =
            detail.stages.iter().flat_map(|stage| &stage.names).map(|(name, _)| name).collect();
        let once: HashSet<&&String> = read.iter().collect();
        assert_eq!(once.len(), read.len(), "{name} reads a name twice");
        assert_eq!(entry.classes > 0, detail.stages.last().unwrap().name == "head", "{name}");
    }
    let known: HashSet<&str> = KnownWeights::all().iter().map(|it| it.network).collect();
    for name in known {
        assert!(names.contains(&name), "weights are known of {name}, which is no network");
    }
    let resnet = describe("resnet50", &device).unwrap();
    let last = &resnet.stages[4];
    assert_eq!((last.name.as_str(), &last.output), ("layer4", &vec![2048, 7, 7]));
    let first = ("conv1.weight".to_string(), vec![64, 3, 7, 7]);
    assert!(resnet.stages[0].names.contains(&first), "{:?}", resnet.stages[0]);
    let squeezed = describe("squeezenet1_1", &device).unwrap();
    let head = squeezed.stages.last().unwrap();
    assert_eq!(head.names[0], ("classifier.1.weight".to_string(), vec![1000, 512, 1, 1]));
}

#[test]
fn words_choose_by_name_kind_origin_and_licence() {
    let of = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        matching(&words).map_err(|error| error.to_string())
    };
    assert_eq!(of(&[]).unwrap(), tl::networks());
    assert_eq!(of(&["squeeze"]).unwrap(), ["squeezenet1_0", "squeezenet1_1"]);
    assert_eq!(of(&["MIT"]).unwrap(), ["roberta", "gpt2"]);
    let timm = ["vit_tiny", "vit_small", "vit_base"];
    assert_eq!(of(&["timm"]).unwrap(), timm);
    assert_eq!(of(&["texts"]).unwrap(), ["bert", "roberta", "distilbert", "gpt2", "lstm"]);
    let refusal = of(&["resnet19", "none"]).unwrap_err();
    assert!(refusal.contains("resnet19 or none") && refusal.contains("tl models"), "{refusal}");
}

#[test]
fn a_pace_is_measured_on_the_device_that_is_there() {
    let device = tl::device("flex").unwrap();
    for name in ["small_conv", "lstm"] {
        let pace = measure(name, 2, &device, &mut Silent).unwrap();
        assert!(pace.per_second > 0.0 && pace.per_second.is_finite(), "{name}: {pace:?}");
        assert!(pace.batches >= 3 && pace.batch_size == 2, "{name}: {pace:?}");
    }
    assert!(measure("small_conv", 0, &device, &mut Silent).is_err());
    let input = describe("mobilenet_v2", &device).unwrap().entry.input;
    let ModelInput::Images { size, mean, .. } = input else { panic!("{input:?}") };
    assert_eq!((size, mean), (224, [0.485, 0.456, 0.406]));
}
