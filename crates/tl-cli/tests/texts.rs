//! Texts: from a table to a run, and back out.

use std::fs;

use crate::support::Place;
use crate::support::texts::{encoder, quick, reviews};

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(160).as_bytes());
    place
}

#[test]
fn a_table_of_sentences_becomes_a_run_that_is_measured_and_labels_lines() {
    let place = place();
    let fitted = place.json(&quick("reviews.csv", "run", &["--epochs", "40"]));
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    for name in ["config.json", "tokenizer.json", "model.safetensors", "report.html", "load.py"] {
        assert!(place.path(&format!("run/{name}")).is_file(), "{name}");
    }
    let config = String::from_utf8(place.read("run/config.json")).unwrap();
    assert!(
        config.contains("\"BertForSequenceClassification\"")
            && config.contains("\"1\": \"positive\"")
    );

    // The test part, found again by the data's fingerprint, gives what the run noted down.
    let measured = place.json(&["evaluate", "run", "reviews.csv"]);
    assert_eq!(measured["part"], "the run's test part");
    for figure in ["accuracy", "n", "macro_f1"] {
        assert_eq!(measured[figure], fitted["test"][figure], "{figure}");
    }

    // Lines keep their order, whatever their length.
    place.file("lines.txt", b"awful\nthe film is very very very good\n\nso bad\n");
    let answers = place.json(&["predict", "run", "lines.txt"]);
    let answers = answers["predictions"].as_array().unwrap();
    let labels: Vec<&str> = answers.iter().map(|it| it["label"].as_str().unwrap()).collect();
    assert_eq!(answers.len(), 4);
    assert_eq!((labels[0], labels[1], labels[3]), ("negative", "positive", "negative"));
    let names: Vec<&str> = answers.iter().map(|it| it["file"].as_str().unwrap()).collect();
    assert_eq!(names, ["1", "2", "3", "4"]);

    // The run is a source of weights for the next one.
    let again = ["--weights", "run", "--recipe", "probe"];
    let words = ["finetune", "reviews.csv", "--model", "bert", "--out", "second"];
    let second = place.json(&[&words[..], &again].concat());
    assert!(second["test"]["accuracy"].as_f64().unwrap() > 0.9, "{second}");
}

#[test]
fn frozen_layers_are_kept_and_not_computed_again() {
    let place = place();
    let more = ["--epochs", "2", "--freeze-through", "layer.0"];
    place.json(&quick("reviews.csv", "kept", &more));
    place.json(&quick("reviews.csv", "anew", &[&more[..], &["--no-cache"]].concat()));
    let rows = |run: &str| {
        let text = String::from_utf8(place.read(&format!("{run}/metrics.jsonl"))).unwrap();
        let rows =
            text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        rows.map(|row| row["train_loss"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    for (kept, anew) in rows("kept").iter().zip(rows("anew")) {
        assert!((kept - anew).abs() < 1e-4, "{kept} and {anew}");
    }
}

#[test]
fn the_rows_of_an_embedding_are_in_the_order_of_the_lines() {
    let place = place();
    let words = ["embed", "lines.txt", "--model", "bert", "--weights", "encoder", "--out", "e.npy"];
    place.file("lines.txt", b"good\nthe film was very very bad\n\nawful\n");
    let all = place.json(&words);
    assert_eq!((&all["texts"], &all["width"]), (&4.into(), &32.into()));
    let rows = |bytes: &[u8]| -> Vec<f32> {
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let values = bytes[header..].chunks_exact(4);
        values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    let together = rows(&place.read("e.npy"));
    for (number, line) in ["good", "the film was very very bad", "", "awful"].iter().enumerate() {
        place.file("lines.txt", format!("{line}\n").as_bytes());
        place.json(&words);
        let alone = rows(&place.read("e.npy"));
        let row = &together[number * 32..][..32];
        let off = alone.iter().zip(row).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
        assert!(off < 1e-5, "{line:?}: {off:.1e}");
    }
}

#[test]
fn mistakes_are_shown_with_what_spoke_for_them() {
    let place = place();
    // Labels that nobody can learn: of a test part some are answered wrongly.
    let noise: String = (0..80)
        .map(|row: u32| {
            let class = if row.wrapping_mul(2_654_435_761) >> 31 == 0 { "yes" } else { "no" };
            format!("the film {} was very <so> good,{class}\n", row)
        })
        .collect();
    place.file("noise.csv", format!("text,label\n{noise}").as_bytes());
    place.json(&quick("noise.csv", "run", &["--epochs", "1"]));
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("Most confident mistakes on the test part"), "no section");
    assert!(page.contains("<mark class=\"for\"") && page.contains("&lt;"), "no mark");
}

#[test]
fn rare_classes_weigh_as_much_as_others_where_that_is_asked_for() {
    let place = place();
    // Of twelve texts one is rare; four more look the same. Numbers are unknown pieces, and keep the texts apart.
    let rows: String = (0..240)
        .map(|row| match row % 12 {
            0 => format!("the film was bad {row},rare\n"),
            1..=4 => format!("the film was bad {row},common\n"),
            _ => format!("the film was good {row},common\n"),
        })
        .collect();
    place.file("rare.csv", format!("text,label\n{rows}").as_bytes());
    let recall = |out: &str, weights: &str| {
        let more = ["--epochs", "12", "--keep", "last", "--class-weights", weights];
        let found = place.json(&quick("rare.csv", out, &more));
        let classes = found["test"]["per_class"].as_array().unwrap().clone();
        let rare = classes.iter().find(|class| class["label"] == "rare").unwrap();
        rare["recall"].as_f64().unwrap()
    };
    let (even, balanced) = (recall("even", "even"), recall("balanced", "balanced"));
    assert!(balanced > even, "{balanced} is not above {even}");
    let words = ["finetune", "reviews.csv", "--task", "lm", "--model", "gpt2", "--weights", "x"];
    let refused = place.run(&[&words[..], &["--class-weights", "balanced"]].concat());
    assert!(refused.stderr.contains("these texts have no classes"), "{}", refused.stderr);
}

#[test]
fn texts_are_probed_beside_their_words() {
    let place = place();
    let words = ["probe", "reviews.csv", "--model", "bert", "--weights", "encoder", "--words"];
    let found = place.json(&words);
    assert!(found["words"].as_f64().unwrap() > 0.9, "{found}");
    assert!(found["linear"].as_f64().unwrap() > 0.6 && found["knn"].as_f64().is_some(), "{found}");
    assert_eq!(found["width"], 32);
    let few = place.json(&[&words[..], &["--shots", "3", "--split", "40,10,50"]].concat());
    assert_eq!((&few["train"], &few["n"]), (&6.into(), &80.into()));
    let refused = place.run(&[&words[..], &["--pixels"]].concat());
    assert!(
        refused.stderr.contains("texts have no pixels; leave out --pixels"),
        "{}",
        refused.stderr
    );
    place.image("photos/a/1.png", 32, 32, 1);
    place.image("photos/b/1.png", 32, 32, 1001);
    let refused = place.run(&["probe", "photos", "--words"]);
    assert!(refused.stderr.contains("images have no words"), "{}", refused.stderr);
}

#[test]
fn sentences_without_labels_from_elsewhere_are_adapted_to() {
    let place = place();
    let elsewhere = reviews(90).replace("film", "is the").replace("so ", "a ");
    place.file("elsewhere.csv", elsewhere.as_bytes());
    let lines: Vec<&str> =
        elsewhere.lines().skip(1).map(|it| it.split('"').nth(1).unwrap()).collect();
    place.file("lines.txt", lines.join("\n").as_bytes());
    let words = |target: &'static str, out: &'static str, more: &[&'static str]| {
        let words = ["adapt", "--source", "reviews.csv", "--target", target, "--out", out];
        let network = ["--model", "bert", "--weights", "encoder", "--lr", "3e-3"];
        let length = ["--source-epochs", "10", "--epochs", "2", "--batch-size", "8"];
        [&words[..], &network, &length, more].concat()
    };
    let found = place.json(&words("elsewhere.csv", "run", &["--method", "dann"]));
    assert!(found["oracle"]["accuracy"].as_f64().unwrap() > 0.9, "{found}");
    assert_eq!(found["oracle"]["n"], 90);
    let measured = place.json(&["evaluate", "run", "elsewhere.csv"]);
    assert_eq!(measured["accuracy"], found["oracle"]["accuracy"]);
    assert!(place.path("run/tokenizer.json").is_file() && place.path("run/config.json").is_file());

    // Frozen layers are kept; lines have no labels.
    let more = ["--compare", "coral,shot,mean_teacher,tent", "--freeze-through", "layer.0"];
    let found = place.json(&words("lines.txt", "lines", &more));
    assert!(found["oracle"].is_null(), "{found}");
    assert_eq!(found["candidates"].as_array().unwrap().len(), 4);

    for method in ["fda", "mixstyle", "adabn"] {
        let words = words("lines.txt", "no", &["--method", method]);
        place.refused_with(&words, &[method, "texts", "leave out"]);
    }
    place.refused_with(&words("lines.txt", "no", &["--augment"]), &["texts are not varied"]);
    place.refused_with(
        &[
            "adapt",
            "--source",
            "reviews.csv",
            "--target-shift",
            "night",
            "--model",
            "bert",
            "--weights",
            "encoder",
        ],
        &["texts know no shift"],
    );
}

#[test]
fn a_pair_of_texts_is_one_example() {
    let place = place();
    let mut table = String::from("one\ttwo\tsame\n");
    for number in 0..60 {
        let (one, two) = (["good", "bad"][number % 2], ["good", "bad"][number / 2 % 2]);
        let same = number % 2 == number / 2 % 2;
        table += &format!(
            "{one} {}\tvery {two} {}\t{same}\n",
            "so ".repeat(number / 4),
            "a ".repeat(number % 3)
        );
    }
    place.file("pairs.tsv", table.as_bytes());
    let columns = ["--text-column", "one", "--pair-column", "two", "--label-column", "same"];
    let fitted =
        place.json(&quick("pairs.tsv", "run", &[&columns[..], &["--epochs", "1"]].concat()));
    assert_eq!(fitted["test"]["per_class"].as_array().unwrap().len(), 2);
    place.json(&["evaluate", "run", "pairs.tsv"]);
}

#[test]
fn odd_texts_are_texts() {
    let place = place();
    let long = "very good ".repeat(10_000);
    let table =
        format!("{}\"\",positive\n{long},positive\n\u{1F600} \u{0},negative\n", reviews(40));
    place.file("odd.csv", table.as_bytes());
    let ended = place.good(&quick("odd.csv", "run", &["--epochs", "1"]));
    assert!(ended.stderr.contains("note: 1 texts are empty"), "{}", ended.stderr);
    assert!(ended.stderr.contains("cut to 32 pieces"), "{}", ended.stderr);
    place.good(&["predict", "run", "odd.csv"]);
}

#[test]
fn what_does_not_fit_is_one_line() {
    let place = place();
    let fit = |data: &'static str, more: &[&'static str]| quick(data, "run", more);
    place.refused_with(&["finetune", "reviews.csv"], &["works on images", "--model bert"]);
    place.refused_with(
        &["finetune", "reviews.csv", "--model", "bert"],
        &["no weights were given for bert"],
    );
    place.refused_with(
        &["finetune", "reviews.csv", "--model", "bert", "--weights", "random"],
        &["tokenizer", "give --weights a folder"],
    );
    place.refused_with(&fit("absent.csv", &[]), &["absent.csv does not exist"]);
    place.refused_with(
        &fit("reviews.csv", &["--text-column", "words"]),
        &["\"words\"", "text, label"],
    );
    place.refused_with(&fit("reviews.csv", &["--max-length", "33"]), &["33", "3 to 32"]);
    place.refused_with(&fit("reviews.csv", &["--max-length", "2"]), &["--max-length from 3"]);
    place.refused_with(&fit("reviews.csv", &["--image-size", "64"]), &["--image-size"]);
    place.refused_with(&fit("reviews.csv", &["--augment"]), &["--augment varies images"]);
    place.refused_with(&fit("reviews.csv", &["--depth", "3"]), &["config.json"]);
    place.file("bytes.csv", b"text,label\ngood,a\n\xff\xfe,b\n");
    place.refused_with(&fit("bytes.csv", &[]), &["bytes.csv, line 3", "UTF-8"]);
    place.file("ragged.csv", b"text,label\ngood, very good,a\n");
    place.refused_with(&fit("ragged.csv", &[]), &["line 2", "3 fields"]);

    place.good(&fit("reviews.csv", &["--epochs", "1"]));
    place.file("other.csv", b"text,label\ngood,neutral\n");
    place.refused_with(&["evaluate", "run", "other.csv"], &["\"neutral\"", "negative, positive"]);
    place.refused_with(
        &["adapt", "--source", "run", "--target", "run", "--model", "bert", "--weights", "encoder"],
        &[],
    );

    for (file, part) in [("config.json", "config.json"), ("tokenizer.json", "tokenizer.json")] {
        let folder = format!("without-{file}");
        encoder(&place, &folder);
        fs::remove_file(place.path(&format!("{folder}/{file}"))).unwrap();
        let words = ["finetune", "reviews.csv", "--model", "bert", "--weights", &folder];
        place.refused_with(&words, &[part, "give --weights a folder"]);
        place.file(&format!("{folder}/{file}"), b"{]");
        place.refused_with(&words, &[part, "fetch the file anew"]);
    }
    // A tokenizer with more pieces than the table has rows.
    encoder(&place, "large");
    let text = String::from_utf8(place.read("large/tokenizer.json")).unwrap();
    place.file("large/tokenizer.json", text.replace("\"good\":4", "\"good\":40").as_bytes());
    let words = ["finetune", "reviews.csv", "--model", "bert", "--weights", "large"];
    place.refused_with(&words, &["number 40", "tokenizer that belongs"]);
    // Sizes that the weights do not have.
    let text = String::from_utf8(place.read("encoder/config.json")).unwrap();
    encoder(&place, "sizes");
    for (from, to) in [
        ("\"hidden_size\":32", "\"hidden_size\":64"),
        ("\"vocab_size\":16", "\"vocab_size\":1600000"),
    ] {
        assert!(text.contains(from), "{text}");
        place.file("sizes/config.json", text.replace(from, to).as_bytes());
        place.refused_with(
            &["finetune", "reviews.csv", "--model", "bert", "--weights", "sizes"],
            &[],
        );
    }
}
