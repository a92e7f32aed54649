//! Words with tags: from a file of columns to a run, and back out as entities.

use crate::support::Place;
use crate::support::texts::{encoder, tagged};

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("words.conll", tagged(240).as_bytes());
    place
}

/// The words of a fitting of `words.conll` into `out`.
fn quick<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["finetune", "words.conll", "--model", "bert", "--weights", "encoder", "--out", out];
    [&words[..], &["--recipe", "finetune", "--lr", "3e-3"], more].concat()
}

#[test]
fn a_file_of_tagged_words_becomes_a_run_that_finds_entities() {
    let place = place();
    let fitted = place.json(&quick("run", &["--epochs", "60"]));
    let test = &fitted["test"];
    assert!(test["entities"]["micro"]["f1"].as_f64().unwrap() > 0.9, "{test}");
    assert!(test["accuracy"].as_f64().unwrap() > 0.9, "{test}");
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(
        config.contains("\"BertForTokenClassification\"") && config.contains("\"1\": \"B-film\"")
    );
    assert!(!config.contains("problem_type"));
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("Entities on the test part") && page.contains("all entities (micro)"));
    let rows = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    assert!(rows.lines().all(|row| row.contains("\"validation_f1\":")));

    // The test part, found again by the data's fingerprint, gives what the run noted down.
    let measured = place.json(&["evaluate", "run", "words.conll"]);
    assert_eq!(measured["part"], "the run's test part");
    assert_eq!(measured["entities"], test["entities"]);

    // Offsets count characters of the line as it is.
    place.file("lines.txt", "“the film” was good, so good\n\nis bad\n".as_bytes());
    let answers = place.json(&["predict", "run", "lines.txt"]);
    let answers = answers["predictions"].as_array().unwrap();
    assert_eq!(answers.len(), 3);
    let entity = &answers[0]["entities"][0];
    assert_eq!(
        (entity["label"].as_str(), entity["text"].as_str()),
        (Some("film"), Some("the film"))
    );
    assert_eq!((entity["start"].as_u64(), entity["end"].as_u64()), (Some(1), Some(9)));
    assert!(answers[1]["entities"].as_array().unwrap().is_empty());

    // Lines without a word have no entity.
    place.file("empty.txt", "\n\u{200b}\n".as_bytes());
    let empty = place.json(&["predict", "run", "empty.txt"]);
    assert_eq!(empty["predictions"].as_array().unwrap().len(), 2);

    // The run is a source of weights for the next one, also of whole texts.
    let again =
        ["finetune", "words.conll", "--model", "bert", "--weights", "run", "--recipe", "probe"];
    let second = place.json(&[&again[..], &["--out", "second"]].concat());
    assert!(second["test"]["entities"]["micro"]["f1"].as_f64().unwrap() > 0.9, "{second}");
}

#[test]
fn frozen_layers_are_kept_and_not_computed_again() {
    let place = place();
    let losses = |run: &str, more: &[&str]| {
        place.json(&quick(run, more));
        let text = String::from_utf8(place.read(&format!("{run}/metrics.jsonl"))).unwrap();
        let rows = text.lines().map(|row| serde_json::from_str::<serde_json::Value>(row).unwrap());
        rows.map(|row| row["train_loss"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    for (number, frozen) in ["layer.0", "layer.1"].into_iter().enumerate() {
        let more = ["--epochs", "2", "--freeze-through", frozen];
        let kept = losses(["a", "b"][number], &more);
        let anew = losses(["c", "d"][number], &[&more[..], &["--no-cache"]].concat());
        for (kept, anew) in kept.iter().zip(anew) {
            assert!((kept - anew).abs() < 1e-4, "{frozen}: {kept} and {anew}");
        }
    }
}

#[test]
fn what_does_not_fit_is_told_in_one_line() {
    let place = place();
    place.file("bad.conll", b"a O\nb person\n");
    place.file("other.conll", b"a B-song\nb O\n");
    place.json(&quick("run", &["--epochs", "1"]));
    for (words, part) in [
        (
            &[
                "finetune",
                "bad.conll",
                "--task",
                "tokens",
                "--model",
                "bert",
                "--weights",
                "encoder",
            ][..],
            "line 2: ends in \"person\"",
        ),
        (&["finetune", "words.conll", "--task", "tokens"], "mobilenet_v2 works on images"),
        (&quick("x", &["--shots", "2"]), "leave out --shots"),
        (&quick("x", &["--task", "tokens", "--pooling", "mean"]), "--pooling makes one vector"),
        (
            &["evaluate", "run", "other.conll"],
            "class \"B-song\" is none of those that were trained",
        ),
        (&["evaluate", "run", "bad.conll"], "line 2: ends in"),
    ] {
        let message = place.refused(words);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_sentence_that_is_cut_loses_words_and_says_so() {
    let place = place();
    let fitted = place.run(&quick("run", &["--epochs", "1", "--max-length", "5"]));
    let said = fitted.stderr;
    assert!(
        said.contains("are cut to 5 pieces (--max-length)") && said.contains("count as O"),
        "{said}"
    );
}
