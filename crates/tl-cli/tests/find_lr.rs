//! `tl find-lr` on tiny photos.

mod support;

use support::Place;

const WORDS: [&str; 8] =
    ["find-lr", "photos", "--model", "small_conv", "--weights", "random", "--image-size", "16"];

#[test]
fn a_sweep_grows_from_the_lowest_rate_and_leaves_a_report_alone() {
    let place = Place::with_photos(3, 12);
    let words = [&WORDS[..], &["--recipe", "finetune", "--batch-size", "8"]].concat();
    let found = place.json(&[&words[..], &["--out", "rates"]].concat());
    let steps = found["steps"].as_array().unwrap();
    assert!((20..=100).contains(&steps.len()), "{} steps", steps.len());
    let rate = |at: usize| steps[at]["learning_rate"].as_f64().unwrap();
    assert!((rate(0) / 1e-7 - 1.0).abs() < 1e-9);
    assert!((1..steps.len()).all(|at| rate(at - 1) < rate(at) && rate(at) < 10.001));
    if let Some(suggestion) = found["suggestion"].as_f64() {
        assert!(steps.iter().any(|step| step["learning_rate"] == suggestion));
    }
    let page = String::from_utf8(place.read("rates/report.html")).unwrap();
    assert!(page.contains("learning rate</text>") && !page.contains("<script"));
    assert_eq!(std::fs::read_dir(place.path("rates")).unwrap().count(), 1);
    assert!(!place.path("runs").exists());
    assert_eq!(place.json(&words), found, "the same seed gives the same sweep");
}

#[test]
fn what_has_no_rate_is_refused() {
    let place = Place::with_photos(2, 8);
    let with = |more: &[&'static str]| [&WORDS[..], more].concat();
    place.refused_with(&with(&["--recipe", "probe"]), &["no learning rate", "--epochs"]);
    place.refused_with(&with(&["--lr", "0.1"]), &["--lr says nothing to find-lr"]);
    place.refused_with(&with(&["--seeds", "2"]), &["--seeds says nothing to find-lr"]);
}
