//! GPT-2: a language model from texts to a run that writes, and a classifier.

use crate::support::texts::{alphabets, causal};
use crate::support::{Place, different};
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    causal(&place, "tiny");
    place.file("letters.txt", alphabets().as_bytes());
    place
}

const FIT: [&str; 14] = [
    "finetune",
    "letters.txt",
    "--task",
    "lm",
    "--model",
    "gpt2",
    "--weights",
    "random:tiny",
    "--lr",
    "1e-2",
    "--batch-size",
    "8",
    "--max-length",
    "32",
];

fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&FIT[..], &["--out", out], more].concat()
}

#[test]
fn a_network_without_weights_learns_the_alphabet_and_goes_on_with_it() {
    let place = place();
    let fitted = place.json(&fit("run", &["--epochs", "40"]));
    let perplexity = fitted["test"]["perplexity"].as_f64().unwrap();
    // Among 28 pieces; the first letter of a line and its end cannot be known.
    assert!(perplexity < 4.0, "{fitted}");
    let [low, high] = [0, 1].map(|end| fitted["test"]["interval"][end].as_f64().unwrap());
    assert!(low < perplexity && perplexity < high, "{fitted}");
    for name in ["config.json", "tokenizer.json", "model.safetensors", "report.html", "load.py"] {
        assert!(place.path(&format!("run/{name}")).is_file(), "{name}");
    }
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(config.contains("GPT2LMHeadModel") && !config.contains("id2label"), "{config}");

    // Its own test part again, and texts that are not in the order of the alphabet.
    let measured = place.json(&["evaluate", "run", "letters.txt"]);
    assert_eq!(measured["part"], "the run's test part");
    assert_eq!(measured["perplexity"], fitted["test"]["perplexity"]);
    place.file("odd.txt", b"qdxwjart\nzzzzzz\n");
    let odd = place.json(&["evaluate", "run", "odd.txt"]);
    assert!(odd["perplexity"].as_f64().unwrap() > 2.0 * perplexity, "{odd}");

    let write = |more: &[&str]| {
        let words = ["generate", "run", "--prompt", "def", "--max-tokens", "20"];
        place.json(&[&words[..], more].concat())
    };
    let greedy = write(&[]);
    assert!(greedy["continuation"].as_str().unwrap().starts_with("ghi"), "{greedy}");
    assert_eq!(greedy["pieces"], write(&["--no-cache"])["pieces"]);
    let drawn = |seed: &str| {
        let more = ["--temperature", "3", "--top-p", "0.95", "--seed", seed];
        (
            write(&more)["pieces"].clone(),
            write(&[&more[..], &["--no-cache"]].concat())["pieces"].clone(),
        )
    };
    let (one, other) = (drawn("1"), drawn("2"));
    assert_eq!(one.0, one.1);
    assert_ne!(one.0, other.0);

    // The run is a source of weights to go on from.
    let again = fit("second", &["--epochs", "1"]);
    let again: Vec<&str> =
        again.iter().map(|word| if *word == "random:tiny" { "run" } else { word }).collect();
    let second = place.json(&again);
    assert!(second["test"]["perplexity"].as_f64().unwrap() < 4.0, "{second}");
    place.refused_with(&["predict", "run", "letters.txt"], &["language model", "tl generate"]);
    // A test part alone is measured; a run's configuration says that it was a language model.
    place.file("only.csv", b"text,split\nabcdefg,test\ndefghij,test\n");
    let only = place.json(&["evaluate", "run", "only.csv"]);
    assert_eq!((&only["part"], &only["n"]), (&"the data's test part".into(), &15.into()));
    let config = ["finetune", "letters.txt", "--config", "run/run.json", "--epochs", "1"];
    let planned = place.json(&[&config[..], &["--dry-run"]].concat());
    assert_eq!(planned["network"], "gpt2");
    let third = place.json(&[&config[..], &["--out", "third"]].concat());
    assert!(third["test"]["perplexity"].is_f64(), "{third}");
}

/// Lines of letters against the order of the alphabet, all different.
fn falling() -> String {
    let backwards = |line: &str| line.chars().rev().collect::<String>() + "\n";
    alphabets().lines().map(backwards).collect()
}

/// A fitting of adapters in the run `pre`, on falling letters.
fn adapt<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = fit(out, more).into_iter().map(|word| match word {
        "random:tiny" => "pre",
        "letters.txt" => "falling.txt",
        other => other,
    });
    words.collect()
}

#[test]
fn adapters_turn_a_language_model_to_other_texts_and_leave_the_base_its_bits() {
    let place = place();
    place.file("falling.txt", falling().as_bytes());
    place.json(&fit("pre", &["--epochs", "12"]));
    let before = place.json(&["evaluate", "pre", "falling.txt"]);
    let fitted = place.json(&adapt("run", &["--epochs", "40", "--adapter", "lora:targets=.*"]));
    let perplexity = |found: &Value| found["perplexity"].as_f64().unwrap();
    let reached = perplexity(&fitted["test"]);
    assert!(reached < 0.7 * perplexity(&before), "{before} {fitted}");

    let (base, whole) = (place.read("pre/model.safetensors"), place.read("run/model.safetensors"));
    let changed = different(&base, &whole);
    let adapted = |name: &String| name.contains(".c_") && name.ends_with(".weight");
    assert!(changed.iter().all(adapted) && changed.len() == 2 * 4, "{changed:?}");
    let config: Value =
        serde_json::from_slice(&place.read("run/adapter/adapter_config.json")).unwrap();
    assert_eq!(config["task_type"], "CAUSAL_LM");
    assert_eq!(config["fan_in_fan_out"], true);
    assert!(config["modules_to_save"].is_null(), "{config}");
    let file = place.read("run/adapter/adapter_model.safetensors");
    let adapter = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(adapter.len(), 2 * 4 * 2);
    let name = "base_model.model.transformer.h.1.mlp.c_fc.lora_A.weight";
    assert_eq!(adapter.tensor(name).unwrap().shape(), [8, 32]);
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(config.contains("GPT2LMHeadModel"), "{config}");

    // The merged run, and the base with its adapters: both are what was fitted.
    let near = |found: &Value| (perplexity(found) / reached - 1.0).abs() < 1e-4;
    let measured = place.json(&["evaluate", "run", "falling.txt"]);
    assert!(near(&measured), "{measured}");
    let write = ["generate", "run", "--prompt", "xwv", "--max-tokens", "12"];
    let written = place.json(&write);
    let uncached = place.json(&[&write[..], &["--no-cache"]].concat());
    assert_eq!(written["pieces"], uncached["pieces"]);
    std::fs::remove_file(place.path("run/model.safetensors")).unwrap();
    assert_eq!(place.json(&["evaluate", "run", "falling.txt"]), measured);
    assert_eq!(place.json(&write)["pieces"], written["pieces"]);
    place.json(&["merge", "run", "--out", "whole.safetensors"]);
    assert!(place.read("whole.safetensors") == whole, "the merged file is another one");

    // The folder of the adapters alone is a source of weights too.
    let alone = place.json(&["generate", "run/adapter", "--prompt", "xwv", "--max-tokens", "12"]);
    assert_eq!(alone["pieces"], written["pieces"]);
    // Other adapters on the same base go on to another result, and are told from these.
    place.refused_with(
        &adapt("run", &["--epochs", "40", "--adapter", "lora:rank=2", "--resume"]),
        &["run", "another"],
    );
}

#[test]
fn a_prompt_in_front_of_a_language_model_lies_beside_its_base() {
    let place = place();
    place.file("falling.txt", falling().as_bytes());
    place.json(&fit("pre", &["--epochs", "12"]));
    let before = place.json(&["evaluate", "pre", "falling.txt"]);
    let fitted = place.json(&adapt("run", &["--epochs", "20", "--adapter", "prompt:tokens=4"]));
    let perplexity = fitted["test"]["perplexity"].as_f64().unwrap();
    assert!(perplexity < before["perplexity"].as_f64().unwrap(), "{before} {fitted}");
    let measured = place.json(&["evaluate", "run", "falling.txt"]);
    assert_eq!(measured["perplexity"], fitted["test"]["perplexity"]);
    let (base, run) = (place.read("pre/model.safetensors"), place.read("run/model.safetensors"));
    assert!(different(&base, &run).is_empty());
    assert!(!place.path("run/load.py").exists());

    let write = |source: &str, more: &[&str]| {
        let words = ["generate", source, "--prompt", "x", "--max-tokens", "100"];
        place.json(&[&words[..], more].concat())
    };
    let written = write("run", &[]);
    assert_eq!(written["pieces"], write("run", &["--no-cache"])["pieces"]);
    assert_eq!(written["pieces"], write("run/adapter", &[])["pieces"]);
    assert!(written["pieces"].as_array().unwrap().len() < 64 - 4, "{written}");
    for refused in [&["merge", "run", "--out", "w"][..], &["merge", "run/adapter", "--out", "w"]] {
        place.refused_with(refused, &["a prompt cannot be merged"]);
    }
    let again = |weights: &'static str| -> Vec<&'static str> {
        let words = adapt("second", &["--epochs", "1"]).into_iter();
        words.map(|word| if word == "pre" { weights } else { word }).collect()
    };
    place.refused_with(&again("run"), &["adapters lie beside"]);
    place.refused_with(&again("run/adapter"), &["holds a prompt"]);
    let long: Vec<&str> = adapt("second", &["--adapter", "prompt:tokens=40"]);
    place.refused_with(&long, &["32 pieces do not fit", "24"]);
}

#[test]
fn a_classifier_tells_rising_from_falling_letters() {
    let place = place();
    let mut table = String::from("text,label\n");
    for line in alphabets().lines() {
        let falling: String = line.chars().rev().collect();
        table += &format!("{line},rising\n{falling},falling\n");
    }
    // What was learnt of rising letters is where the classifier begins.
    place.json(&fit("pre", &["--epochs", "40"]));
    place.file("both.csv", table.as_bytes());
    let words = ["finetune", "both.csv", "--model", "gpt2", "--weights", "pre", "--lr", "1e-2"];
    let more = ["--recipe", "finetune", "--epochs", "12", "--batch-size", "16", "--out", "run"];
    let fitted = place.json(&[&words[..], &more].concat());
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(config.contains("GPT2ForSequenceClassification") && config.contains("pad_token_id"));
    let measured = place.json(&["evaluate", "run", "both.csv"]);
    assert_eq!(measured["accuracy"], fitted["test"]["accuracy"]);
    place.file("lines.txt", b"abcdefg\ngfedcba\n");
    let answers = place.json(&["predict", "run", "lines.txt"]);
    assert_eq!(answers["predictions"][0]["label"], "rising");
    assert_eq!(answers["predictions"][1]["label"], "falling");
    // A probe's head has no bias either: what is saved answers as what was fitted.
    let probe = ["--recipe", "probe", "--out", "probe"];
    let probed = place.json(&[&words[..4], &["--weights", "run"], &probe].concat());
    let measured = place.json(&["evaluate", "probe", "both.csv"]);
    assert_eq!(measured["accuracy"], probed["test"]["accuracy"]);
    assert!(probed["test"]["accuracy"].as_f64().unwrap() > 0.9, "{probed}");
    // Low-rank paths beside the joint layer of queries, keys and values, in PEFT's format; the head with them.
    let adapter = ["--adapter", "lora", "--epochs", "12", "--batch-size", "16", "--out", "low"];
    let low = place.json(&[&words[..4], &["--weights", "pre", "--lr", "1e-2"], &adapter].concat());
    assert!(low["test"]["accuracy"].as_f64().unwrap() > 0.7, "{low}");
    let file = place.read("low/adapter/adapter_model.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.len(), 2 * 2 + 1);
    assert_eq!(tensors.tensor("base_model.model.score.weight").unwrap().shape(), [2, 32]);
    let measured = place.json(&["evaluate", "low", "both.csv"]);
    assert_eq!(measured["accuracy"], low["test"]["accuracy"]);
    // Adapters stand behind both branches; sentences without labels are adapted to.
    let adapter = ["--adapter", "bottleneck:width=4", "--epochs", "1", "--out", "adapted"];
    place.json(&[&words[..4], &["--weights", "pre"], &adapter].concat());
    let file = place.read("adapted/adapter/adapter.safetensors");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap().len();
    assert_eq!(tensors, 2 * 2 * 4 + 1);
    let to = ["adapt", "--source", "both.csv", "--target", "lines.txt", "--model", "gpt2"];
    let how = ["--weights", "pre", "--method", "coral", "--source-epochs", "1", "--epochs", "1"];
    let moved = place.json(&[&to[..], &how, &["--batch-size", "2", "--out", "moved"]].concat());
    assert_eq!(moved["method"], "coral");
    let embed = ["embed", "lines.txt", "--model", "gpt2", "--weights", "run", "--out", "e.npy"];
    assert_eq!(place.json(&embed)["width"], 32);
}

#[test]
fn what_does_not_fit_is_one_line() {
    let place = place();
    place.refused_with(
        &fit("run", &["--recipe", "probe", "--epochs", "1"]),
        &["no head", "--recipe finetune"],
    );
    let adapter = ["--adapter", "lora", "--recipe", "finetune"];
    place.refused_with(&fit("run", &adapter), &["--recipe lora"]);
    place.refused_with(&fit("run", &["--freeze", ".*"]), &["nothing is trained"]);
    let long: Vec<&str> = FIT.iter().map(|word| if *word == "32" { "65" } else { word }).collect();
    place.refused_with(&long, &["65", "64"]);
    place.refused_with(&fit("run", &["--pooling", "class"]), &["sees no other", "mean"]);
    place.refused_with(&fit("run", &["--seeds", "2"]), &["--seeds"]);
    place.refused_with(&fit("run", &["--augment"]), &["--augment varies images", "gpt2"]);
    place.refused_with(
        &["finetune", "letters.txt", "--task", "lm", "--model", "gpt2", "--weights", "random"],
        &["random:FOLDER"],
    );
    place.refused_with(
        &["finetune", "letters.txt", "--task", "lm", "--model", "gpt2", "--weights", "random:no"],
        &["config.json"],
    );
    place.refused_with(
        &["finetune", "letters.txt", "--task", "lm", "--weights", "random"],
        &["works on images", "--model gpt2"],
    );
    let photos = Place::with_photos(2, 6);
    causal(&photos, "tiny");
    photos.refused_with(&["finetune", "photos", "--weights", "random:tiny"], &["by its name"]);
    place.file("empty.txt", b"\n\n");
    let empty: Vec<&str> =
        FIT.iter().map(|word| if *word == "letters.txt" { "empty.txt" } else { word }).collect();
    place.refused_with(&empty, &["training part"]);
    place.refused_with(&["generate", "tiny", "--prompt", "a"], &["tiny"]);
    let long = "a".repeat(80);
    let written = ["generate", "random:tiny", "--prompt"];
    place.refused_with(&[&written[..], &[&long]].concat(), &["80 pieces", "64"]);
    let hot = ["a", "--temperature", "-1"];
    place.refused_with(&[&written[..], &hot].concat(), &["--temperature is -1"]);
    let full = place.json(&[&written[..], &["a", "--max-tokens", "100"]].concat());
    assert!(["room", "end"].contains(&full["ended"].as_str().unwrap()), "{full}");
}
