//! `tl find-lr` on tiny photos and texts.

use crate::support::texts::{alphabets, causal, encoder, reviews};
use crate::support::{Place, contents};

const WORDS: [&str; 8] =
    ["find-lr", "photos", "--model", "small_conv", "--weights", "random", "--image-size", "16"];

#[test]
fn a_sweep_grows_from_the_lowest_rate_and_leaves_a_page_and_its_drawing_alone() {
    let place = Place::with_photos(3, 12);
    let words = [&WORDS[..], &["--recipe", "finetune", "--batch-size", "8"]].concat();
    let before = contents(&place.path("photos"));
    let found = place.json(&[&words[..], &["--out", "rates"]].concat());
    let steps = found["steps"].as_array().unwrap();
    assert!((20..=100).contains(&steps.len()), "{} steps", steps.len());
    let rate = |at: usize| steps[at]["learning_rate"].as_f64().unwrap();
    assert!((rate(0) / 1e-7 - 1.0).abs() < 1e-9);
    assert!((1..steps.len()).all(|at| rate(at - 1) < rate(at) && rate(at) < 10.001));
    if let Some(suggestion) = found["suggestion"].as_f64() {
        assert!(steps.iter().any(|step| step["learning_rate"] == suggestion));
    }
    assert!(found["rule"].as_str().unwrap().contains("steepest descent"));
    let page = String::from_utf8(place.read("rates/report.html")).unwrap();
    assert!(page.contains("learning rate</text>") && !page.contains("<script"));
    let drawn = String::from_utf8(place.read("rates/loss.svg")).unwrap();
    assert!(drawn.starts_with("<svg xmlns=") && drawn.contains("learning rate</text>"));
    assert_eq!(std::fs::read_dir(place.path("rates")).unwrap().count(), 2);
    assert!(!place.path("runs").exists());
    assert!(contents(&place.path("photos")) == before, "the data were touched");
    assert_eq!(place.json(&words), found, "the same seed gives the same sweep");
}

#[test]
fn a_line_of_a_table_says_what_was_found() {
    let place = Place::with_photos(2, 8);
    let told = place.good(&[&WORDS[..], &["--recipe", "finetune"]].concat()).stdout;
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("network") && lines[0].contains("suggestion"), "{told}");
    assert!(lines[1].starts_with("small_conv") && lines[1].contains("photos"), "{told}");
    assert!(lines[2].contains("suggestion"), "{told}");
}

#[test]
fn data_of_one_batch_are_gone_through_again_and_again() {
    let place = Place::with_photos(2, 4);
    let words = [&WORDS[..], &["--recipe", "finetune", "--batch-size", "64"]].concat();
    let found = place.json(&words);
    assert!(found["steps"].as_array().unwrap().len() > 20, "{found}");
}

#[test]
fn the_weights_that_it_begins_with_stay_as_they_are() {
    let place = Place::with_photos(2, 8);
    let fit = ["finetune", "photos", "--model", "small_conv", "--weights", "random"];
    let more = ["--image-size", "16", "--recipe", "finetune", "--epochs", "1", "--out", "run"];
    place.good(&[&fit[..], &more].concat());
    let before = contents(&place.path("run"));
    let words = ["find-lr", "photos", "--model", "small_conv", "--weights", "run"];
    place.json(&[&words[..], &["--image-size", "16", "--recipe", "finetune"]].concat());
    assert!(contents(&place.path("run")) == before, "the run was touched");
    // A run's folder has a report of its own.
    let into = [&WORDS[..], &["--recipe", "finetune", "--out", "run"]].concat();
    place.refused_with(&into, &["run", "another --out"]);
    assert!(contents(&place.path("run")) == before);
}

#[test]
fn texts_with_labels_and_without_have_a_rate_too() {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(80).as_bytes());
    let words = ["find-lr", "reviews.csv", "--model", "bert", "--weights", "encoder"];
    let found = place.json(&[&words[..], &["--recipe", "finetune", "--batch-size", "8"]].concat());
    assert!(found["steps"].as_array().unwrap().len() > 5, "{found}");
    assert_eq!(found["network"], "bert");
    causal(&place, "tiny");
    place.file("letters.txt", alphabets().as_bytes());
    let words = ["find-lr", "letters.txt", "--task", "lm", "--model", "gpt2"];
    let more = ["--weights", "random:tiny", "--batch-size", "8", "--max-length", "32"];
    let found = place.json(&[&words[..], &more].concat());
    assert!(found["steps"].as_array().unwrap().len() > 5, "{found}");
    let first = found["steps"][0]["loss"].as_f64().unwrap();
    assert!(first > 0.0 && first.is_finite(), "{found}");
}

#[test]
fn what_has_no_rate_is_refused() {
    let place = Place::with_photos(2, 8);
    let with = |more: &[&'static str]| [&WORDS[..], more].concat();
    place.refused_with(&with(&["--recipe", "probe"]), &["no learning rate", "--epochs"]);
    place.refused_with(&with(&["--lr", "0.1"]), &["--lr says nothing to find-lr"]);
    place.refused_with(&with(&["--seeds", "2"]), &["--seeds says nothing to find-lr"]);
    place.refused_with(&with(&["--minutes", "1"]), &["--minutes says nothing to find-lr"]);
    let near = ["--near-duplicates", "4"];
    place.refused_with(&with(&near), &["--near-duplicates says nothing to find-lr"]);
}
