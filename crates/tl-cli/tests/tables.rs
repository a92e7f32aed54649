//! Images in a table: fitted, measured and labelled.

mod support;

use serde_json::Value;
use support::Place;

/// Three classes of ten images each in `scans`, and `scans.csv`, in which two images after another are of one patient.
fn place() -> Place {
    let place = Place::new();
    let mut table = String::from("image,finding,patient\n");
    for class in 0..3_u32 {
        for number in 0..10_u32 {
            let name = format!("scans/{class}-{number}.png");
            place.image(&name, 32, 28, class * 1000 + number);
            table += &format!("{name},kind-{class},p{class}{}\n", number / 2);
        }
    }
    place.file("scans.csv", table.as_bytes());
    place
}

const QUICK: [&str; 6] = ["--image-size", "32", "--recipe", "probe", "--label-column", "finding"];

fn fit<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["finetune", "scans.csv", "--out", out][..], &QUICK, more].concat()
}

#[test]
fn a_table_of_images_is_fitted_measured_and_labelled() {
    let place = place();
    let found = place.json(&fit("run", &["--group-column", "patient"]));
    assert_eq!(found["test"]["accuracy"], 1.0, "{found}");
    let split = String::from_utf8(place.read("run/split.csv")).unwrap();
    let part = |name: &str| {
        let line = split.lines().find(|line| line.starts_with(&format!("{name},"))).unwrap();
        line.rsplit(',').next().unwrap().to_string()
    };
    for class in 0..3 {
        for pair in 0..5 {
            let [one, other] =
                [0, 1].map(|it| part(&format!("scans/{class}-{}.png", 2 * pair + it)));
            assert_eq!(one, other, "p{class}{pair}");
        }
    }
    let measured = place.json(&["evaluate", "run", "scans.csv"]);
    assert_eq!(measured["part"], "the run's test part");
    let record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    assert_eq!(measured["accuracy"], record["test"]["accuracy"]);
    assert_eq!(record["labels"], serde_json::json!(["kind-0", "kind-1", "kind-2"]));
    let answers = place.json(&["predict", "run", "scans.csv"]);
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 30);
    assert_eq!(answers["predictions"][0]["file"], "scans/0-0.png");
    assert_eq!(answers["predictions"][0]["label"], "kind-0");
    place.file("bare.csv", b"image\nscans/1-3.png\n");
    let answers = place.json(&["predict", "run", "bare.csv"]);
    assert_eq!(answers["predictions"][0]["label"], "kind-1");
    let probed =
        place.json(&["probe", "scans.csv", "--label-column", "finding", "--image-size", "32"]);
    assert_eq!(probed["linear"], 1.0, "{probed}");
}

#[test]
fn what_is_wrong_with_a_table_of_images_is_one_line() {
    let place = place();
    place.file("gone.csv", b"path,label\nscans/0-0.png,a\nscans/9-9.png,b\n");
    place.refused_with(&["finetune", "gone.csv"], &["gone.csv, line 3: there is no"]);
    place.refused_with(&["finetune", "scans.csv"], &["line 1", "--label-column"]);
    let other = [&fit("run", &[])[..], &["--path-column", "where"]].concat();
    place.refused_with(&other, &["\"where\"", "--path-column"]);
    place.refused_with(
        &["finetune", "scans", "--group-column", "patient"],
        &["--group-column names a column of a table of images"],
    );
}
