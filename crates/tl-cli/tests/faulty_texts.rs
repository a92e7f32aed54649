//! Texts at fault, in every verb that reads them: one clear line, and nothing lost.

use std::fs;

use crate::support::texts::{encoder, quick, reviews, tagged};
use crate::support::{Place, contents};

/// A place with an encoder, reviews, and a run on them.
fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(40).as_bytes());
    place.good(&quick("reviews.csv", "run", &["--epochs", "1"]));
    place
}

/// A run on words with tags as well, in the folder `words`.
fn with_words(place: &Place) {
    place.file("words.conll", tagged(60).as_bytes());
    let words = ["finetune", "words.conll", "--model", "bert", "--weights", "encoder"];
    place
        .good(&[&words[..], &["--recipe", "finetune", "--epochs", "1", "--out", "words"]].concat());
}

/// The verbs that begin with the weights in `folder`.
fn from_weights<'a>(data: &'a str, folder: &'a str) -> [Vec<&'a str>; 3] {
    let network = ["--model", "bert", "--weights", folder];
    [
        [&["finetune", data, "--task", "text", "--out", "new"][..], &network].concat(),
        [&["embed", data, "--out", "new.npy"][..], &network].concat(),
        [&["probe", data][..], &network].concat(),
    ]
}

/// The verbs that begin with the run in `folder`.
fn from_run<'a>(data: &'a str, folder: &'a str) -> [Vec<&'a str>; 2] {
    [vec!["evaluate", folder, data], vec!["predict", folder, data]]
}

#[test]
fn bytes_that_are_no_utf_8_are_told_with_their_line_by_every_verb() {
    let place = place();
    let before = contents(&place.path("run"));
    place.file("bytes.csv", b"text,label\ngood,positive\n\xff\xfe,negative\n");
    place.file("bytes.tsv", b"text\tlabel\ngood\tpositive\n\xc3(\tnegative\n");
    place.file(
        "bytes.jsonl",
        b"{\"text\": \"good\", \"label\": \"positive\"}\n\n{\"text\": \"\xe2\x82\", \"label\": \"negative\"}\n",
    );
    for data in ["bytes.csv", "bytes.tsv", "bytes.jsonl"] {
        for words in from_weights(data, "encoder").iter().chain(&from_run(data, "run")) {
            place.refused_with(words, &[data, "line 3", "no UTF-8; save the file as UTF-8"]);
        }
    }
    place.file("bytes.txt", b"good\nbad\n\x80\n");
    place.file("folder/a/1.txt", b"good");
    place.file("folder/b/2.txt", b"very\nb\xe4d");
    for (data, parts) in [("bytes.txt", ["bytes.txt", "line 3"]), ("folder", ["2.txt", "line 2"])] {
        for words in [&from_weights(data, "encoder")[1], &from_run(data, "run")[1]] {
            place.refused_with(words, &parts);
        }
    }
    assert!(!place.path("new").exists() && !place.path("new.npy").exists());
    assert!(before == contents(&place.path("run")));
}

#[test]
fn files_of_tags_at_fault_are_told_with_their_line() {
    let place = place();
    with_words(&place);
    let before = contents(&place.path("words"));
    for (name, bytes, part) in [
        (
            "ragged.conll",
            &b"the B-film\nfilm NN I-film\n"[..],
            "line 2: has 3 columns, and line 1 has 2",
        ),
        (
            "narrow.conll",
            b"the DT B-film\nfilm I-film\n",
            "line 2: has 2 columns, and line 1 has 3",
        ),
        ("bytes.conll", b"the B-film\n\xff I-film\n", "line 2: holds bytes that are no UTF-8"),
    ] {
        place.file(name, bytes);
        let words = ["finetune", name, "--task", "tokens", "--model", "bert", "--out", "new"];
        place.refused_with(&[&words[..], &["--weights", "encoder"]].concat(), &[name, part]);
        place.refused_with(&["evaluate", "words", name], &[name, part]);
    }
    place.file("other.conll", b"the B-song\nfilm O\n\n");
    let parts = ["class \"B-song\" is none of those that were trained", "rename or remove"];
    place.refused_with(&["evaluate", "words", "other.conll"], &parts);
    assert!(!place.path("new").exists());
    assert!(before == contents(&place.path("words")));
}

#[test]
fn a_tokenizer_that_does_not_fit_and_a_file_that_is_missing_are_told_by_every_verb() {
    let place = place();
    with_words(&place);
    place.file("lines.txt", b"the film was good\n");
    let faults = |folder: &str, mend: &str, verbs: &[Vec<&str>]| {
        let path = |name: &str| place.path(&format!("{folder}/{name}"));
        let before = contents(&place.path(folder));
        let [config, pieces] =
            ["config.json", "tokenizer.json"].map(|name| fs::read(path(name)).unwrap());
        let refused =
            |parts: &[&str]| verbs.iter().for_each(|words| place.refused_with(words, parts));
        fs::remove_file(path("config.json")).unwrap();
        refused(&["config.json", mend]);
        fs::write(path("config.json"), config).unwrap();
        fs::remove_file(path("tokenizer.json")).unwrap();
        refused(&["tokenizer.json: is not there", mend]);
        // A piece beyond the rows of the table.
        let text = String::from_utf8(pieces.clone()).unwrap();
        let other = text.replace("\"good\":4", "\"good\":40");
        assert_ne!(text, other);
        fs::write(path("tokenizer.json"), other).unwrap();
        refused(&["number 40", "the weights know 16 pieces", "give the tokenizer that belongs"]);
        fs::write(path("tokenizer.json"), pieces).unwrap();
        assert!(before == contents(&place.path(folder)), "{folder}");
    };
    let weights = from_weights("reviews.csv", "encoder");
    faults("encoder", "give --weights a folder that holds", &weights);
    let mend = "put it back, or fit the run again";
    faults("run", mend, &from_run("reviews.csv", "run"));
    faults(
        "words",
        mend,
        &[vec!["evaluate", "words", "words.conll"], vec!["predict", "words", "lines.txt"]],
    );
    assert!(!place.path("new").exists() && !place.path("new.npy").exists());
    // What was put back answers again.
    from_run("reviews.csv", "run").iter().for_each(|words| drop(place.good(words)));
    place.good(&["predict", "words", "lines.txt"]);
}

#[test]
fn lines_of_100_000_characters_and_empty_ones_are_texts_in_every_verb() {
    let place = place();
    with_words(&place);
    let long = ["very good ".repeat(10_000), "x".repeat(100_000), "\u{1F600}".repeat(100_000)];
    let lines = [&long[..], &[String::new(), "bad".into()]].concat();
    place.file("lines.txt", (lines.join("\n") + "\n").as_bytes());
    let rows = lines.iter().zip([0, 1].iter().cycle());
    let label = |number: &usize| ["negative", "positive"][*number];
    let table: String =
        rows.map(|(line, number)| format!("\"{line}\",{}\n", label(number))).collect();
    place.file("odd.csv", (reviews(40) + &table).as_bytes());

    let answers = place.json(&["predict", "run", "lines.txt"]);
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 5);
    let ended = place.good(&["predict", "words", "lines.txt", "--json"]);
    assert!(ended.stderr.contains("words have no answer and count as O"), "{}", ended.stderr);
    let answers: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 5);
    let embedded = place.json(&from_weights("lines.txt", "encoder")[1]);
    assert_eq!((&embedded["texts"], &embedded["width"]), (&5.into(), &32.into()));
    assert_eq!(place.json(&["evaluate", "run", "odd.csv"])["n"], 45);
    place.good(&quick("odd.csv", "odd", &["--epochs", "1"]));
    place.good(&[&from_weights("odd.csv", "encoder")[2][..], &["--words"]].concat());
    let words = ["finetune", "odd.csv", "--model", "lstm", "--weights", "random", "--epochs", "1"];
    let ended = place.good(&[&words[..], &["--out", "lstm"]].concat());
    assert!(ended.stderr.contains("are cut to 128 pieces"), "{}", ended.stderr);
}

#[test]
fn texts_of_which_all_are_empty_teach_nothing_and_end_nothing() {
    let place = place();
    place.file("nothing.txt", b"");
    let answers = place.json(&["predict", "run", "nothing.txt"]);
    assert!(answers["predictions"].as_array().unwrap().is_empty(), "{answers}");
    let rows = "\"\",positive\n\"  \",negative\n".repeat(10);
    place.file("empty.csv", format!("text,label\n{rows}").as_bytes());
    // They are all the same text, which stays in the training part.
    let ended = place.good(&quick("empty.csv", "empty", &["--epochs", "1"]));
    assert!(ended.stderr.contains("20 texts are empty"), "{}", ended.stderr);
    assert!(ended.stdout.contains("no test part"), "{}", ended.stdout);
    assert_eq!(place.json(&["evaluate", "run", "empty.csv"])["n"], 20);
    let words = ["finetune", "empty.csv", "--model", "lstm", "--weights", "random", "--out", "new"];
    place.refused_with(&words, &["no text to learn pieces of words from"]);
    let probe = &from_weights("empty.csv", "encoder")[2];
    place.refused_with(probe, &["no test part"]);
    assert!(!place.path("new").exists());
}
