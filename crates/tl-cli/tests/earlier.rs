//! What holds a network to earlier tasks: importance by the path, answers of earlier heads, examples that are shown again.

use crate::support::Place;
use crate::support::texts::{encoder, quick as quick_text, reviews, tagged};
use safetensors::SafeTensors;
use serde_json::Value;

/// A fitting of everything from `weights`.
fn words<'a>(data: &'a str, weights: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["finetune", data, "--model", "small_conv", "--image-size", "16", "--epochs", "6"];
    let how = ["--recipe", "finetune", "--lr", "1e-2", "--batch-size", "8", "--keep", "last"];
    [&words[..], &how, &["--weights", weights, "--out", out], more].concat()
}

/// Classes of plain colours: of seeds from `1000 · colour` on.
fn colours(place: &Place, data: &str, colours: &[u32]) {
    for colour in colours {
        for number in 0..10 {
            let path = format!("{data}/colour-{colour}/{number:02}.png");
            place.image(&path, 20, 20, colour * 1000 + number);
        }
    }
}

/// A place with a run on the three classes of `photos`, and a task of two classes, `next`.
fn place(more: &[&str]) -> Place {
    let place = Place::with_photos(3, 12);
    colours(&place, "next", &[2, 3]);
    place.json(&words("photos", "random", "first", more));
    place
}

fn record(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap()
}

fn model(place: &Place, run: &str) -> Vec<u8> {
    place.read(&format!("{run}/model.safetensors"))
}

/// The tensors of a file whose names begin so.
fn tensors(bytes: &[u8], begin: &str) -> Vec<(String, Vec<f32>)> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let floats = file
        .iter()
        .filter(|(name, view)| view.dtype() == safetensors::Dtype::F32 && name.starts_with(begin));
    let mut found: Vec<(String, Vec<f32>)> = floats
        .map(|(name, view)| {
            let values = view.data().chunks_exact(4);
            let values = values.map(|it| f32::from_le_bytes(it.try_into().unwrap()));
            (name.to_string(), values.collect())
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// How far the stages of a run are from those of `first`, as the root of the sum of squares.
fn distance(place: &Place, run: &str) -> f64 {
    let stages = |run: &str| {
        let all = tensors(&model(place, run), "");
        all.into_iter().filter(|(name, _)| !name.starts_with("classifier.2")).collect::<Vec<_>>()
    };
    let (one, other) = (stages("first"), stages(run));
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(&other).flat_map(|(one, other)| one.1.iter().zip(&other.1));
    pairs.map(|(one, other)| f64::from(one - other).powi(2)).sum::<f64>().sqrt()
}

#[test]
fn a_term_of_strength_0_changes_no_bit_and_each_other_one_does() {
    let place = place(&["--importance", "si"]);
    place.json(&words("next", "first", "plain", &[]));
    let nothing = ["si:strength=0", "lwf:strength=0", "rehearsal:strength=0,size=4"];
    let nothing: Vec<&str> = nothing.iter().flat_map(|term| ["--regularise", term]).collect();
    place.json(&words("next", "first", "nothing", &nothing));
    assert!(model(&place, "plain") == model(&place, "nothing"));
    for (run, term, kept) in [
        ("si", "si:strength=1e4", None),
        ("lwf", "lwf:strength=5", Some(0)),
        ("reservoir", "rehearsal:size=6", Some(6)),
        ("herding", "rehearsal:size=7,batch=3,pick=herding", Some(7)),
    ] {
        place.json(&words("next", "first", run, &["--regularise", term]));
        assert!(model(&place, "plain") != model(&place, run), "{term}");
        let earlier = &record(&place, run)["earlier"];
        let Some(kept) = kept else {
            assert!(earlier.is_null(), "{earlier}");
            continue;
        };
        assert_eq!(earlier[0]["run"], "first");
        assert_eq!(earlier[0]["data"], "photos");
        assert_eq!(earlier[0]["classes"], 3);
        assert_eq!(earlier[0]["examples"], kept);
        assert_eq!(earlier[0]["bytes"], kept * 3 * 16 * 16 * 4);
    }
}

#[test]
fn examples_may_be_read_anew_and_stand_behind_frozen_stages() {
    let place = place(&[]);
    let term = ["--regularise", "rehearsal:size=9", "--regularise", "lwf"];
    for (plain, held, more) in [
        ("plain-1", "anew", &["--no-cache"][..]),
        ("plain-2", "frozen", &["--freeze-through", "block1"]),
        ("plain-3", "frozen-anew", &["--freeze-through", "block1", "--no-cache"]),
    ] {
        place.json(&words("next", "first", plain, more));
        place.json(&words("next", "first", held, &[more, &term].concat()));
        assert!(model(&place, plain) != model(&place, held), "{more:?}");
        let stem = |run: &str| tensors(&model(&place, run), "features.0");
        let first = stem("first");
        assert!(!first.is_empty());
        assert_eq!(stem(held) == first, more.contains(&"block1"), "{more:?}");
    }
}

#[test]
fn what_a_path_found_to_matter_is_held_and_added_up() {
    let place = place(&["--importance", "si"]);
    let matters =
        |run: &str| tensors(&place.read(&format!("{run}/importance.safetensors")), "importance/");
    let first = matters("first");
    assert!(first.iter().flat_map(|(_, values)| values).any(|value| *value > 0.0));
    assert!(first.iter().flat_map(|(_, values)| values).all(|value| *value >= 0.0));
    place.json(&words("next", "first", "plain", &[]));
    let term = ["--regularise", "si:strength=1e8", "--importance", "si"];
    place.json(&words("next", "first", "held", &term));
    let [held, plain] = ["held", "plain"].map(|run| distance(&place, run));
    assert!(held < plain, "{held} is not below {plain}");
    let both = matters("held");
    assert_eq!(both.len(), first.len());
    for ((name, now), (_, before)) in both.iter().zip(&first) {
        assert!(now.iter().zip(before).all(|(now, before)| now >= before), "{name}");
    }
    // What is noted on the way changes nothing of the way.
    place.json(&words("next", "first", "noted", &["--importance", "si"]));
    assert!(model(&place, "noted") == model(&place, "plain"));
    let other = words("next", "first", "out", &["--regularise", "ewc"]);
    place.refused_with(&other, &["--importance ewc"]);
}

#[test]
fn several_earlier_tasks_are_held_to_together() {
    let place = place(&[]);
    colours(&place, "last", &[0, 1]);
    place.json(&words("next", "first", "second", &[]));
    std::fs::rename(place.path("next"), place.path("moved")).unwrap();
    for pick in ["reservoir", "herding"] {
        let term = format!("rehearsal:size=10,pick={pick}");
        let out = format!("third-{pick}");
        let terms = ["--regularise", &term, "--regularise", "lwf"];
        let tasks = ["--earlier", "first", "--earlier", "second=moved"];
        place.json(&words("last", "second", &out, &[terms, tasks].concat()));
        let earlier = &record(&place, &out)["earlier"];
        assert_eq!([&earlier[0]["run"], &earlier[1]["run"]], ["first", "second"]);
        assert_eq!([&earlier[0]["data"], &earlier[1]["data"]], ["photos", "moved"]);
        assert_eq!([&earlier[0]["classes"], &earlier[1]["classes"]], [3, 2]);
        let kept = [0, 1].map(|task| earlier[task]["examples"].as_u64().unwrap());
        assert_eq!(kept.iter().sum::<u64>(), 10);
        if pick == "herding" {
            // Five classes, two examples of each.
            assert_eq!(kept, [6, 4]);
        }
    }
}

#[test]
fn a_run_is_not_resumed_with_other_earlier_tasks() {
    let place = place(&[]);
    place.json(&words("next", "first", "second", &[]));
    let with = |earlier: &'static str, more: &[&'static str]| {
        let terms = ["--regularise", "rehearsal:size=5", "--earlier", earlier];
        words("photos", "second", "out", &[&terms[..], more].concat())
    };
    place.json(&with("second", &[]));
    place.refused_with(&with("first", &["--resume"]), &["made with another", "earlier"]);
    place.json(&with("second", &["--resume"]));
}

#[test]
fn texts_are_held_to_earlier_ones_too() {
    let place = Place::new();
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(48).as_bytes());
    place.file("more.csv", reviews(64).replace("film", "is the").as_bytes());
    place.json(&quick_text("reviews.csv", "first", &["--epochs", "1"]));
    for pick in ["reservoir", "herding"] {
        let term = format!("rehearsal:size=6,pick={pick}");
        let out = format!("held-{pick}");
        let more = ["--regularise", &term, "--regularise", "lwf", "--earlier", "first"];
        let more = [&more[..], &["--epochs", "1"]].concat();
        place.json(&quick_text("more.csv", &out, &more));
        let earlier = &record(&place, &out)["earlier"][0];
        assert_eq!((&earlier["classes"], &earlier["examples"]), (&2.into(), &6.into()));
        assert!(earlier["bytes"].as_u64().unwrap() > 0);
    }
}

#[test]
fn examples_that_cannot_be_read_any_more_are_one_line() {
    let place = place(&[]);
    for class in 0..3 {
        for number in 0..12 {
            place.file(&format!("photos/class-{class}/{number:02}.png"), b"no image");
        }
    }
    for (pick, cache) in [("reservoir", None), ("reservoir", Some("--no-cache")), ("herding", None)]
    {
        let term = format!("rehearsal:pick={pick}");
        let more: Vec<&str> = ["--regularise", &term].into_iter().chain(cache).collect();
        let out = format!("out-{pick}-{}", cache.is_some());
        let fitting = words("next", "first", &out, &more);
        place.refused_with(&fitting, &["no example of earlier task 1 can be read"]);
    }
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let place = place(&[]);
    let with = |more: &[&'static str]| words("next", "first", "out", more);
    let term = |term: &'static str| with(&["--regularise", term]);
    place.refused_with(&term("rehearsal:size=0"), &["the size of rehearsal is 0"]);
    place.refused_with(&term("lwf:temperature=0"), &["the temperature of lwf"]);
    place.refused_with(&term("rehearsal:pick=best"), &["reservoir or herding"]);
    place.refused_with(&term("si"), &["--importance si"]);
    place.refused_with(&with(&["--earlier", "first"]), &["--earlier says nothing", "lwf"]);
    let nowhere = with(&["--regularise", "lwf", "--earlier", "nowhere"]);
    place.refused_with(&nowhere, &["nowhere", "the folder of a run"]);
    for kind in ["lwf", "rehearsal"] {
        let fresh = words("next", "random", "out", &["--regularise", kind]);
        place.refused_with(&fresh, &[kind, "--earlier RUN"]);
    }
    let other = ["finetune", "next", "--model", "mobilenet_v2", "--weights", "random"];
    let more = ["--image-size", "32", "--recipe", "finetune", "--out", "out"];
    let terms = ["--regularise", "lwf", "--earlier", "first"];
    let other = [&other[..], &more, &terms].concat();
    place.refused_with(&other, &["first", "small_conv", "mobilenet_v2"]);
    let adapters = ["finetune", "next", "--adapter", "lora", "--out", "out"];
    for kind in ["lwf", "rehearsal", "si"] {
        let words = [&adapters[..], &["--regularise", kind]].concat();
        place.refused_with(&words, &[kind, "adapters leave"]);
    }
    let probe = ["finetune", "next", "--recipe", "probe", "--importance", "si", "--out", "out"];
    place.refused_with(&probe, &["--importance", "a probe moves no weight"]);
    encoder(&place, "encoder");
    place.file("words.conll", tagged(40).as_bytes());
    let tags = ["finetune", "words.conll", "--model", "bert", "--weights", "encoder"];
    for kind in ["lwf", "rehearsal"] {
        let words = [&tags[..], &["--out", "out", "--regularise", kind]].concat();
        place.refused_with(&words, &[kind, "one class"]);
    }
    // Data that lie elsewhere now are asked for.
    std::fs::rename(place.path("photos"), place.path("elsewhere")).unwrap();
    place.refused_with(&term("rehearsal"), &["photos", "first", "--earlier first=DATA"]);
    let others = with(&["--regularise", "rehearsal", "--earlier", "first=next"]);
    place.refused_with(&others, &["next", "--earlier first=DATA"]);
    assert!(!place.path("out").exists());
    place.json(&with(&["--regularise", "rehearsal", "--earlier", "first=elsewhere"]));
}

#[test]
fn a_dry_run_tells_how_many_examples_herding_would_keep_and_reads_none() {
    let place = place(&[]);
    for class in 0..3 {
        for number in 0..12 {
            place.file(&format!("photos/class-{class}/{number:02}.png"), b"no image");
        }
    }
    let more = ["--regularise", "rehearsal:size=7,pick=herding", "--dry-run"];
    let found = place.json(&words("next", "first", "out", &more));
    assert_eq!(found["earlier"][0]["examples"], 7);
    assert!(!place.path("out").exists());
}
