//! Texts that are answered with a number: from a table to a run, and back out.

use crate::support::Place;
use crate::support::texts::{causal, encoder, rated, reviews};
use serde_json::Value;

fn place() -> Place {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("rated.csv", rated(180, 1.0).as_bytes());
    place
}

/// The words of a fitting of `data` into `out`.
fn fit<'a>(data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["finetune", data, "--task", "regression", "--label-column", "rating", "--out", out];
    let network = ["--model", "bert", "--weights", "encoder", "--lr", "3e-3", "--batch-size", "8"];
    [&words[..], &network, more].concat()
}

fn text(place: &Place, name: &str) -> String {
    String::from_utf8(place.read(name)).unwrap()
}

/// The numbers that a run answers with, line by line.
fn answers(place: &Place, run: &str, file: &str) -> Vec<f32> {
    let found = place.json(&["predict", run, file]);
    let all = found["predictions"].as_array().unwrap().clone();
    all.iter().map(|it| it["number"].as_f64().unwrap() as f32).collect()
}

/// Whether figures are the same, but for the rounding of an f32 on its way.
fn near(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(one, other))
        }
        _ => match (one.as_f64(), other.as_f64()) {
            (Some(one), Some(other)) => (one - other).abs() <= 1e-3 * other.abs().max(1.0),
            _ => one == other,
        },
    }
}

const FIGURES: [&str; 7] = [
    "n",
    "r2",
    "root_mean_squared_error",
    "mean_absolute_error",
    "pearson",
    "pearson_interval",
    "spearman",
];

#[test]
fn the_number_of_a_word_is_learnt_and_told_again() {
    let place = place();
    let fitted = place.json(&fit("rated.csv", "run", &["--epochs", "20"]));
    assert!(fitted["test"]["r2"].as_f64().unwrap() > 0.9, "{fitted}");
    assert!(fitted["test"].get("accuracy").is_none(), "{fitted}");
    let record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    assert!(record["test"].is_null() && record["labels"] == serde_json::json!(["rating"]));
    let rows = text(&place, "run/metrics.jsonl");
    let row: Value = serde_json::from_str(rows.lines().last().unwrap()).unwrap();
    assert!(row["validation_r2"].is_number() && row["validation_accuracy"].is_null(), "{row}");
    let config: Value = serde_json::from_slice(&place.read("run/config.json")).unwrap();
    assert_eq!(config["problem_type"], "regression");
    assert_eq!(config["id2label"], serde_json::json!({"0": "rating"}));
    let page = text(&place, "run/report.html");
    for part in ["Test R²", "Numbers on the test part", "Largest errors on the test part"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("Confusion") && !page.contains("ccuracy"));

    // The test part, found again by the data's fingerprint, gives what the run noted down.
    let measured = place.json(&["evaluate", "run", "rated.csv"]);
    assert_eq!(measured["part"], "the run's test part");
    for figure in FIGURES {
        assert_eq!(measured[figure], record["numbers"]["test"][figure], "{figure}");
    }
    let said = place.good(&["evaluate", "run", "rated.csv"]).stdout;
    assert!(said.contains("R² 0.9") || said.contains("R² 1."), "{said}");

    // Each line's answer is that of the run's own table.
    let all = answers(&place, "run", "rated.csv");
    let table = text(&place, "run/predictions.csv");
    assert_eq!(table.lines().count() as u64, 1 + fitted["test"]["n"].as_u64().unwrap());
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let [line, number, predicted] = fields[..] else { panic!("{row}") };
        // The names stand on line 1, and predictions begin with the line behind them.
        let line: usize = line.parse().unwrap();
        let off = (all[line - 2] - predicted.parse::<f32>().unwrap()).abs();
        assert!(off < 1e-4, "line {line}: {off}");
        let written = rated(180, 1.0);
        let own = written.lines().nth(line - 1).unwrap();
        assert!(own.ends_with(&format!(",{number}")), "{row} and {own}");
    }

    // The run is a source of weights for a classifier, whose answers are classes again.
    place.file("reviews.csv", reviews(60).as_bytes());
    let words = ["finetune", "reviews.csv", "--model", "bert", "--weights", "run"];
    place.json(&[&words[..], &["--recipe", "probe", "--out", "classes"]].concat());
    assert!(text(&place, "classes/config.json").contains("single_label_classification"));
    place.refused_with(&["evaluate", "classes", "rated.csv"], &["--label-column"]);
}

#[test]
fn in_another_unit_the_answers_are_the_same_numbers_in_it() {
    let place = place();
    // A power of two, so that no rounding differs.
    place.file("units.csv", rated(180, 1024.0).as_bytes());
    for (data, out) in [("rated.csv", "one"), ("units.csv", "many")] {
        place.json(&fit(data, out, &["--epochs", "2"]));
    }
    let (one, many) = (answers(&place, "one", "rated.csv"), answers(&place, "many", "rated.csv"));
    for (one, many) in one.iter().zip(&many) {
        assert_eq!(one * 1024.0, *many);
    }
    let file = |run: &str| place.read(&format!("{run}/model.safetensors"));
    assert!(file("one") != file("many"));
}

#[test]
fn every_recipe_and_network_answers_with_numbers() {
    let place = place();
    causal(&place, "letters");
    let pairs: String = rated(180, 1.0).lines().skip(1).map(|row| format!("so,{row}\n")).collect();
    place.file("pairs.csv", format!("text,second,rating\n{pairs}").as_bytes());
    place.file("lines.txt", b"the film was very good\n\nvery very\n");
    let base = |data| ["finetune", data, "--task", "regression", "--label-column", "rating"];
    let bert = ["--model", "bert", "--weights", "encoder"];
    for (number, (data, more)) in [
        ("rated.csv", [&bert[..], &["--recipe", "gradual", "--epochs", "4"]].concat()),
        ("rated.csv", [&bert[..], &["--recipe", "probe", "--epochs", "2"]].concat()),
        ("rated.csv", [&bert[..], &["--adapter", "lora:rank=2", "--epochs", "1"]].concat()),
        (
            "rated.csv",
            [&bert[..], &["--pooling", "mean", "--ema", "0.5", "--epochs", "1"]].concat(),
        ),
        (
            "rated.csv",
            [&bert[..], &["--max-length", "8", "--stride", "2", "--epochs", "1"]].concat(),
        ),
        ("pairs.csv", [&bert[..], &["--pair-column", "second", "--epochs", "1"]].concat()),
        ("rated.csv", ["--model", "gpt2", "--weights", "random:letters", "--epochs", "1"].to_vec()),
        ("rated.csv", ["--model", "lstm", "--weights", "random", "--epochs", "1"].to_vec()),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("run-{number}");
        let fitted = place.json(&[&base(data)[..], &more, &["--out", &out]].concat());
        assert!(fitted["test"]["r2"].is_number(), "{more:?}: {fitted}");
        let measured = place.json(&["evaluate", &out, data]);
        for figure in FIGURES {
            // What is merged into the weights is rounded.
            let (again, noted) = (&measured[figure], &fitted["test"][figure]);
            assert!(near(again, noted), "{more:?}: {figure} {again} {noted}");
        }
        if data == "rated.csv" {
            let found = answers(&place, &out, "lines.txt");
            assert!(found.len() == 3 && found.iter().all(|it| it.is_finite()), "{found:?}");
        }
    }
    // GPT-2's head adds nothing, and its numbers were learnt around 0.
    let record: Value = serde_json::from_slice(&place.read("run-6/run.json")).unwrap();
    assert_eq!(record["numbers"]["scale"]["mean"], 0.0);
    assert!(place.path("run-2/adapter/adapter_config.json").is_file());
    let rows = text(&place, "run-3/metrics.jsonl");
    assert!(rows.lines().all(|row| row.contains("\"ema_r2\":")), "{rows}");
}

#[test]
fn runs_of_several_seeds_tell_how_much_their_r2_differs() {
    let place = place();
    let found = place.json(&fit("rated.csv", "seeds", &["--epochs", "1", "--seeds", "2"]));
    assert!(found["r2"]["mean"].is_number() && found["r2"]["deviation"].is_number(), "{found}");
    assert!(found["root_mean_squared_error"]["mean"].is_number(), "{found}");
    assert!(found.get("accuracy").is_none(), "{found}");
    let again = ["--epochs", "1", "--seeds", "2", "--resume"];
    let said = place.good(&fit("rated.csv", "seeds", &again)).stdout;
    assert!(said.contains("R²") && said.contains("mean ± deviation of 2 seeds"), "{said}");
}

#[test]
fn ratings_are_numbers_too_and_a_look_before_shows_their_mean() {
    let place = place();
    let row = |row: usize| {
        let words = "so ".repeat(row % 8) + &"a ".repeat(row / 8);
        format!("{row}\t{}\tthe film was {words}good\n", row % 8)
    };
    let rows = (0..40).map(row);
    place.file("rated.txt", rows.collect::<String>().as_bytes());
    let words = ["finetune", "rated:rated.txt", "--task", "regression", "--model", "bert"];
    let words = [&words[..], &["--weights", "encoder", "--out", "run", "--epochs", "1"]].concat();
    let looked = place.json(&[&words[..], &["--dry-run"]].concat());
    let numbers = &looked["numbers"];
    let counted: u64 =
        ["train", "validation", "test"].iter().map(|it| numbers[it].as_u64().unwrap()).sum();
    assert_eq!(counted, 40, "{looked}");
    assert!(numbers["mean"].as_f64().unwrap() > 1.0 && !place.path("run").exists(), "{looked}");
    let fitted = place.json(&words);
    let measured = place.json(&["evaluate", "run", "rated:rated.txt"]);
    assert_eq!(measured["r2"], fitted["test"]["r2"]);
    // The options of a run are those of the next.
    let again = ["finetune", "rated:rated.txt", "--config", "run/run.json", "--out", "again"];
    let second = place.json(&again);
    assert_eq!(second["test"]["r2"], fitted["test"]["r2"]);
}

#[test]
fn what_is_no_number_or_needs_classes_is_one_line() {
    let place = place();
    let refused = |data: &'static str, more: &[&'static str], parts: &[&str]| {
        let words = fit(data, "out", &[&["--epochs", "1"], more].concat());
        place.refused_with(&words, parts);
        assert!(!place.path("out").exists());
    };
    for label in ["good", "nan", "inf", "1e39", "1;5"] {
        place.file("bad.csv", format!("text,rating\ngood,1.5\nbad,{label}\n").as_bytes());
        let line = format!("line 3: the label {label:?} is no finite number");
        refused("bad.csv", &[], &[&line, "--label-column"]);
    }
    let same: String =
        (0..40).map(|row| format!("{} good,0.1\n", "so ".repeat(row % 20))).collect();
    place.file("same.csv", format!("text,rating\n{same}").as_bytes());
    refused(
        "same.csv",
        &[],
        &["every number of the training part is 0.1", "give numbers that differ"],
    );
    place.file("none.csv", b"text,rating\ngood,\nbad,\n");
    refused("none.csv", &[], &["holds nothing that has a label"]);
    refused("rated.csv", &["--shots", "2"], &["numbers have no classes", "leave out --shots"]);
    let balanced = ["--class-weights", "balanced"];
    refused("rated.csv", &balanced, &["numbers have no classes", "leave out --class-weights"]);
    let words = fit("rated.csv", "out", &["--recipe", "probe"]);
    assert!(place.refused(&words).contains("--lr says nothing"));
    let probe = ["finetune", "rated.csv", "--task", "regression", "--label-column", "rating"];
    let probe =
        [&probe[..], &["--model", "bert", "--weights", "encoder", "--recipe", "probe"]].concat();
    place.refused_with(&probe, &["is trained by gradient", "--epochs"]);
    place.image("photos/a/1.png", 8, 8, 1);
    place.refused_with(&["finetune", "photos", "--task", "regression"], &["works on images"]);

    place.json(&fit("rated.csv", "run", &["--epochs", "1"]));
    place.refused_with(&["evaluate", "run", "rated.csv", "rated.csv"], &["give one"]);
    place.file("bad.csv", b"text,rating\ngood,much\n");
    place.refused_with(&["evaluate", "run", "bad.csv"], &["line 2: the label \"much\""]);
    place.file("none.csv", b"text,rating\ngood,\n");
    place.refused_with(&["evaluate", "run", "none.csv"], &["nothing in the data has a number"]);
    // A head for classes is another one: the run does not go on.
    let classes =
        ["finetune", "rated.csv", "--task", "text", "--label-column", "rating", "--model", "bert"];
    let classes = [&classes[..], &["--weights", "encoder", "--out", "run", "--resume"]].concat();
    assert!(!place.refused(&classes).contains('\n'));
}
