//! Probabilities at the temperature of the validation part, and what the report shows of images.

use crate::support::{Place, quick};
use serde_json::Value;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Two colours, of which every fourth image lies in the folder of the other: no network can be right or sure of all.
fn muddled() -> Place {
    let place = Place::new();
    for class in 0..2u32 {
        for at in 0..60 {
            let colour = if at % 4 == 0 { 1 - class } else { class };
            let seed = colour * 1000 + class * 100 + at;
            place.image(&format!("photos/class-{class}/{at:02}.png"), 32, 28, seed);
        }
    }
    place
}

#[test]
fn a_run_tells_how_sure_it_is_and_changes_no_label_for_it() {
    let place = muddled();
    let fitted = place.json(&quick("run", &["--epochs", "10"]));
    let record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    let found = &record["calibration"];
    let temperature = number(&found["temperature"]);
    let [before, after] = numbers(&found["validation"]["nll"])[..] else { panic!("{found}") };
    assert!(after <= before, "{found}");
    assert_eq!(found["test"]["n"], fitted["test"]["n"]);

    let [plain, sure] = [&[][..], &["--calibrated"]].map(|more| {
        let words = ["predict", "run", "photos/class-0/00.png", "photos/class-1/01.png"];
        place.json(&[&words[..], more].concat())
    });
    for (plain, sure) in
        plain["predictions"].as_array().unwrap().iter().zip(sure["predictions"].as_array().unwrap())
    {
        assert_eq!((&plain["label"], &plain["logits"]), (&sure["label"], &sure["logits"]));
        let [one, other] = numbers(&sure["logits"])[..] else { panic!("{sure}") };
        let expected = 1.0 / (1.0 + ((other - one) / temperature).exp());
        // Logits are told with the digits that make them out as f32.
        assert!((numbers(&sure["probabilities"])[0] - expected).abs() < 1e-6, "{sure}");
    }
    let [plain, sure] = [&[][..], &["--calibrated"]]
        .map(|more| place.json(&[&["evaluate", "run", "photos"][..], more].concat()));
    assert_eq!(plain["figures"], fitted["test"]["figures"]);
    for same in ["accuracy", "confusion", "macro_f1", "n", "per_class"] {
        assert_eq!(plain[same], sure[same], "{same}");
    }
    for (at, measured) in [&plain, &sure].into_iter().enumerate() {
        for figure in ["ece", "nll"] {
            let own = number(&measured["figures"][figure]["value"]);
            let known = numbers(&found["test"][figure])[at];
            assert!((own - known).abs() < 1e-9, "{figure} {at}: {own} {known}");
        }
    }
    let text = place.good(&["evaluate", "run", "photos"]).stdout;
    assert!(text.contains("balanced accuracy") && text.contains("Brier score"), "{text}");
}

#[test]
fn the_report_shows_figures_calibration_embeddings_and_where_the_network_looks() {
    let place = muddled();
    place.good(&quick("run", &["--epochs", "10"]));
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    for part in [
        "Figures on the test part",
        "calibration error (ECE)",
        "Calibration on the test part",
        "With the temperature",
        "Embeddings of the test part",
        "Before and after tuning",
        "Where the network looks, on the test part",
        "data:image/png;base64,",
    ] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    // In the letters of a picture NaN may stand by chance.
    let texts = page.split("data:image/png;base64,").enumerate();
    let texts = texts.map(|(at, it)| if at == 0 { it } else { it.split_once('"').unwrap().1 });
    let text: String = texts.collect();
    assert!(!text.contains("could not be drawn") && !text.contains("NaN"));
    // Two pictures of each of eight images.
    assert_eq!(page.matches("<img ").count(), 16);
    place.good(&["finetune", "photos", "--image-size", "32", "--epochs", "1", "--out", "whole"]);
    let page = String::from_utf8(place.read("whole/report.html")).unwrap();
    assert!(page.contains("Before tuning (") && page.contains("After tuning ("));
}

#[test]
fn a_run_without_a_temperature_says_so() {
    let place = Place::with_photos(2, 8);
    place.good(&quick("run", &["--epochs", "10"]));
    let mut record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    record.as_object_mut().unwrap().remove("calibration");
    place.file("run/run.json", record.to_string().as_bytes());
    for words in [["predict", "run", "photos/class-0/00.png"], ["evaluate", "run", "photos"]] {
        let words = [&words[..], &["--calibrated"]].concat();
        place.refused_with(&words, &["has no temperature", "leave out --calibrated"]);
    }
    place.good(&["predict", "run", "photos/class-0/00.png"]);
}
