//! GPT-2: a language model from texts to a run that writes, and a classifier.

mod support;

use support::Place;
use support::texts::{alphabets, causal};

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
