//! The recurrent network, which learns its own pieces of words: from sentences to a run, and back out.

use crate::support::Place;
use crate::support::texts::{reviews, tagged};

#[test]
fn sentences_become_a_run_without_any_weights_or_tokenizer() {
    let place = Place::new();
    place.file("reviews.csv", reviews(160).as_bytes());
    let words =
        ["finetune", "reviews.csv", "--model", "lstm", "--weights", "random", "--epochs", "12"];
    let fitted = place.json(&[&words[..], &["--out", "run", "--depth", "2"]].concat());
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "network.py", "load.py"]
    {
        assert!(place.path(&format!("run/{name}")).is_file(), "{name}");
    }
    let measured = place.json(&["evaluate", "run", "reviews.csv"]);
    assert_eq!(measured["accuracy"], fitted["test"]["accuracy"]);
    place.file("lines.txt", b"awful\nthe film is very very very good\n\nso bad\n");
    let answers = place.json(&["predict", "run", "lines.txt"]);
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 4);
    assert_eq!(answers["predictions"][1]["label"], "positive");

    // The same again is the same to the last bit, its vocabulary too.
    place.json(&[&words[..], &["--out", "again", "--depth", "2"]].concat());
    for name in ["model.safetensors", "tokenizer.json"] {
        assert!(
            place.read(&format!("run/{name}")) == place.read(&format!("again/{name}")),
            "{name}"
        );
    }

    // The run is a source of weights for the next one, and of embeddings.
    let next =
        ["finetune", "reviews.csv", "--model", "lstm", "--weights", "run", "--recipe", "probe"];
    let next = place.json(&[&next[..], &["--out", "next"]].concat());
    assert!(next["test"]["accuracy"].as_f64().unwrap() > 0.9, "{next}");
    let words = ["embed", "lines.txt", "--model", "lstm", "--weights", "run", "--out", "e.npy"];
    assert_eq!(place.json(&words)["width"], 256);
}

#[test]
fn tagged_words_become_a_run_that_finds_entities() {
    let place = Place::new();
    place.file("words.conll", tagged(240).as_bytes());
    let words =
        ["finetune", "words.conll", "--model", "lstm", "--weights", "random", "--out", "run"];
    let fitted = place.json(&[&words[..], &["--epochs", "15"]].concat());
    let found = fitted["test"]["entities"]["micro"]["f1"].as_f64().unwrap();
    assert!(found > 0.9, "{fitted}");
    place.file("lines.txt", b"the film was good, so good\n\nis bad\n");
    let answers = place.json(&["predict", "run", "lines.txt"]);
    assert_eq!(answers["predictions"][0]["entities"][0]["text"], "the film");
    assert!(answers["predictions"][1]["entities"].as_array().unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_one_clear_line() {
    let place = Place::new();
    place.file("reviews.csv", reviews(60).as_bytes());
    let words = ["finetune", "reviews.csv", "--model", "lstm"];
    for (weights, more, part) in [
        ("random", ["--pooling", "class"], "leave out --pooling"),
        ("random", ["--depth", "0"], "give --depth from 1"),
        ("random", ["--patch-size", "4"], "leave out --patch-size"),
        ("random:nowhere", ["--depth", "1"], "config.json"),
    ] {
        let words = [&words[..], &["--weights", weights], &more].concat();
        let ended = place.run(&words);
        assert_eq!(ended.code, Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
    }
    // Adaptation has no training part of its own to learn pieces from.
    let words = ["adapt", "--source", "reviews.csv", "--target", "reviews.csv", "--model", "lstm"];
    let ended = place.run(&[&words[..], &["--weights", "random"]].concat());
    assert!(ended.stderr.contains("tl finetune made with --weights random"), "{}", ended.stderr);
}
