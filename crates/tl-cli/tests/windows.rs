//! Texts that are longer than `--max-length`, in windows.

use crate::support::Place;
use crate::support::texts::{articles, causal, encoder, quick, reviews, tagged};
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("articles.csv", articles(160).as_bytes());
    place
}

/// Windows of 16 pieces, two of them marks, neighbours of which share four.
const WINDOWS: [&str; 4] = ["--max-length", "16", "--stride", "4"];

fn probabilities(answer: &Value) -> Vec<f64> {
    let all = answer["probabilities"].as_array().unwrap();
    all.iter().map(|it| it.as_f64().unwrap()).collect()
}

#[test]
fn what_stands_behind_the_length_is_learnt_and_answered() {
    let place = place();
    let fit = |out: &str, more: &[&str]| {
        place.json(&quick("articles.csv", out, &[more, &["--epochs", "30"]].concat()))
    };
    // The word that decides is the seventeenth or a later one.
    let cut = fit("cut", &["--max-length", "16"]);
    assert!(cut["test"]["accuracy"].as_f64().unwrap() < 0.75, "{cut}");
    let fitted = fit("run", &WINDOWS);
    assert!(fitted["test"]["accuracy"].as_f64().unwrap() > 0.9, "{fitted}");
    // What is counted are texts.
    assert_eq!(fitted["test"]["n"], cut["test"]["n"]);
    assert_eq!(fitted["validation"]["n"], cut["validation"]["n"]);
    let measured = place.json(&["evaluate", "run", "articles.csv"]);
    assert_eq!(measured["part"], "the run's test part");
    for figure in ["accuracy", "n", "macro_f1"] {
        assert_eq!(measured[figure], fitted["test"][figure], "{figure}");
    }
    let record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    assert_eq!(record["preprocess"]["stride"], 4);
    assert_eq!(record["data"]["train"], 112);
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("160 of 160 texts are longer than 16 pieces"), "no note");
    assert!(page.contains("all are read in "), "no windows");
    let rows = String::from_utf8(place.read("run/predictions.csv")).unwrap();
    assert_eq!(rows.lines().count() as u64, 1 + fitted["test"]["n"].as_u64().unwrap());
    assert!(place.path("run/windows.py").is_file() && !place.path("cut/windows.py").exists());
}

#[test]
fn the_probabilities_of_a_text_are_the_mean_of_those_of_its_windows() {
    let place = place();
    place.json(&quick("articles.csv", "run", &[&WINDOWS[..], &["--epochs", "20"]].concat()));
    // 31 words of a piece each, in windows of 14: 0..14, 10..24, 20..31.
    let words = [&["so"; 20][..], &["good"], &["very"; 10]].concat();
    let windows = [&words[..14], &words[10..24], &words[20..]].map(|own| own.join(" "));
    let lines = [&[words.join(" ")][..], &windows, &[String::new()]].concat();
    place.file("lines.txt", (lines.join("\n") + "\n").as_bytes());
    let found = place.json(&["predict", "run", "lines.txt"]);
    let answers = found["predictions"].as_array().unwrap();
    // The empty line is a text of one window.
    assert_eq!(answers.len(), 5);
    let each: Vec<Vec<f64>> = answers.iter().map(probabilities).collect();
    for (class, own) in each[0].iter().enumerate() {
        let mean = (each[1][class] + each[2][class] + each[3][class]) / 3.0;
        assert!((own - mean).abs() < 1e-5, "{own} is not {mean}");
    }
    assert!((each[1][0] - each[2][0]).abs() > 1e-4, "the windows say the same");
    let logits = answers[0]["logits"].as_array().unwrap();
    let logits = logits.iter().map(|it| it.as_f64().unwrap().exp());
    assert!(logits.zip(&each[0]).all(|(one, other)| (one - other).abs() < 1e-5));

    // A text of 100,000 characters is one text.
    place.file("long.txt", ("very good ".repeat(10_000) + "\nbad\n").as_bytes());
    let ended = place.good(&["predict", "run", "long.txt", "--json"]);
    assert!(ended.stderr.contains("1 of 2 texts are longer than 16 pieces"), "{}", ended.stderr);
    assert!(ended.stderr.contains("in 2001 windows"), "{}", ended.stderr);
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    let sum: f64 = probabilities(&found["predictions"][0]).iter().sum();
    assert!((sum - 1.0).abs() < 1e-5 && found["predictions"][1]["file"] == "2", "{found}");
}

#[test]
fn where_no_text_is_long_windows_change_no_bit() {
    let place = place();
    place.file("reviews.csv", reviews(80).as_bytes());
    place.json(&quick("reviews.csv", "plain", &["--epochs", "2"]));
    let ended = place.good(&quick("reviews.csv", "run", &["--epochs", "2", "--stride", "8"]));
    assert!(ended.stderr.contains("0 of 80 texts are longer than 32 pieces"), "{}", ended.stderr);
    for name in ["model.safetensors", "predictions.csv", "split.csv"] {
        let [plain, windows] = ["plain", "run"].map(|run| place.read(&format!("{run}/{name}")));
        assert!(plain == windows, "{name} differs");
    }
    let [plain, windows] = ["plain", "run"].map(|run| {
        let record: Value =
            serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap();
        [record["validation"].clone(), record["test"].clone()]
    });
    assert!(plain == windows && !plain[0].is_null(), "{plain:?} is not {windows:?}");
}

#[test]
fn the_windows_of_frozen_layers_are_kept_and_not_computed_again() {
    let place = place();
    for frozen in ["layer.0", "pooler"] {
        let more = [&WINDOWS[..], &["--epochs", "2", "--freeze-through", frozen]].concat();
        let rows = |more: &[&str]| {
            let out = format!("{frozen}-{}", more.len());
            place.json(&quick("articles.csv", &out, more));
            let text = String::from_utf8(place.read(&format!("{out}/metrics.jsonl"))).unwrap();
            let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let losses = |row: Value| {
                ["train_loss", "validation_loss"].map(|loss| row[loss].as_f64().unwrap())
            };
            rows.flat_map(losses).collect::<Vec<f64>>()
        };
        let (kept, anew) = (rows(&more), rows(&[&more[..], &["--no-cache"]].concat()));
        assert_eq!(kept.len(), 4);
        for (kept, anew) in kept.iter().zip(&anew) {
            assert!((kept - anew).abs() < 1e-4, "{frozen}: {kept} and {anew}");
        }
    }
}

#[test]
fn no_word_behind_the_length_is_lost() {
    let place = place();
    place.file("words.conll", tagged(240).as_bytes());
    let fit = |out: &'static str, more: &[&'static str]| {
        let words = ["finetune", "words.conll", "--model", "bert", "--weights", "encoder"];
        let more = [&["--recipe", "finetune", "--lr", "3e-3", "--out", out][..], more].concat();
        place.good(&[&words[..], &more].concat())
    };
    // Six pieces beside the marks; sentences have up to nine.
    let cut = fit("cut", &["--epochs", "1", "--max-length", "8"]);
    assert!(cut.stderr.contains("count as O"), "{}", cut.stderr);
    let ended = fit("run", &["--epochs", "60", "--max-length", "8", "--stride", "3"]);
    assert!(ended.stderr.contains("sentences are longer than 8 pieces"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("count as O"), "{}", ended.stderr);
    let words = |run: &str| {
        let rows = String::from_utf8(place.read(&format!("{run}/predictions.csv"))).unwrap();
        let silent = rows.lines().filter(|row| row.ends_with(",0.000000")).count();
        (rows.lines().count() - 1, silent)
    };
    let (all, silent) = words("run");
    assert_eq!((all, silent), (words("cut").0, 0));
    assert!(words("cut").1 > 0, "nothing was cut");
    let measured = place.json(&["evaluate", "run", "words.conll"]);
    assert_eq!(measured["n"].as_u64().unwrap() as usize, all);
    assert!(measured["entities"]["micro"]["f1"].as_f64().unwrap() > 0.9, "{measured}");
    // Offsets are those of the line, not of a window.
    let line = "so ".repeat(9) + "the film was good\n";
    place.file("lines.txt", line.as_bytes());
    let found = place.json(&["predict", "run", "lines.txt"]);
    let entities = found["predictions"][0]["entities"].as_array().unwrap();
    let one = entities.iter().find(|it| it["text"] == "the film");
    assert_eq!(one.map(|it| (&it["start"], &it["end"])), Some((&27.into(), &35.into())), "{found}");
}

#[test]
fn the_vector_of_a_long_text_is_the_mean_of_those_of_its_windows() {
    let place = place();
    let words = [&["so"; 20][..], &["good"], &["very"; 10]].concat();
    let rows = |lines: &[String], more: &[&str]| -> Vec<Vec<f32>> {
        place.file("lines.txt", (lines.join("\n") + "\n").as_bytes());
        let verb = ["embed", "lines.txt", "--model", "bert", "--weights", "encoder"];
        let all =
            place.json(&[&verb[..], &["--out", "e.npy", "--max-length", "16"], more].concat());
        assert_eq!(all["texts"], lines.len());
        let bytes = place.read("e.npy");
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let values = bytes[header..].chunks_exact(4);
        let values: Vec<f32> =
            values.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        values.chunks(32).map(<[f32]>::to_vec).collect()
    };
    let windows = [&words[..14], &words[10..24], &words[20..]].map(|own| own.join(" "));
    let parts = rows(&windows, &[]);
    let found = rows(&[words.join(" "), windows[0].clone(), String::new()], &["--stride", "4"]);
    assert_eq!(found.len(), 3);
    for at in 0..32 {
        let mean = (parts[0][at] + parts[1][at] + parts[2][at]) / 3.0;
        assert!((found[0][at] - mean).abs() < 1e-5, "{} is not {mean}", found[0][at]);
        assert!((found[1][at] - parts[0][at]).abs() < 1e-5);
    }
    assert!((0..32).any(|at| (parts[0][at] - parts[1][at]).abs() > 1e-3));
}

#[test]
fn a_probe_counts_texts_and_a_recurrent_network_reads_windows_too() {
    let place = place();
    let words = ["probe", "articles.csv", "--model", "bert", "--weights", "encoder"];
    let found = place.json(&[&words[..], &WINDOWS].concat());
    assert_eq!(
        (&found["train"], &found["validation"], &found["n"]),
        (&112.into(), &24.into(), &24.into())
    );
    let words = ["finetune", "articles.csv", "--model", "lstm", "--weights", "random"];
    let more = ["--out", "run", "--epochs", "1"];
    let fitted = place.json(&[&words[..], &WINDOWS, &more].concat());
    assert_eq!(fitted["test"]["n"], 24);
    assert_eq!(place.json(&["evaluate", "run", "articles.csv"])["n"], 24);
}

#[test]
fn windows_that_make_no_sense_are_refused_in_one_line() {
    let place = place();
    let fit = |more: &[&'static str]| quick("articles.csv", "run", more);
    for stride in ["14", "15", "18446744073709551615"] {
        let words = fit(&["--max-length", "16", "--stride", stride]);
        place.refused_with(&words, &["2 of them marks", stride, "give --stride below 14"]);
    }
    place.refused_with(&fit(&["--stride", "-1"]), &["--stride", "'-1'"]);
    place.refused_with(&fit(&["--stride", "some"]), &["--stride", "'some'"]);
    let pairs = (0..40).map(|row| format!("good {row},bad {row},{}\n", row % 2));
    let pairs = format!("text,other,label\n{}", pairs.collect::<String>());
    place.file("pairs.csv", pairs.as_bytes());
    let words = quick("pairs.csv", "run", &["--pair-column", "other", "--stride", "2"]);
    place.refused_with(&words, &["pairs of texts", "leave out --stride"]);
    causal(&place, "gpt2");
    let words = ["finetune", "articles.csv", "--task", "lm", "--model", "gpt2", "--weights"];
    let words = [&words[..], &["random:gpt2", "--stride", "2"]].concat();
    place.refused_with(&words, &["learnt without labels", "leave out --stride"]);
    // Verbs that read no windows do not know the word.
    let adapt = ["adapt", "--source", "articles.csv", "--target", "articles.csv", "--stride", "2"];
    place.refused_with(&adapt, &["--stride"]);
    let pretrain = ["pretrain", "articles.csv", "--method", "mlm", "--stride", "2"];
    place.refused_with(&pretrain, &["--stride"]);
    assert!(!place.path("run").exists() && !place.path("runs").exists());

    // A run goes on with the windows that it began with alone.
    place.good(&fit(&[&WINDOWS[..], &["--epochs", "1"]].concat()));
    let before = place.read("run/model.safetensors");
    let other = ["--epochs", "1", "--max-length", "16", "--stride", "5", "--resume"];
    place.refused_with(&fit(&other), &["made with another preprocessing"]);
    assert!(before == place.read("run/model.safetensors"));
}
