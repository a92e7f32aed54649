//! Adapters: from data to a run, its adapter folder, and one file again.

use std::fs;

use crate::support::texts::{encoder, quick, reviews};
use crate::support::{Place, different};
use safetensors::SafeTensors;
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(160).as_bytes());
    place
}

fn texts<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = quick("reviews.csv", out, &[]);
    let words: Vec<&str> =
        words.into_iter().filter(|it| *it != "--recipe" && *it != "finetune").collect();
    [&["finetune"], &words[..], more].concat()
}

#[test]
fn lora_on_texts_trains_adapters_and_the_head_and_leaves_the_base_its_bits() {
    let place = place();
    let words =
        texts("run", &["--epochs", "60", "--adapter", "lora:rank=4,targets=query+value+inner"]);
    let fitted = place.json(&words);
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    let changed =
        different(&place.read("encoder/model.safetensors"), &place.read("run/model.safetensors"));
    let wanted =
        ["attention.self.query.weight", "attention.self.value.weight", "intermediate.dense.weight"];
    let wanted =
        |name: &str| name.starts_with("classifier") || wanted.iter().any(|end| name.ends_with(end));
    assert!(changed.iter().all(|name| wanted(name)), "{changed:?}");
    assert_eq!(changed.len(), 2 * 3 + 2);

    let config: Value =
        serde_json::from_slice(&place.read("run/adapter/adapter_config.json")).unwrap();
    assert_eq!(config["peft_type"], "LORA");
    assert_eq!(config["modules_to_save"], serde_json::json!(["classifier"]));
    let file = place.read("run/adapter/adapter_model.safetensors");
    let adapter = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(adapter.len(), 2 * 3 * 2 + 2);

    // Without the merged file the run is its base and its adapters.
    let whole = place.read("run/model.safetensors");
    fs::remove_file(place.path("run/model.safetensors")).unwrap();
    let measured = place.json(&["evaluate", "run", "reviews.csv"]);
    assert_eq!(measured["accuracy"], fitted["test"]["accuracy"]);
    place.json(&["merge", "run", "--out", "whole.safetensors"]);
    assert!(place.read("whole.safetensors") == whole, "the merged file is another one");
    place.file("encoder/model.safetensors", &whole);
    place.refused_with(&["evaluate", "run", "reviews.csv"], &["adapters for other weights"]);
}

#[test]
fn what_cannot_be_merged_lies_beside_the_base_and_is_found_again() {
    let place = Place::with_photos(3, 12);
    let words = |out: &'static str, adapter: &'static str| {
        let words = ["finetune", "photos", "--image-size", "32", "--epochs", "4", "--out", out];
        [&words[..], &["--adapter", adapter]].concat()
    };
    let fitted = place.json(&words("run", "bottleneck:width=4"));
    let measured = place.json(&["evaluate", "run", "photos"]);
    assert_eq!(measured["accuracy"], fitted["test"]["accuracy"]);
    assert!(place.path("run/adapter/adapter.safetensors").is_file());
    assert!(!place.path("run/load.py").exists());
    place.refused_with(
        &["merge", "run", "--out", "whole.safetensors"],
        &["a bottleneck cannot be merged"],
    );
    place.refused_with(&["finetune", "photos", "--weights", "run"], &["adapters lie beside"]);
    let low_rank = place.json(&words("second", "lora:rank=2"));
    let measured = place.json(&["evaluate", "second", "photos"]);
    assert_eq!(measured["accuracy"], low_rank["test"]["accuracy"]);
    place.json(&["merge", "second", "--out", "whole.safetensors"]);
    assert!(place.read("whole.safetensors") == place.read("second/model.safetensors"));
    // Beside the head nothing moved but what the adapter was merged into: convolutions, and no norm.
    let probe = ["finetune", "photos", "--image-size", "32", "--recipe", "probe", "--out", "base"];
    place.json(&probe);
    let base = place.read("base/model.safetensors");
    let weights = SafeTensors::deserialize(&base).unwrap();
    let changed = |run: &str| {
        let all = different(&base, &place.read(&format!("{run}/model.safetensors")));
        all.into_iter().filter(|name| !name.starts_with("classifier")).collect::<Vec<_>>()
    };
    assert!(changed("run").is_empty(), "{:?}", changed("run"));
    let merged = changed("second");
    assert!(!merged.is_empty());
    assert!(merged.iter().all(|name| weights.tensor(name).unwrap().shape().len() == 4));
}

#[test]
fn an_adapter_that_makes_no_sense_is_one_line() {
    let place = place();
    for (more, parts) in [
        (
            &["--adapter", "lora:targets=nobody"][..],
            &["\"nobody\" matches no layer", "layers.*.query"][..],
        ),
        (&["--adapter", "lora:rank=0"], &["rank"]),
        (&["--adapter", "loro"], &["lora, dora, ia3"]),
        (&["--adapter", "lora", "--recipe", "finetune"], &["--recipe lora"]),
        (&["--adapter", "prompt:tokens=32"], &["pieces"]),
    ] {
        place.refused_with(&texts("run", more), parts);
    }
    assert!(!place.path("run").exists());
}
