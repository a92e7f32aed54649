//! Images that are mixed, steps of several batches, smoothed labels, and views of images behind frozen stages.

use crate::support::Place;
use crate::support::texts::{alphabets, causal, encoder, quick as quick_text, rated, reviews};

/// A fitting of a network of three stages.
fn fit<'a>(out: &'a str, more: &'a str) -> Vec<&'a str> {
    let words = "finetune photos --model small_conv --image-size 16 --weights random --batch-size 8 --threads 2 --out";
    let more = more.split(' ').filter(|word| !word.is_empty());
    words.split(' ').chain([out]).chain(more).collect()
}

fn model(place: &Place, run: &str) -> Vec<u8> {
    place.read(&format!("{run}/model.safetensors"))
}

fn options(place: &Place, run: &str) -> serde_json::Value {
    let record: serde_json::Value =
        serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap();
    record["options"].clone()
}

#[test]
fn a_strength_of_0_changes_no_bit_and_others_do() {
    let place = Place::with_photos(3, 12);
    let everything = "--recipe finetune --epochs 3 --keep last";
    let of = |out: &str, more: &str| {
        place.json(&fit(out, &format!("{everything} {more}")));
        model(&place, out)
    };
    let plain = of("plain", "");
    assert!(plain == of("nothing", "--mixup 0 --cutmix 0 --accumulate 1 --cached-views 1"));
    assert!(plain == of("usual", "--label-smoothing 0.1"));
    let others = ["--mixup 0.4", "--cutmix 1", "--mixup 0.4 --cutmix 1", "--accumulate 2"];
    let others = [&others[..], &["--label-smoothing 0.3"]].concat();
    let mut found = vec![plain];
    for (number, more) in others.iter().enumerate() {
        let other = of(&format!("other-{number}"), more);
        assert!(!found.contains(&other), "{more} changes nothing");
        found.push(other);
    }
    let said = options(&place, "other-2");
    assert_eq!(said["settings"]["mixup"], 0.4);
    assert_eq!(said["settings"]["cutmix"], 1.0);
    assert_eq!(options(&place, "other-3")["settings"]["accumulate"], 2);
    assert_eq!(options(&place, "other-4")["tuning"]["label_smoothing"], 0.3);
    assert!(options(&place, "plain")["settings"].get("accumulate").is_none());
}

#[test]
fn the_first_epoch_of_cached_views_sees_the_images_as_they_are() {
    let place = Place::with_photos(3, 12);
    let of = |out: &str, more: &str| {
        let how = "--recipe finetune --freeze-through block1 --keep last";
        place.json(&fit(out, &format!("{how} {more}")));
        model(&place, out)
    };
    let views = "--augment --cached-views 3";
    let plain = of("plain", "--epochs 1");
    assert!(plain == of("first", &format!("--epochs 1 {views}")));
    let plain = of("longer", "--epochs 3");
    assert!(plain == of("single", "--epochs 3 --cached-views 1"));
    let varied = of("varied", &format!("--epochs 3 {views}"));
    assert!(plain != varied);
    // On disk they are the same.
    assert!(varied == of("disk", &format!("--epochs 3 {views} --cache-memory 0")));
    assert_eq!(options(&place, "varied")["settings"]["cached_views"], 3);
    // A head that is trained by gradient behind frozen stages sees them too.
    let probe = |out: &str, more: &str| {
        place.json(&fit(out, &format!("--recipe probe --epochs 3 --keep last {more}")));
        model(&place, out)
    };
    assert!(probe("probe", "") != probe("probe-varied", views));
}

#[test]
fn what_changes_nothing_is_one_line() {
    let place = Place::with_photos(2, 6);
    let refused = |more: &str, parts: &[&str]| place.refused_with(&fit("out", more), parts);
    refused("--recipe finetune --mixup -1", &["mixup is -1", "0.01 to 100"]);
    refused("--recipe finetune --cutmix NaN", &["cutmix is NaN"]);
    refused("--recipe finetune --accumulate 0", &["batches in a step is 0"]);
    refused("--recipe finetune --cached-views 0", &["cached views is 0"]);
    refused("--recipe finetune --label-smoothing 1", &["label smoothing", "below 1"]);
    for frozen in ["--recipe probe", "--recipe finetune --freeze-through block1"] {
        refused(&format!("{frozen} --mixup 0.2"), &["images are mixed where", "--mixup"]);
    }
    refused("--recipe probe --accumulate 2", &["--accumulate", "--epochs N"]);
    refused("--recipe probe --label-smoothing 0.1", &["--label-smoothing", "--epochs N"]);
    refused("--recipe probe --cached-views 2 --augment", &["--cached-views", "--epochs N"]);
    let frozen = "--recipe finetune --freeze-through block1";
    refused(&format!("{frozen} --augment"), &["--augment", "--cached-views N"]);
    let frozen = format!("{frozen} --cached-views 2");
    refused(&frozen, &["--augment is not given", "--cached-views"]);
    refused(&format!("{frozen} --augment --no-cache"), &["--no-cache", "--cached-views"]);
    refused("--recipe finetune --augment --cached-views 2", &["frozen stages", "--cached-views"]);
    assert!(!place.path("out").exists());
}

#[test]
fn texts_and_numbers_have_no_images_to_mix() {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(40).as_bytes());
    place.file("rated.csv", rated(60, 1.0).as_bytes());
    for flag in [&["--mixup", "0.2"][..], &["--cutmix", "1"]] {
        let words = quick_text("reviews.csv", "out", flag);
        place.refused_with(&words, &["images that are mixed", "--mixup"]);
        let numbers = "finetune rated.csv --task regression --label-column rating --model bert --weights encoder --out out";
        let numbers: Vec<&str> = numbers.split(' ').chain(flag.iter().copied()).collect();
        place.refused_with(&numbers, &["images that are mixed"]);
    }
    let words = quick_text("reviews.csv", "out", &["--cached-views", "2"]);
    place.refused_with(&words, &["images that have views", "--cached-views"]);
    let numbers = "finetune rated.csv --task regression --label-column rating --model bert --weights encoder --out out \
        --label-smoothing 0.1";
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    place.refused_with(&numbers, &["numbers have no classes", "--label-smoothing"]);
    causal(&place, "tiny");
    place.file("letters.txt", alphabets().as_bytes());
    for (flags, part) in
        [("--label-smoothing 0.1", "no labels"), ("--mixup 1", "images that are mixed")]
    {
        let language = "finetune letters.txt --task lm --model gpt2 --weights random:tiny --max-length 32 --out out";
        let language: Vec<&str> = language.split(' ').chain(flags.split(' ')).collect();
        place.refused_with(&language, &[part]);
    }
    assert!(!place.path("out").exists());
    // Of texts labels are smoothed and batches gathered as of images.
    let more = ["--epochs", "1", "--label-smoothing", "0", "--accumulate", "3"];
    place.json(&quick_text("reviews.csv", "texts", &more));
    assert_eq!(options(&place, "texts")["tuning"]["label_smoothing"], 0.0);
}
