//! Careful tuning: terms beside the loss, and weights between the first and the last.

use crate::support::Place;
use crate::support::texts::{encoder, quick as quick_text, reviews, tagged};
use safetensors::SafeTensors;

fn words<'a>(weights: &'a str, recipe: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words =
        ["finetune", "photos", "--model", "mobilenet_v2", "--image-size", "32", "--lr", "1e-2"];
    [&words[..], &["--weights", weights, "--recipe", recipe, "--out", out], more].concat()
}

fn place() -> Place {
    let place = Place::with_photos(3, 12);
    place.json(&words("random", "finetune", "first", &["--epochs", "2"]));
    place
}

/// A fitting of everything from the run `first`.
fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    words("first", "finetune", out, &[&["--epochs", "3"], more].concat())
}

/// How far the stages of a run are from those of `first`, as the root of the sum of squares.
fn distance(place: &Place, run: &str) -> f64 {
    let [one, other] = ["first", run].map(|run| place.read(&format!("{run}/model.safetensors")));
    let [one, other] = [&one, &other].map(|file| SafeTensors::deserialize(file).unwrap());
    let numbers = |file: &SafeTensors, name: &str| -> Vec<f32> {
        let bytes = file.tensor(name).unwrap().data().to_vec();
        bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect()
    };
    let floats = one.iter().filter(|(name, view)| {
        view.dtype() == safetensors::Dtype::F32 && name.starts_with("features")
    });
    let square = |(name, _): (&str, _)| -> f64 {
        let pairs = numbers(&one, name).into_iter().zip(numbers(&other, name));
        pairs.map(|(one, other)| f64::from(one - other).powi(2)).sum()
    };
    floats.map(|(name, view)| square((name, view))).sum::<f64>().sqrt()
}

#[test]
fn a_term_of_strength_0_changes_no_bit_and_a_strong_one_holds_the_weights() {
    let place = place();
    place.json(&fit("plain", &[]));
    let nothing = ["l2_sp:strength=0,head=0", "delta:strength=0,head=0", "bss:strength=0"];
    let nothing: Vec<&str> = nothing.iter().flat_map(|term| ["--regularise", term]).collect();
    place.json(&fit("nothing", &nothing));
    let file = |run: &str| place.read(&format!("{run}/model.safetensors"));
    assert!(file("plain") == file("nothing"));
    let plain = distance(&place, "plain");
    for (run, term) in [("held", "l2_sp:strength=1000"), ("near", "delta:strength=1000")] {
        place.json(&fit(run, &["--regularise", term]));
        let found = distance(&place, run);
        assert!(found < plain, "{term}: {found} is not below {plain}");
    }
    place.json(&fit("shrunk", &["--regularise", "bss:strength=1,count=2"]));
    assert!(file("plain") != file("shrunk"));
    let run: serde_json::Value = serde_json::from_slice(&place.read("held/run.json")).unwrap();
    assert_eq!(run["plan"]["phases"][0]["regularisers"][0]["strength"], 1000.0);
}

#[test]
fn what_an_earlier_task_hangs_on_is_held_in_the_next() {
    let place = Place::with_photos(3, 12);
    for measure in ["ewc", "mas"] {
        let how = ["--epochs", "2", "--importance", measure];
        place.json(&words("random", "finetune", "first", &how));
        assert!(place.path("first/importance.safetensors").is_file());
        place.json(&fit("plain", &[]));
        let term = format!("{measure}:strength=1e8");
        place.json(&fit("held", &["--regularise", &term, "--importance", measure]));
        let [held, plain] = ["held", "plain"].map(|run| distance(&place, run));
        assert!(held < plain, "{measure}: {held} is not below {plain}");
        assert!(place.path("held/importance.safetensors").is_file());
        let other = if measure == "ewc" { "mas" } else { "ewc" };
        place.refused_with(&fit("out", &["--regularise", other]), &["--importance", other]);
        for run in ["first", "plain", "held"] {
            std::fs::remove_dir_all(place.path(run)).unwrap();
        }
    }
}

#[test]
fn interpolated_weights_lie_between_the_first_and_the_last() {
    let place = place();
    place.json(&fit("plain", &[]));
    let found = place.json(&fit("wise", &["--interpolate"]));
    let kept = found["kept"].as_str().unwrap();
    assert!(kept.contains("of the way from the first weights"), "{kept}");
    assert!(distance(&place, "wise") <= distance(&place, "plain") + 1e-9);
    let again = place.json(&["evaluate", "wise", "photos"]);
    assert_eq!(again["accuracy"], found["test"]["accuracy"]);
}

#[test]
fn what_makes_no_sense_is_one_line() {
    let place = Place::with_photos(2, 6);
    encoder(&place, "encoder");
    place.file("reviews.csv", reviews(40).as_bytes());
    let with = |term: &'static str| words("random", "finetune", "out", &["--regularise", term]);
    place.refused_with(&with("l3"), &["there is no \"l3\"", "l2_sp"]);
    place.refused_with(&with("bss:count=0"), &["singular value"]);
    place.refused_with(
        &["finetune", "photos", "--recipe", "probe", "--regularise", "bss"],
        &["bss says nothing to a probe", "--recipe finetune"],
    );
    // What has no place in a task is told before anything is written.
    let adapters = ["finetune", "photos", "--adapter", "lora", "--out", "out"];
    let with = |more: &[&'static str]| [&adapters[..], more].concat();
    place.refused_with(&with(&["--regularise", "l2_sp"]), &["l2_sp", "adapters leave"]);
    place.refused_with(&with(&["--importance", "mas"]), &["--importance", "adapters leave"]);
    place.file("words.conll", tagged(40).as_bytes());
    let words =
        ["finetune", "words.conll", "--model", "bert", "--weights", "encoder", "--out", "out"];
    let with = |more: &[&'static str]| [&words[..], more].concat();
    place.refused_with(&with(&["--importance", "ewc"]), &["--importance", "one class"]);
    place.refused_with(&with(&["--regularise", "bss"]), &["bss", "one vector"]);
    assert!(!place.path("out").exists());
    let texts = quick_text("reviews.csv", "out", &["--regularise", "delta"]);
    place.refused_with(&texts, &["delta", "feature maps"]);
    // Of texts the others make sense.
    let texts = ["--regularise", "l2_sp", "--regularise", "bss", "--epochs", "1"];
    place.json(&quick_text("reviews.csv", "texts", &texts));
}
