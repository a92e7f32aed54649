//! Ctrl-C: exit code 130, what was done is saved, and the command that goes on is told, by every verb that has something to save.

use crate::support::Place;
use serde_json::Value;

/// Starts `words`, which write into `out`, interrupts them once `seen` is told, and sees that the last line tells how to go on.
fn goes_on(place: &Place, words: &str, seen: &str) {
    let words: Vec<&str> = words.split_whitespace().collect();
    let told = place.interrupted(&words, seen);
    let last = told.last().unwrap();
    assert!(last.starts_with("error: interrupted at step "), "{told:?}");
    assert!(last.contains("go on with: tl ") && last.ends_with(" --resume"), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("stopping after this step")), "{told:?}");
}

fn status(place: &Place, run: &str) -> String {
    let record: Value = serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap();
    record["status"].as_str().unwrap().to_string()
}

const SMALL: &str = "--model small_conv --weights random --image-size 16";

#[test]
fn several_seeds_are_interrupted_together() {
    let place = Place::with_photos(3, 12);
    let words =
        format!("finetune photos {SMALL} --recipe finetune --epochs 2000 --seeds 2 --out out");
    goes_on(&place, &words, "epoch 2 ");
    assert_eq!(status(&place, "out/seed-0"), "interrupted");
    assert!(!place.path("out/seed-1").exists());
}

#[test]
fn an_adaptation_is_interrupted() {
    let place = Place::with_photos(3, 12);
    let words = format!(
        "adapt --source photos --target-shift night:0.3 {SMALL} --method dann --epochs 2000 --out out"
    );
    goes_on(&place, &words, "epoch 2 ");
    assert_eq!(status(&place, "out"), "interrupted");
}

#[test]
fn a_chain_is_interrupted() {
    let place = Place::with_photos(3, 12);
    let chain = "
        [chain]
        probe = false
        [defaults]
        model = \"small_conv\"
        weights = \"random\"
        recipe = \"finetune\"
        image-size = 16
        epochs = 2000
        [[task]]
        name = \"one\"
        data = \"photos\"
        [[task]]
        name = \"two\"
        data = \"photos\"
    ";
    place.file("chain.toml", chain.as_bytes());
    goes_on(&place, "chain chain.toml --out out", "epoch 2 ");
    assert_eq!(status(&place, "out/01-one"), "interrupted");
}

#[test]
fn a_pretraining_is_interrupted() {
    let place = Place::with_photos(3, 12);
    let words = "pretrain photos --model vit_tiny --patch-size 8 --image-size 32 --depth 1 --epochs 2000 --batch-size 8 \
        --knn 0 0 --out out";
    goes_on(&place, words, "epoch 2");
    assert_eq!(status(&place, "out"), "interrupted");
}

#[test]
fn a_verb_that_has_nothing_to_save_ends_at_once() {
    let place = Place::new();
    let told = place.interrupted(&["demo"], "1 of ");
    assert!(told.iter().all(|line| !line.starts_with("error: ")), "{told:?}");
}
