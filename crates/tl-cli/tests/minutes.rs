//! Fitting within a time, and what a dry run expects. No test here depends on how fast the machine is: times are either more than
//! any machine needs or less.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::support::Place;
use serde_json::Value;

/// A fitting of small photos within so many minutes.
fn within<'a>(minutes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["finetune", "photos", "--image-size", "32", "--out", "run", "--minutes", minutes];
    [&words, more].concat()
}

fn record(place: &Place) -> Value {
    serde_json::from_slice(&place.read("run/run.json")).unwrap()
}

#[test]
fn time_enough_tries_all_and_keeps_the_best_on_the_validation_part() {
    let place = Place::with_photos(3, 12);
    let found = place.json(&within("600", &["--epochs", "2"]));
    let minutes = &found["minutes"];
    let tried = minutes["tried"].as_array().unwrap();
    let names: Vec<&str> = tried.iter().map(|it| it["name"].as_str().unwrap()).collect();
    // The probe is a part of auto.
    assert_eq!(names, ["auto", "last-stages", "lora"]);
    assert_eq!((&tried[0]["epochs"], &tried[0]["wanted"]), (&2.into(), &2.into()));
    let figure = |it: &Value| it["validation"].as_f64();
    let best = tried.iter().filter_map(figure).fold(0.0, f64::max);
    let chosen = tried.iter().find(|it| it["name"] == minutes["chosen"]).unwrap();
    // The default is left only for what leads by its standard error.
    let own = figure(chosen).unwrap();
    let close = chosen["name"] == "auto" && best - own < chosen["error"].as_f64().unwrap();
    assert!(own == best || close, "{minutes}");
    assert_eq!(minutes["chosen_by"], "validation accuracy");
    assert!(found["test"]["n"].as_u64().unwrap() > 0);
    let record = record(&place);
    assert_eq!(&record["minutes"], minutes);
    assert_eq!(record["status"], "finished");
    // The validation part is measured again with the weights that are kept.
    let again = record["validation"]["accuracy"].as_f64().unwrap();
    assert!((again - own).abs() < 1e-9, "{again} is not {own}");
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("Tried within 600.0 minutes") && page.contains("last-stages"));
    assert!(!place.path("run/tried").exists());
    place.good(&["predict", "run", "photos/class-0/00.png"]);
    let again = within("600", &["--epochs", "2", "--resume"]);
    place.refused_with(&again, &["holds a run that is finished"]);
}

#[test]
fn a_time_that_is_too_short_is_one_line_and_leaves_nothing() {
    let place = Place::with_photos(3, 12);
    let words = within("0.0001", &[]);
    place.refused_with(&words, &["minutes are too short", "takes about", "give --minutes"]);
    assert!(!place.path("run").exists());
}

#[test]
fn what_does_not_go_with_a_time_is_one_line() {
    let place = Place::with_photos(2, 8);
    place.refused_with(&within("0", &[]), &["0 minutes", "a number above 0"]);
    place.refused_with(&within("-3", &[]), &["-3 minutes"]);
    place.refused_with(&within("1", &["--importance", "ewc"]), &["leave out --importance"]);
    place.refused_with(&within("1", &["--interpolate"]), &["leave out --interpolate"]);
    place.refused_with(&within("1", &["--seeds", "2"]), &["--minutes", "--seeds"]);
    place.refused_with(&within("1", &["--split", "80,0,20"]), &["no validation part"]);
}

#[test]
fn an_interrupted_fitting_knows_the_time_it_used_and_goes_on() {
    let place = Place::with_photos(3, 12);
    let words = within("600", &["--recipe", "finetune", "--epochs", "200"]);
    let told = place.interrupted(&words, "epoch 2 ");
    assert!(told.last().unwrap().ends_with("--epochs 200 --resume"), "{told:?}");
    assert_eq!(record(&place)["status"], "interrupted");
    let kept: Value = serde_json::from_slice(&place.read("run/minutes.json")).unwrap();
    assert!(kept["used"].as_f64().unwrap() > 0.0, "{kept}");
    assert_eq!(kept["running"]["name"], "finetune");
    let mut child = place
        .command(&[&words[..], &["--resume"]].concat())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let resumed = lines.any(|line| line.starts_with("resumed after step "));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(resumed);
}

#[test]
fn a_dry_run_tells_duplicates_and_the_parts_of_the_time() {
    let place = Place::with_photos(2, 10);
    let image = place.read("photos/class-0/00.png");
    place.file("photos/class-1/again.png", &image);
    let words = ["finetune", "photos", "--image-size", "32", "--dry-run"];
    let found = place.json(&words);
    assert_eq!(found["duplicates"]["items"], 1);
    assert_eq!(found["duplicates"]["other_class"], 1);
    let expected = &found["expected"];
    let part = |name: &str| expected[name].as_f64().unwrap();
    let names = ["decode", "frozen_pass", "steps", "evaluation", "measuring"];
    let parts = names.map(|name| part(&format!("{name}_seconds")));
    assert!(parts.iter().all(|seconds| *seconds > 0.0), "{parts:?}");
    let sum: f64 = parts.iter().sum();
    assert!((sum - part("seconds")).abs() < 1e-9 * sum, "{expected}");
    assert!(part("memory_bytes") > 1e6);
    let text = place.good(&words).stdout;
    assert!(text.contains("duplicates: 1 items are the same as an earlier one"), "{text}");
    assert!(text.contains("expected: about ") && text.contains("frozen pass"), "{text}");
    assert!(!place.path("runs").exists());
}

#[test]
fn several_labels_are_chosen_by_their_map_and_no_solver_is_tried() {
    let place = Place::with_photos(3, 12);
    let mut table = String::from("path,label\n");
    // The third colour has both labels.
    for (class, labels) in ["red", "green", "green;red"].iter().enumerate() {
        (0..12).for_each(|number| {
            table += &format!("photos/class-{class}/{number:02}.png,{labels}\n");
        });
    }
    place.file("scenes.csv", table.as_bytes());
    let words = "finetune scenes.csv --label-separator ; --image-size 32 --minutes 600 --epochs 1";
    let words: Vec<&str> = words.split(' ').collect();
    let found = place.json(&[&words[..], &["--out", "run"]].concat());
    let minutes = &found["minutes"];
    assert_eq!(minutes["chosen_by"], "validation mAP");
    assert_eq!(figures(minutes).len(), 3, "{minutes}");
    // The last weights are measured for it.
    let last = place.json(&[&words[..], &["--keep", "last", "--out", "last"]].concat());
    assert_eq!(figures(&last["minutes"]).len(), 3, "{last}");
}

#[test]
fn images_that_are_mixed_are_where_that_has_a_place() {
    let place = Place::with_photos(3, 12);
    let mixed = ["--epochs", "1", "--mixup", "0.2", "--cutmix", "1"];
    let found = place.json(&within("600", &mixed));
    assert_eq!(figures(&found["minutes"]).len(), 3, "{found}");
    let chosen = found["minutes"]["chosen"].as_str().unwrap();
    let mixes = record(&place)["options"]["settings"].get("mixup").is_some();
    assert_eq!(mixes, chosen != "last-stages");
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("are not drawn within a time"), "nothing tells what is left out");
    assert!(!page.contains("Where the network looks"));
}

/// Of all that was tried; each has to have one.
fn figures(minutes: &Value) -> Vec<f64> {
    let tried = minutes["tried"].as_array().unwrap();
    let names: Vec<&str> = tried.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["auto", "last-stages", "lora"]);
    tried.iter().filter_map(|it| it["validation"].as_f64()).collect()
}
