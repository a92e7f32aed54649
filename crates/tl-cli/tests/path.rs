//! The whole way through the program: fit, evaluate, predict, embed, inspect.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::{Place, contents, quick};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_folder_of_photos_becomes_a_classifier_that_labels_new_ones() {
    let place = Place::with_photos(3, 12);
    let fitted = place.json(&["finetune", "photos", "--image-size", "32", "--epochs", "3"]);
    assert_eq!(fitted["run"], "runs/1");
    assert_eq!(fitted["network"], "mobilenet_v2");
    assert_eq!(fitted["test"]["n"], 5);
    assert!(number(&fitted["test"]["accuracy"]) > 0.6, "{fitted}");
    assert_eq!(fitted["trained_parameters"], 2_223_872 + 1280 * 3 + 3);
    assert_eq!(fitted["skipped"], Value::Array(Vec::new()));
    assert!(fitted["kept"].as_str().unwrap().starts_with("best (epoch "));
    let run = place.path("runs/1");
    for name in [
        "run.json",
        "metrics.jsonl",
        "split.csv",
        "predictions.csv",
        "report.html",
        "model.safetensors",
        "labels.json",
        "load.py",
    ] {
        assert!(run.join(name).exists(), "{name} is missing");
    }
    let record: Value = serde_json::from_slice(&place.read("runs/1/run.json")).unwrap();
    assert_eq!(record["status"], "finished");
    assert_eq!(record["preprocess"]["crop"], 32);
    assert_eq!(record["command"], "tl finetune photos --image-size 32 --epochs 3 --json");

    let measured = place.json(&["evaluate", "runs/1", "photos"]);
    assert_eq!(measured["part"], "the run's test part");
    for figure in ["accuracy", "n", "interval", "macro_f1", "per_class", "confusion"] {
        assert_eq!(measured[figure], fitted["test"][figure], "{figure}");
    }

    place.image("new/x.png", 50, 40, 2999);
    let answers = place.json(&["predict", "runs/1", "new", "photos/class-0/00.png"]);
    let predictions = answers["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 2);
    assert_eq!(predictions[0]["file"], "new/x.png");
    assert_eq!(predictions[0]["label"], "class-2");
    assert_eq!(predictions[1]["file"], "photos/class-0/00.png");
    assert_eq!(predictions[1]["label"], "class-0");
    let probabilities = predictions[0]["probabilities"].as_array().unwrap();
    let sum: f64 = probabilities.iter().map(number).sum();
    assert!((sum - 1.0).abs() < 1e-9);
    assert_eq!(predictions[0]["probability"], probabilities[2]);

    let embedded = place.json(&[
        "embed",
        "photos",
        "--weights",
        "runs/1",
        "--image-size",
        "32",
        "--out",
        "vectors/e.npy",
        "--names",
        "vectors/e.txt",
    ]);
    assert_eq!((&embedded["images"], &embedded["width"]), (&36.into(), &1280.into()));
    let array = place.read("vectors/e.npy");
    let header = String::from_utf8_lossy(&array[10..128]);
    assert!(header.contains("'shape': (36, 1280)"), "{header}");
    assert_eq!(array.len() % 64, (36 * 1280 * 4) % 64);
    let names = String::from_utf8(place.read("vectors/e.txt")).unwrap();
    assert_eq!(names.lines().next(), Some("class-0/00.png"));
    assert_eq!(names.lines().count(), 36);

    let inspected = place.json(&["inspect", "runs/1"]);
    assert_eq!(inspected["looks_like"], "mobilenet_v2");
    assert_eq!(inspected["outputs"], 3);
    assert_eq!(inspected["looks_untrained"], false);
    let text = place.good(&["inspect", "runs/1/model.safetensors"]).stdout;
    assert!(text.contains("classifier.1.weight") && text.contains("[3, 1280]"), "{text}");
}

#[test]
fn a_run_is_the_source_of_the_next_and_its_options_can_be_taken_over() {
    let place = Place::with_photos(3, 8);
    place.good(&quick("first", &["--batch-size", "7", "--shots", "3"]));
    let words = [
        "finetune",
        "photos",
        "--config",
        "first/run.json",
        "--out",
        "second",
        "--weights",
        "first",
    ];
    let second = place.json(&[&words[..], &["--shots", "2", "--seed", "5"]].concat());
    assert_eq!(second["seed"], 5);
    let record: Value = serde_json::from_slice(&place.read("second/run.json")).unwrap();
    let options = &record["options"];
    assert_eq!(options["settings"]["batch_size"], 7);
    assert_eq!(options["shots"], 2);
    assert_eq!(options["image_size"], 32);
    assert_eq!(options["tuning"]["recipe"], "probe");
    assert_eq!(record["data"]["train"], 6);
    assert_eq!(record["load_report"]["source"], "first/model.safetensors");
}

#[test]
fn a_dry_run_shows_what_would_be_done_and_writes_nothing() {
    let place = Place::with_photos(3, 10);
    let before = contents(&place.path(""));
    let text = place.good(&quick("out", &["--dry-run"])).stdout;
    for part in ["class-1", "phase probe", "3843 of 2227715", "cache 0.1 MB", "nothing was written"]
    {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    let object = place.json(&quick("out", &["--dry-run"]));
    let train: f64 =
        object["classes"].as_array().unwrap().iter().map(|row| number(&row["train"])).sum();
    let kept: f64 =
        object["classes"].as_array().unwrap().iter().map(|row| number(&row["validation"])).sum();
    // Every stage is frozen: 1280 numbers of 4 bytes for each image of the two parts.
    let bytes = number(&object["trainable_report"]["phases"][0]["cached_bytes"]);
    assert_eq!(bytes, (train + kept) * 1280.0 * 4.0);
    assert_eq!(contents(&place.path("")), before);
}

#[test]
fn several_seeds_give_a_mean_and_its_deviation_and_are_not_repeated() {
    let place = Place::with_photos(3, 8);
    let words = quick("seeds", &["--seeds", "2", "--seed", "7", "--weights", "random"]);
    let summary = place.json(&words);
    assert_eq!(summary["seeds"], serde_json::json!([7, 8]));
    let runs = summary["runs"].as_array().unwrap();
    let [one, other] = [0, 1].map(|run| number(&runs[run]["test"]["accuracy"]));
    assert!((number(&summary["accuracy"]["mean"]) - (one + other) / 2.0).abs() < 1e-12);
    let deviation = (one - other).abs() / 2.0_f64.sqrt();
    assert!((number(&summary["accuracy"]["deviation"]) - deviation).abs() < 1e-12);
    assert!(place.path("seeds/seed-7/model.safetensors").exists());
    let written: Value = serde_json::from_slice(&place.read("seeds/summary.json")).unwrap();
    assert_eq!(written, summary);
    place.refused_with(&words, &["seeds/seed-7: holds a run already", "--resume"]);
    let again = place.good(&[&words[..], &["--resume"]].concat());
    assert!(again.stderr.contains("seed 8: finished already"), "{again:?}");
    assert!(again.stdout.contains("mean ± deviation of 2 seeds"), "{again:?}");
}

#[test]
fn ctrl_c_saves_and_prints_the_command_that_goes_on() {
    let place = Place::with_photos(3, 12);
    let words =
        ["finetune", "photos", "--image-size", "32", "--epochs", "200", "--recipe", "finetune"];
    let mut child =
        place.command(&words).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("epoch 2 ")));
    let interrupt = ["-INT", &child.id().to_string()].map(str::to_string);
    assert!(std::process::Command::new("kill").args(interrupt).status().unwrap().success());
    let told: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("stopping after this step")), "{told:?}");
    let error = told.last().unwrap();
    let command =
        "tl finetune photos --image-size 32 --epochs 200 --recipe finetune --out runs/1 --resume";
    assert!(error.starts_with("error: interrupted at step "), "{error}");
    assert!(error.ends_with(&format!("go on with: {command}")), "{error}");
    let record: Value = serde_json::from_slice(&place.read("runs/1/run.json")).unwrap();
    assert_eq!(record["status"], "interrupted");
    assert!(place.path("runs/1/checkpoint.safetensors").exists());
    // The same command without the end that it never reaches here: it goes on where it stopped.
    let mut child = place
        .command(&command.split(' ').skip(1).collect::<Vec<_>>())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let resumed = lines.find(|line| line.starts_with("resumed after step ")).is_some();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(resumed);
}

#[test]
fn a_reader_that_goes_away_is_no_fault() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &[]));
    let mut child = place
        .command(&["inspect", "run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn help_teaches_with_examples_and_defaults() {
    let place = Place::new();
    let all = place.good(&["--help"]).stdout;
    for part in
        ["demo", "finetune", "evaluate", "predict", "embed", "inspect", "Examples:", "Exit codes:"]
    {
        assert!(all.contains(part), "{part:?} is not in: {all}");
    }
    let one = place.good(&["finetune", "--help"]).stdout;
    for part in [
        "Examples:",
        "[default: 1e-3; for texts 1e-4, with adapters 1e-3]",
        "--freeze-through <STAGE>",
        "--checkpoint-every",
    ] {
        assert!(one.contains(part), "{part:?} is not in: {one}");
    }
}

#[test]
fn validations_come_as_seldom_as_is_asked_and_after_the_last_epoch() {
    let place = Place::with_photos(2, 8);
    let words = "finetune photos --image-size 32 --recipe finetune --epochs 5 --validate-every 2 --keep last --out run";
    place.good(&words.split(' ').collect::<Vec<_>>());
    let rows = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    let validated = rows.lines().map(|row| {
        let row: Value = serde_json::from_str(row).unwrap();
        row["validation_loss"].is_number()
    });
    assert_eq!(validated.collect::<Vec<_>>(), [false, true, false, true, true]);
}
