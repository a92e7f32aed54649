//! Pre-training from the command line: what it writes, and what other verbs make of it.

use std::fs;

use crate::support::Place;
use serde_json::Value;

/// Small patches of the photographed clothes that are in the repository, two blocks.
const WORDS: &str = "--model vit_tiny --patch-size 7 --image-size 28 --depth 2 --pooling mean --epochs 2 \
    --batch-size 128 --knn 300 100 --threads 2";

fn fashion() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/fashion_mnist").to_string()
}

fn words<'a>(data: &'a str, out: &'a str) -> Vec<&'a str> {
    ["pretrain", data, "--out", out].into_iter().chain(WORDS.split_whitespace()).collect()
}

fn rows(place: &Place, out: &str) -> Vec<Value> {
    let text = String::from_utf8(place.read(&format!("{out}/metrics.jsonl"))).unwrap();
    text.lines()
        .map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            let fields = row.as_object_mut().unwrap();
            fields.remove("seconds");
            fields.remove("resident_mb");
            row
        })
        .collect()
}

#[test]
fn a_pretrained_network_is_what_a_fitting_and_a_probe_begin_with() {
    let (place, data) = (Place::new(), fashion());
    let answer = place.json(&words(&data, "mae"));
    assert_eq!(answer["images"], 3000);
    assert_eq!(answer["steps"], 48);
    assert!(answer["loss"].as_f64().unwrap() < 1.1, "{answer}");
    assert!(answer["knn"][0].is_f64() && answer["knn"][1].is_f64(), "{answer}");
    for name in ["run.json", "model.safetensors", "report.html", "metrics.jsonl", "load.py"] {
        assert!(place.path("mae").join(name).exists(), "{name}");
    }
    let report = String::from_utf8(place.read("mae/report.html")).unwrap();
    assert!(report.contains("Pre-training") && report.contains("reconstruction"));
    // Eight images in three states, and eight with three neighbours each.
    assert_eq!(report.matches("data:image/png;base64,").count(), 3 * 8 + 4 * 8);

    // The weights say patch, depth, size and pooling themselves.
    let probed =
        place.json(&["probe", &data, "--model", "vit_tiny", "--weights", "mae", "--shots", "20"]);
    assert_eq!(
        (&probed["train"], &probed["n"], &probed["width"]),
        (&200.into(), &1000.into(), &192.into())
    );
    for kind in ["knn", "linear"] {
        let found = probed[kind].as_f64().unwrap();
        assert!(found > 0.3 && found < 0.95, "{kind}: {probed}");
    }
    let attended = ["probe", &data, "--model", "vit_tiny", "--weights", "mae", "--shots", "20"];
    let attended = place.json(&[&attended[..], &["--attentive", "30"]].concat());
    assert_eq!((&attended["knn"], &attended["linear"]), (&probed["knn"], &probed["linear"]));
    assert!(attended["attentive"].as_f64().unwrap() > 0.3, "{attended}");
    let fitted = ["finetune", &data, "--model", "vit_tiny", "--weights", "mae", "--out", "fitted"];
    place.good(&[&fitted[..], &["--recipe", "probe", "--shots", "20"]].concat());
    let run: Value = serde_json::from_slice(&place.read("fitted/run.json")).unwrap();
    assert_eq!(run["load_report"]["missing"], serde_json::json!(["head.weight", "head.bias"]));
    assert_eq!(run["preprocess"]["crop"], 28);
    let evaluated = place.json(&["evaluate", "fitted", &data]);
    // A linear head on the same features is what the probe measures.
    let apart = evaluated["accuracy"].as_f64().unwrap() - probed["linear"].as_f64().unwrap();
    assert!(apart.abs() < 1e-9, "{evaluated} {probed}");

    // Domain-adaptive pre-training: on from the weights.
    let mut more = words(&data, "more");
    more.extend(["--weights", "mae"]);
    let further = place.json(&more);
    let first = |it: &Value| it["knn"][0].as_f64().unwrap();
    assert_eq!(Some(first(&further)), answer["knn"][1].as_f64());

    place.refused_with(&["evaluate", "mae", &data], &["without a classifier", "tl finetune"]);
    place.refused_with(&words(&data, "mae"), &["holds a run already"]);
}

#[test]
fn a_run_that_was_interrupted_and_resumed_is_the_same() {
    let (place, data) = (Place::new(), fashion());
    place.good(&words(&data, "whole"));
    // Its checkpoint amid the second epoch, as if the program had been killed behind it.
    let mut half = words(&data, "half");
    half.extend(["--checkpoint-every", "30"]);
    let mut child = place.command(&half).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = std::time::Instant::now();
    let checkpoint = place.path("half/checkpoint.safetensors");
    while !checkpoint.exists() && begun.elapsed().as_secs() < 120 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(checkpoint.exists());
    half.push("--resume");
    place.good(&half);
    assert!(place.read("half/model.safetensors") == place.read("whole/model.safetensors"));
    assert_eq!(rows(&place, "half"), rows(&place, "whole"));
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let (place, data) = (Place::with_photos(2, 3), fashion());
    let with = |more: &[&str]| -> Vec<String> {
        let mut all: Vec<String> = words(&data, "out").iter().map(|it| it.to_string()).collect();
        for pair in more.chunks(2) {
            match all.iter().position(|word| word == pair[0]) {
                Some(at) => all[at + 1] = pair[1].to_string(),
                None => all.extend(pair.iter().map(|it| it.to_string())),
            }
        }
        all
    };
    for (more, parts) in [
        (&["--method", "dreaming"][..], &["dreaming", "mae"][..]),
        (&["--model", "resnet18"], &["resnet18", "no patches"]),
        (&["--image-size", "30"], &["30 pixels", "patches of 7"]),
        (&["--image-size", "3"], &["3 pixels", "patches of 7"]),
        (&["--mask-ratio", "0"], &["mask ratio", "hidden"]),
        (&["--mask-ratio", "1"], &["mask ratio", "visible"]),
        (&["--temperature", "1"], &["--temperature", "mae", "simclr"]),
        (&["--local-views", "2"], &["--local-views", "mae", "dino"]),
        (&["--min-scale", "0"], &["least scale", "above 0"]),
        (&["--jitter", "1"], &["--jitter", "mae", "simclr"]),
        (&["--method", "byol", "--jitter", "-1"], &["jitter", "from 0"]),
        (&["--parts", "0"], &["number of parts"]),
        (&["--method", "byol", "--parts", "2"], &["byol", "batch"]),
        (&["--method", "byol", "--momentum", "1"], &["momentum"]),
        (&["--last-weight-decay", "-1"], &["weight decay"]),
        (&["--optimizer", "sad"], &["sad", "lars"]),
        (&["--epochs", "0"], &["0 epochs"]),
        (&["--batch-size", "0"], &["batch size"]),
        (&["--patch-size", "0"], &["patches of 0"]),
        (&["--lr", "-1"], &["learning rate"]),
    ] {
        let words = with(more);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        place.refused_with(&words, parts);
        let _ = fs::remove_dir_all(place.path("out"));
    }
    let resnet = ["pretrain", "photos", "--model", "resnet18", "--image-size", "32", "--out", "r"];
    place.refused_with(&resnet, &["resnet18", "vit_tiny"]);
    place.refused_with(&["pretrain", "nowhere"], &["nowhere"]);
    let probe = ["probe", "photos", "--model", "vit_tiny", "--weights", "nowhere"];
    place.refused_with(&probe, &["nowhere"]);
}

/// A convolutional network by a method with a moving average, small views and a last weight decay: a source of
/// weights like any other; and its features beside those of the pixels.
#[test]
fn a_residual_network_learns_from_parts_of_images() {
    let (place, data) = (Place::new(), fashion());
    let mut all = vec!["pretrain", &data, "--out", "dino", "--method", "dino"];
    all.extend(["--model", "resnet10", "--image-size", "28", "--epochs", "1"]);
    all.extend(["--batch-size", "250", "--local-views", "1", "--last-weight-decay", "1e-5"]);
    all.extend(["--optimizer", "lars", "--weight-decay", "1e-6"]);
    let answer = place.json(&all);
    assert_eq!((&answer["method"], &answer["steps"]), (&"dino".into(), &12.into()));
    assert!(answer["loss"].as_f64().unwrap().is_finite(), "{answer}");
    let report = String::from_utf8(place.read("dino/report.html")).unwrap();
    assert!(report.contains("its nearest") && report.contains("distillation"));
    let probe = ["probe", &data, "--model", "resnet10", "--weights", "dino", "--image-size", "28"];
    let probed = place.json(&[&probe[..], &["--shots", "20", "--pixels"]].concat());
    assert!(probed["pixels"].as_f64().unwrap() > 0.6, "{probed}");
    assert!(probed["knn"].is_f64() && probed["width"] == 256, "{probed}");
}
