//! `tl rank`: which network to begin with.

use crate::support::texts::{encoder, reviews};
use crate::support::{Place, quick};
use serde_json::Value;

const ALL: &str = "logme,h_score,shrunk_h_score,leep,nce,transrate,knn,probe";

fn words<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["rank", "photos", "--image-size", "32", "--threads", "2"][..], more].concat()
}

/// The entry of a candidate.
fn of<'a>(found: &'a Value, name: &str) -> &'a Value {
    let all = found["candidates"].as_array().unwrap();
    all.iter().find(|it| it["candidate"] == name).unwrap_or_else(|| panic!("{name}: {found}"))
}

#[test]
fn candidates_come_in_the_order_of_the_first_score_with_what_tuning_them_costs() {
    let place = Place::with_photos(3, 10);
    let models = "mobilenet_v2@features.3,resnet10=random";
    let found =
        place.json(&words(&["--models", models, "--score", ALL, "--out", "ranked", "--seed", "1"]));
    let all = found["candidates"].as_array().unwrap();
    let ranks: Vec<u64> = all.iter().map(|it| it["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [1, 2, 3]);
    let values: Vec<f64> = all.iter().map(|it| it["scores"]["logme"].as_f64().unwrap()).collect();
    assert!(values.is_sorted_by(|one, other| one >= other), "{values:?}");
    // Thirty images, 15 % of which are the test part.
    let looked_at = found["train"].as_u64().unwrap() + found["validation"].as_u64().unwrap();
    assert!((25..=26).contains(&looked_at), "{found}");

    let whole = of(&found, "mobilenet_v2");
    let cut = of(&found, "mobilenet_v2@features.3");
    let random = of(&found, "resnet10=random");
    assert_eq!((&whole["width"], &cut["width"]), (&1280.into(), &24.into()));
    assert_eq!(whole["scores"].as_object().unwrap().len(), 8, "{whole}");
    assert!(whole["missing"].is_null());
    // ImageNet's classes tell of these at most all, which is 0.
    for score in ["leep", "nce"] {
        assert!(whole["scores"][score].as_f64().unwrap() <= 1e-9, "{whole}");
        for other in [cut, random] {
            assert!(other["scores"][score].is_null() && other["missing"][score].is_string());
        }
    }
    // Plain colours with a little noise are told apart by more than chance.
    for score in ["knn", "probe"] {
        assert!(whole["scores"][score].as_f64().unwrap() > 0.5, "{whole}");
    }
    let trained = |it: &Value| it["cost"]["trained_parameters"].as_u64().unwrap();
    assert!(trained(cut) > 0 && trained(cut) < trained(whole), "{found}");
    assert!(whole["cost"]["seconds"].is_f64() && whole["cost"]["memory_bytes"].is_u64());
    // One pass serves both.
    assert_eq!(whole["pass_seconds"], cut["pass_seconds"]);

    assert_eq!(found["out"], "ranked");
    let page = String::from_utf8(place.read("ranked/report.html")).unwrap();
    for part in ["<svg", "mobilenet_v2@features.3", "resnet10=random", "shrunk_h_score", ">rank<"] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    let kept: Value = serde_json::from_slice(&place.read("ranked/ranking.json")).unwrap();
    assert_eq!(kept["candidates"], found["candidates"]);
    place.refused_with(&words(&["--out", "ranked"]), &["ranked", "choose another --out"]);
}

#[test]
fn the_same_command_gives_the_same_scores_as_text_too() {
    let place = Place::with_photos(2, 8);
    let more = ["--models", "resnet10,small_conv", "--weights", "random", "--only", "--no-cost"];
    let more = [&more[..], &["--score", "h_score,knn", "--image-size", "28"]].concat();
    let words = [&["rank", "photos"][..], &more[..]].concat();
    let scores = || {
        let found = place.json(&words);
        let all = found["candidates"].as_array().unwrap().clone();
        all.into_iter()
            .map(|it| (it["candidate"].clone(), it["scores"].clone()))
            .collect::<Vec<_>>()
    };
    let first = scores();
    assert_eq!(first.len(), 2);
    assert_eq!(first, scores());
    let text = place.good(&words).stdout;
    for part in ["rank", "resnet10=random", "small_conv=random", "h_score", "the test part was not"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("parameters") && !text.contains("mobilenet_v2"), "{text}");
    // Without a validation part each image is told by the others, and a probe has nothing to be measured on.
    let all = [
        &["rank", "photos", "--models", "resnet10=random", "--only", "--no-cost"][..],
        &["--score", "knn,probe", "--image-size", "28", "--split", "100,0,0"],
    ]
    .concat();
    let found = place.json(&all);
    assert_eq!((&found["train"], &found["validation"]), (&16.into(), &0.into()));
    let one = &found["candidates"][0];
    assert!(one["scores"]["knn"].is_f64());
    assert_eq!(one["missing"]["probe"], "there is no validation part to measure a probe on");
}

#[test]
fn the_test_part_is_never_looked_at() {
    let place = Place::new();
    for (part, count) in [("train", 6), ("validation", 2)] {
        for class in 0..2 {
            for number in 0..count {
                let name = format!("data/{part}/class-{class}/{number}.png");
                place.image(&name, 32, 32, class * 1000 + number);
            }
        }
    }
    place.file("data/test/class-0/0.png", b"no image at all");
    place.file("data/test/class-1/0.png", b"no image either");
    let words = ["rank", "data", "--image-size", "32", "--strict", "--no-cost"];
    let found = place.json(&words);
    assert_eq!((&found["train"], &found["validation"]), (&12.into(), &4.into()));
    assert_eq!(found["skipped"].as_array().unwrap().len(), 0);
}

#[test]
fn texts_are_ranked_by_networks_of_texts() {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(120).as_bytes());
    let models = "bert=encoder,bert@layer.0=encoder";
    let more = ["--models", models, "--score", "logme,leep", "--shots", "20"];
    let found = place.json(&[&["rank", "reviews.csv"][..], &more[..]].concat());
    assert_eq!(found["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(found["train"], 40);
    let [whole, cut] =
        ["bert=encoder", "bert@layer.0=encoder"].map(|name| of(&found, name).clone());
    assert_eq!((&whole["width"], &cut["width"]), (&32.into(), &32.into()));
    assert!(whole["scores"]["leep"].is_f64() && cut["missing"]["leep"].is_string(), "{found}");
    let line = place.refused(&["rank", "reviews.csv", "--models", "bert=encoder,resnet10=random"]);
    assert!(line.contains("bert works on texts and resnet10 on images"), "{line}");
}

#[test]
fn a_run_is_a_candidate_and_its_head_answers() {
    let place = Place::with_photos(3, 8);
    place.good(&quick("run", &[]));
    let more = ["--models", "mobilenet_v2=run", "--score", "nce,logme", "--no-cost"];
    let found = place.json(&words(&more));
    assert_eq!(found["candidates"].as_array().unwrap().len(), 2);
    let run = &of(&found, "mobilenet_v2=run")["scores"];
    // It was fitted on these classes, and tells them better than any of ImageNet's does.
    assert!(run["nce"].as_f64().unwrap() > -0.2, "{found}");
    // A probe leaves the stages as they were.
    let embedded = &of(&found, "mobilenet_v2")["scores"];
    let [one, other] = [run, embedded].map(|scores| scores["logme"].as_f64().unwrap());
    assert!((one - other).abs() < 1e-3, "{found}");
    place.refused_with(&words(&["--out", "run"]), &["run.json", "choose another --out"]);
}

#[test]
fn what_cannot_be_ranked_is_told_in_a_line() {
    let place = Place::with_photos(2, 6);
    for (more, parts) in [
        (
            &["--models", "resnet18"][..],
            &["no weights were given for resnet18", "resnet18=FILE"][..],
        ),
        (&["--models", "nonsense=random"], &["no network is called \"nonsense\""]),
        (&["--models", "mobilenet_v2@layer9"], &["no stage is called \"layer9\"", "features.0"]),
        (&["--models", "mobilenet_v2=nowhere.pth"], &["nowhere.pth"]),
        (&["--only"], &["no network to rank"]),
        (&["--score", "nonsense"], &["nonsense", "logme"]),
        (&["--batch-size", "0"], &["--batch-size is 0"]),
        (&["--neighbours", "0"], &["--neighbours is 0"]),
        (
            &["--models", "resnet10=random", "--only", "--score", "leep", "--no-cost"],
            &["leep has no value for any candidate", "no head", "give another --score"],
        ),
    ] {
        place.refused_with(&words(more), parts);
    }
    let one = Place::with_photos(1, 6);
    one.refused_with(&words(&[]), &["class-0", "only class"]);
}
