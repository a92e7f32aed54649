//! Pairs of texts: vectors by which one text finds the other, and what becomes of them.

use crate::support::Place;
use crate::support::texts::{causal, encoder, pairs, reviews};

const COLUMNS: [&str; 4] = ["--text-column", "question", "--pair-column", "answer"];

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("pairs.csv", pairs().as_bytes());
    place
}

fn words<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["finetune", data, "--task", "embedding", "--model", "bert", "--weights", "encoder"];
    [&words[..], &["--out", out], more].concat()
}

#[test]
fn texts_that_mean_the_same_find_each_other() {
    let place = place();
    let fit = |out: &'static str, rate: &'static str, epochs: &'static str| {
        let how = ["--lr", rate, "--epochs", epochs, "--batch-size", "32"];
        place.json(&words("pairs.csv", out, &[&COLUMNS[..], &how].concat()))
    };
    let first = |found: &serde_json::Value, part: &str| found[part]["first"].as_f64().unwrap();
    // Nothing is learnt at this rate.
    let before = fit("before", "1e-12", "1");
    let found = fit("run", "3e-3", "40");
    assert!(first(&before, "test") < 0.3, "{before}");
    assert!(first(&found, "test") > 0.6, "{found}");
    assert!(found["test"]["ten"].as_f64().unwrap() > 0.9, "{found}");
    for name in ["config.json", "tokenizer.json", "report.html", "load.py", "split.csv"] {
        assert!(place.path(&format!("run/{name}")).is_file(), "{name}");
    }
    let again = place.json(&["evaluate", "run", "pairs.csv"]);
    assert_eq!(
        (&again["part"], &again["first"]),
        (&"the run's test part".into(), &found["test"]["first"])
    );
    let said = place.good(&["evaluate", "run", "pairs.csv"]).stdout;
    assert!(said.contains("find their own text first of"), "{said}");

    // The folder is a source of vectors and of a classifier.
    place.file("lines.txt", b"good good bad\nfilm film is\n");
    let embed = ["embed", "lines.txt", "--model", "bert", "--weights", "run", "--out", "lines.npy"];
    let vectors = place.json(&embed);
    assert_eq!((&vectors["texts"], &vectors["width"]), (&2.into(), &32.into()));
    place.file("reviews.csv", reviews(60).as_bytes());
    let how = ["--model", "bert", "--weights", "run", "--recipe", "probe", "--out", "fit"];
    place.json(&[&["finetune", "reviews.csv"], &how[..]].concat());
    place.refused_with(&["predict", "run", "lines.txt"], &["maker of vectors", "tl embed"]);
}

#[test]
fn a_run_is_taken_up_by_its_record_and_depends_on_its_seed() {
    let place = place();
    let quick = [&COLUMNS[..], &["--epochs", "1", "--lr", "1e-3"]].concat();
    place.json(&words("pairs.csv", "one", &quick));
    place.json(&words("pairs.csv", "two", &[&quick[..], &["--seed", "1"]].concat()));
    let file = |run: &str| place.read(&format!("{run}/model.safetensors"));
    assert!(file("one") != file("two"));
    place.json(&["finetune", "pairs.csv", "--config", "one/run.json", "--out", "three"]);
    assert!(file("one") == file("three"));
}

#[test]
fn what_is_no_pair_is_one_line() {
    let place = place();
    place.file("reviews.csv", reviews(20).as_bytes());
    let fit = |data: &'static str, more: &[&'static str]| {
        words(data, "out", &[&["--epochs", "1"], more].concat())
    };
    place.refused_with(&fit("reviews.csv", &[]), &["no text has a second one", "--pair-column"]);
    let other = ["--text-column", "question", "--pair-column", "reply"];
    place.refused_with(&fit("pairs.csv", &other), &["reply", "--pair-column"]);
    for (flag, value) in [("--class-weights", "balanced"), ("--shots", "2"), ("--recipe", "probe")]
    {
        let more = [&COLUMNS[..], &[flag, value]].concat();
        let message = place.refused(&fit("pairs.csv", &more));
        assert!(!message.contains('\n') && !place.path("out").exists(), "{message}");
    }
    place.file("half.csv", b"question,answer\ngood,\n,bad\n");
    place.refused_with(&fit("half.csv", &COLUMNS), &["no text has a second one"]);
    place.image("photos/a/1.png", 8, 8, 1);
    place.refused_with(&["finetune", "photos", "--task", "embedding"], &["works on images"]);
}

#[test]
fn a_causal_network_makes_vectors_too() {
    let place = place();
    causal(&place, "letters");
    let how = ["--model", "gpt2", "--weights", "random:letters", "--epochs", "1"];
    let words = ["finetune", "pairs.csv", "--task", "embedding", "--out", "run"];
    let found = place.json(&[&words[..], &COLUMNS, &how].concat());
    assert!(found["test"]["n"].as_u64().unwrap() > 10, "{found}");
}
