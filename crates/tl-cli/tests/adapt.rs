//! `tl adapt` on tiny data: what it leaves behind, what it refuses, that a seed decides everything.

use std::fs;

use crate::support::Place;
use serde_json::Value;

/// A run of a second or two: 3 classes of plain colours, the small network.
fn adapt<'a>(target: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let words = ["adapt", "--source", "photos", "--model", "small_conv", "--weights", "random"];
    let size = ["--epochs", "2", "--source-epochs", "1", "--batch-size", "8", "--image-size", "16"];
    [&words[..], &size, target, more].concat()
}

const NIGHT: [&str; 2] = ["--target-shift", "night:0.3"];

#[test]
fn an_adapted_run_is_a_run_that_the_other_verbs_open() {
    let place = Place::with_photos(3, 12);
    let found = place.json(&adapt(&NIGHT, &["--method", "dann", "--out", "a"]));
    assert_eq!((&found["method"], &found["run"]), (&"dann".into(), &"a".into()));
    assert_eq!(found["oracle"]["n"], 5);
    let candidate = &found["candidates"][0];
    for name in ["lambda", "domain_accuracy"] {
        assert!(candidate["notes"][name].as_f64().unwrap() >= 0.0, "{name}");
    }
    assert_eq!(candidate["epochs"], 2);
    for name in ["run.json", "metrics.jsonl", "split.csv", "predictions.csv", "report.html"] {
        assert!(place.path("a").join(name).exists(), "{name} is missing");
    }
    let rows = String::from_utf8(place.read("a/metrics.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 3);
    let page = String::from_utf8(place.read("a/report.html")).unwrap();
    for part in ["Chosen without target labels", "A-distance", "Features after", "point b"] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    let record: Value = serde_json::from_slice(&place.read("a/run.json")).unwrap();
    assert_eq!(
        (&record["status"], &record["adaptation"]["method"]),
        (&"finished".into(), &"dann".into())
    );

    let answers = place.json(&["predict", "a", "photos/class-1/00.png"]);
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 1);
    let measured = place.json(&["evaluate", "a", "photos"]);
    assert_eq!((&measured["part"], &measured["n"]), (&"the run's test part".into(), &5.into()));
    place.good(&["inspect", "a"]);
    place.refused_with(&adapt(&NIGHT, &["--out", "a"]), &["holds a run already", "--resume"]);
}

#[test]
fn a_flat_target_without_labels_is_adapted_to_and_has_no_oracle() {
    let place = Place::with_photos(3, 12);
    for number in 0..9 {
        place.image(&format!("elsewhere/{number}.png"), 40, 20, number * 1000 + 500);
    }
    let flat = ["--target", "elsewhere"];
    let ended = place.good(&adapt(&flat, &["--method", "coral", "--out", "a"]));
    assert!(ended.stdout.contains("oracle: none"), "{}", ended.stdout);
    assert!(ended.stdout.contains("coral, epoch"), "{}", ended.stdout);
    let table = String::from_utf8(place.read("a/predictions.csv")).unwrap();
    assert_eq!(table.lines().count(), 10);
}

#[test]
fn methods_are_compared_from_one_source_phase_and_the_folder_holds_the_pick() {
    let place = Place::with_photos(3, 12);
    let some = ["--compare", "source,adabn,fda", "--select", "entropy", "--out", "a"];
    let found = place.json(&adapt(&NIGHT, &some));
    let candidates = found["candidates"].as_array().unwrap();
    let named: Vec<&str> = candidates.iter().map(|one| one["method"].as_str().unwrap()).collect();
    assert_eq!(named, ["source", "adabn", "fda"]);
    let score = |one: &Value| one["scores"]["entropy"].as_f64().unwrap();
    let best = candidates.iter().map(score).fold(f64::MIN, f64::max);
    let picked = candidates.iter().find(|one| one["method"] == found["method"]).unwrap();
    assert_eq!(score(picked), best);
    let table = String::from_utf8(place.read("a/compare.txt")).unwrap();
    assert!(table.contains(&format!("{} *", found["method"].as_str().unwrap())), "{table}");
    let listed: Value = serde_json::from_slice(&place.read("a/compare.json")).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_a_resumed_run_too() {
    let place = Place::with_photos(3, 12);
    let words = |out| adapt(&NIGHT, &["--method", "mcd", "--out", out]);
    place.good(&words("one"));
    place.good(&words("two"));
    let model = place.read("one/model.safetensors");
    assert!(model == place.read("two/model.safetensors"));
    // As if it had been killed amid the method: its end and its record of having ended are gone.
    fs::remove_file(place.path("two/model.safetensors")).unwrap();
    fs::remove_dir_all(place.path("two/methods")).unwrap();
    let resumed = place.good(&[words("two"), vec!["--resume"]].concat());
    assert!(resumed.stderr.contains("source: resumed after epoch 1"), "{}", resumed.stderr);
    assert!(model == place.read("two/model.safetensors"));
    place.good(&[words("other"), vec!["--seed", "1"]].concat());
    assert!(model != place.read("other/model.safetensors"));
    let words = [words("two"), vec!["--resume", "--seed", "1"]].concat();
    place.refused_with(&words, &["made with another", "--out"]);
}

#[test]
fn seeds_are_summed_up() {
    let place = Place::with_photos(3, 12);
    let found = place.json(&adapt(&NIGHT, &["--method", "source", "--seeds", "2", "--out", "a"]));
    assert_eq!(found["runs"].as_array().unwrap().len(), 2);
    assert!(found["oracle"][0].as_f64().unwrap() > 0.0);
    assert!(place.path("a/seed-1/run.json").exists() && place.path("a/summary.json").exists());
}

#[test]
fn a_target_made_by_a_shift_is_evaluated_on_the_test_part() {
    let place = Place::with_photos(3, 12);
    let found =
        place.json(&adapt(&["--target-shift", "night:0.9"], &["--method", "adabn", "--out", "a"]));
    let measured = place.json(&["evaluate", "a", "photos", "--shift", "night:0.9"]);
    assert_eq!(measured["part"], "the run's test part, shifted to night");
    // The same images, the same noise: the oracle's figure.
    assert_eq!((&measured["accuracy"], &measured["n"]), (&found["oracle"]["accuracy"], &5.into()));
    place.refused_with(&["evaluate", "a", "photos", "--shift", "dusk"], &["no such shift"]);
    place.refused_with(
        &["evaluate", "a", "photos", "--calibrated"],
        &["an adaptation fits no temperature", "leave out --calibrated"],
    );
}

#[test]
fn several_sources_are_one_set_and_must_have_the_same_classes() {
    let place = Place::with_photos(3, 12);
    for class in 0..3 {
        for number in 0..4 {
            place.image(&format!("more/class-{class}/{number}.png"), 20, 20, class * 1000 + number);
            place.image(
                &format!("other/class-{class}/{number}.png"),
                20,
                20,
                class * 1000 + number,
            );
        }
    }
    place.image("other/class-3/0.png", 20, 20, 0);
    let more = ["--source", "more", "--method", "source", "--out", "a"];
    let found = place.json(&adapt(&NIGHT, &more));
    assert_eq!(found["source"], "photos and more");
    let split = String::from_utf8(place.read("a/split.csv")).unwrap();
    assert!(split.contains("more/class-0/") && split.contains("photos/class-0/"), "{split}");
    let measured = place.json(&["evaluate", "a", "photos", "more"]);
    assert_eq!(measured["part"], "the run's test part");
    place.refused_with(
        &adapt(&NIGHT, &["--source", "other", "--out", "never"]),
        &["other has a class \"class-3\" that photos does not have"],
    );
    place.refused_with(&adapt(&NIGHT, &["--source", "photos"]), &["photos was given twice"]);
}

#[test]
fn a_dry_run_writes_nothing_and_a_configuration_is_taken_over() {
    let place = Place::with_photos(3, 12);
    let found = place.json(&adapt(&NIGHT, &["--method", "coral", "--dry-run", "--out", "never"]));
    assert_eq!((&found["dry_run"], &found["methods"][0]), (&true.into(), &"coral".into()));
    assert_eq!((&found["classes"][0]["train"], &found["oracle_images"]), (&8.into(), &5.into()));
    let text = place.good(&adapt(&NIGHT, &["--dry-run", "--out", "never"])).stdout;
    assert!(text.contains("class-0") && text.contains("nothing was written"), "{text}");
    assert!(!place.path("never").exists());
    place.good(&adapt(&NIGHT, &["--method", "adabn", "--augment", "--out", "a"]));
    let words = ["adapt", "--source", "photos", "--target-shift", "night:0.3", "--config", "a"];
    place.good(&[&words[..], &["--seed", "5", "--out", "b"]].concat());
    let options = |name: &str| -> Value {
        let record: Value = serde_json::from_slice(&place.read(name)).unwrap();
        record["adaptation"]["options"].clone()
    };
    let (mut ours, theirs) = (options("a/run.json"), options("b/run.json"));
    assert_eq!((&theirs["settings"]["seed"], &theirs["augment"]), (&5.into(), &true.into()));
    ours["settings"]["seed"] = 5.into();
    assert_eq!(ours, theirs);
}

#[test]
fn a_source_without_validation_images_is_refused_before_anything_is_made() {
    let place = Place::new();
    for class in 0..2 {
        place.image(&format!("few/class-{class}/0.png"), 20, 20, class * 1000);
    }
    let words = ["adapt", "--source", "few", "--target-shift", "fog", "--out", "never"];
    let more = ["--model", "small_conv", "--weights", "random"];
    place.refused_with(
        &[&words[..], &more].concat(),
        &["few has no validation example", "give more"],
    );
    assert!(!place.path("never").exists());
}

#[test]
fn faults_of_the_domains_are_one_line_that_says_the_mend() {
    let place = Place::with_photos(3, 12);
    let refused = |target: &[&str], more: &[&str], parts: &[&str]| {
        let words = ["adapt", "--source", "photos", "--model", "small_conv", "--weights", "random"];
        place.refused_with(&[&words[..], target, more, &["--out", "never"]].concat(), parts);
    };
    for class in ["class-0", "class-9"] {
        place.image(&format!("others/{class}/0.png"), 20, 20, 0);
        place.image(&format!("others/{class}/1.png"), 20, 20, 1);
    }
    refused(&["--target", "others"], &[], &["class-9", "the source does not have", "--no-oracle"]);
    fs::create_dir(place.path("empty")).unwrap();
    refused(&["--target", "empty"], &[], &["empty"]);
    refused(&["--target", "nowhere"], &[], &["nowhere does not exist"]);
    place.image("single/0.png", 20, 20, 0);
    refused(&["--target", "single"], &[], &["one example of the target", "two or more"]);
    refused(&NIGHT, &["--batch-size", "1"], &["batches of 1", "--batch-size from 2"]);
    refused(&NIGHT, &["--method", "dan2"], &["no method is called \"dan2\"", "dann", "fda"]);
    refused(&NIGHT, &["--select", "target"], &["no validator is called", "entropy"]);
    refused(&["--target-shift", "dusk"], &[], &["no such shift", "night"]);
    refused(&NIGHT, &["--epochs", "0"], &["0 epochs", "from 1"]);
    refused(&[], &[], &["--target"]);
    refused(
        &NIGHT,
        &["--method", "fda", "--freeze-through", "block1"],
        &["fda", "--freeze-through"],
    );
    place.image("flat/0.png", 20, 20, 0);
    let words = ["adapt", "--source", "flat", "--target", "flat", "--out", "never"];
    place.refused_with(&words, &["no classes"]);
    assert!(!place.path("never").exists());
}

#[test]
fn a_resume_with_another_method_is_refused_and_changes_nothing() {
    let place = Place::with_photos(3, 12);
    place.good(&adapt(&NIGHT, &["--method", "adabn", "--out", "a"]));
    let record = place.read("a/run.json");
    for more in [&["--method", "coral"][..], &["--compare", "adabn,coral"]] {
        let words = [&adapt(&NIGHT, more)[..], &["--out", "a", "--resume"]].concat();
        place.refused_with(&words, &["a: holds a run of adabn", "coral", "another --out"]);
        assert!(record == place.read("a/run.json"));
        assert!(!place.path("a/methods/coral").exists());
    }
    place.good(&adapt(&NIGHT, &["--method", "adabn", "--out", "a", "--resume"]));
}

#[test]
fn a_transformer_of_few_patches_is_adapted_and_opened_again() {
    let place = Place::with_photos(3, 12);
    let vit = ["--model", "vit_tiny", "--weights", "random", "--image-size", "16"];
    let patches = ["--patch-size", "8", "--depth", "1", "--pooling", "mean"];
    let words = ["adapt", "--source", "photos", "--epochs", "1", "--source-epochs", "1"];
    let more = ["--method", "dann", "--batch-size", "8", "--out", "a"];
    let found = place.json(&[&words[..], &vit, &patches, &NIGHT, &more].concat());
    assert_eq!(found["network"], "vit_tiny");
    let record: Value = serde_json::from_slice(&place.read("a/run.json")).unwrap();
    assert_eq!(record["adaptation"]["options"]["patches"]["depth"], 1);
    let measured = place.json(&["evaluate", "a", "photos", "--shift", "night:0.3"]);
    assert_eq!(measured["accuracy"], found["oracle"]["accuracy"]);
    place.refused_with(&adapt(&NIGHT, &["--depth", "1", "--out", "never"]), &["has no patches"]);
}

#[test]
fn a_domain_that_cannot_be_read_is_one_line_that_names_an_image() {
    let place = Place::with_photos(3, 12);
    for number in 0..3 {
        place.file(&format!("torn/{number}.png"), b"no image");
        for class in 0..3 {
            place.file(&format!("torn-source/class-{class}/{number}.png"), b"no image");
        }
    }
    let torn = ["--target", "torn"];
    place.refused_with(
        &adapt(&torn, &["--method", "source", "--out", "a"]),
        &["none of the 3 examples of the target can be read", "0.png", "give examples"],
    );
    let record: Value = serde_json::from_slice(&place.read("a/run.json")).unwrap();
    assert_eq!(record["status"], "failed");
    let words = ["adapt", "--source", "torn-source", "--target", "photos", "--out", "b"];
    let more = ["--model", "small_conv", "--weights", "random", "--method", "source"];
    place.refused_with(&[&words[..], &more].concat(), &["source's training part can be read"]);
    place.refused_with(&adapt(&torn, &["--strict", "--out", "c"]), &["0.png", "not an image"]);
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_in_one_line() {
    let place = Place::with_photos(3, 12);
    let words = adapt(&NIGHT, &["--method", "dann", "--lr", "1e30", "--out", "a"]);
    place.refused_with(&words, &["is not finite", "step ", "lower the learning rate"]);
    let record: Value = serde_json::from_slice(&place.read("a/run.json")).unwrap();
    assert_eq!(record["status"], "failed");
}
