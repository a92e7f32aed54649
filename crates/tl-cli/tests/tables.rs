//! Images in a table: fitted, measured and labelled.

use crate::support::Place;
use serde_json::Value;

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
    place.file("bare.csv", b"image\nscans/1-7.png\n");
    let answers = place.json(&["predict", "run", "bare.csv"]);
    assert_eq!(answers["predictions"][0]["label"], "kind-1");
    // Other images need no column of groups.
    place.file("other.csv", b"image,finding\nscans/0-0.png,kind-0\nscans/1-3.png,kind-1\n");
    assert_eq!(place.json(&["evaluate", "run", "other.csv"])["n"], 2);
    let probed =
        place.json(&["probe", "scans.csv", "--label-column", "finding", "--image-size", "32"]);
    assert_eq!(probed["linear"], 1.0, "{probed}");
}

#[test]
fn a_table_of_images_is_adapted_by_the_column_of_labels_that_is_named() {
    let place = place();
    let words = ["adapt", "--source", "scans.csv", "--target-shift", "night:0.7"];
    let more = ["--method", "source", "--image-size", "32", "--dry-run"];
    let words = [&words[..], &more].concat();
    let found = place.json(&[&words[..], &["--label-column", "finding"]].concat());
    assert_eq!(found["classes"][2]["class"], "kind-2", "{found}");
    place.refused_with(&words, &["\"label\"", "--label-column"]);
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
    let texts = ["finetune", "reviews.csv", "--model", "bert", "--weights", "random"];
    place.refused_with(
        &[&texts[..], &["--near-duplicates", "4"]].concat(),
        &["--near-duplicates compares images", "bert works on texts"],
    );
}

#[test]
fn images_that_look_alike_in_two_parts_are_told_before_and_after() {
    let place = place();
    let table = "path,label,split\nscans/0-0.png,a,train\nscans/1-0.png,b,train\nscans/0-1.png,a,train\n\
        scans/1-1.png,b,train\nscans/copy.png,a,validation\nscans/1-3.png,b,validation\n";
    place.file("scans/copy.png", &place.read("scans/0-0.png"));
    place.file("copies.csv", table.as_bytes());
    let words = ["finetune", "copies.csv", "--image-size", "32", "--recipe", "probe"];
    let near = |found: &Value| {
        let near = &found["near_duplicates"];
        assert_eq!((&near["images"], &near["compared"]), (&1.into(), &6.into()), "{near}");
        assert_eq!(near["examples"][0]["image"], "scans/copy.png");
        assert_eq!(near["examples"][0]["like"], "scans/0-0.png");
        assert_eq!(near["examples"][0]["of_part"], "train");
    };
    near(&place.json(&[&words[..], &["--dry-run"]].concat()));
    let said = place.good(&[&words[..], &["--dry-run"]].concat()).stdout;
    assert!(said.contains("note: 1 image looks like one of another part"), "{said}");
    place.good(&[&words[..], &["--out", "run"]].concat());
    near(&serde_json::from_slice(&place.read("run/run.json")).unwrap());
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("Images that look alike in two parts"));
}

/// Twenty images of one of two colours or of both, one above the other, and `scenes.csv` with their labels joined and apart.
fn scenes() -> Place {
    let place = Place::new();
    let mut table = String::from("path,label,red,blue\n");
    let labels = [("red", "1,0"), ("blue", "0,1"), ("blue;red", "1,1"), ("", "0,0")];
    for number in 0..40_u32 {
        let (joined, apart) = labels[number as usize % 4];
        let name = format!("scenes/{number:02}.png");
        let colour = |wanted: bool, channel: usize| {
            let mut colour = [20, 20 + (number % 7) as u8, 20];
            colour[channel] = if wanted { 220 } else { 20 };
            image::Rgb(colour)
        };
        let image = image::RgbImage::from_fn(32, 32, |_, row| match row < 16 {
            true => colour(apart.starts_with('1'), 0),
            false => colour(apart.ends_with('1'), 2),
        });
        let path = place.path(&name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save(path).unwrap();
        table += &format!("{name},{joined},{apart}\n");
    }
    place.file("scenes.csv", table.as_bytes());
    place
}

#[test]
fn several_labels_are_learnt_measured_and_told() {
    let place = scenes();
    let words = ["finetune", "scenes.csv", "--label-separator", ";", "--image-size", "32"];
    let more = ["--recipe", "probe", "--epochs", "40", "--lr", "1e-2", "--out", "run"];
    let found = place.json(&[&words[..], &more, &["--class-weights", "balanced"]].concat());
    assert!(found["test"]["mean_average_precision"].as_f64().unwrap() > 0.9, "{found}");
    assert!(found["test"].get("accuracy").is_none(), "{found}");
    let record: Value = serde_json::from_slice(&place.read("run/run.json")).unwrap();
    assert!(record["test"].is_null() && record["labels"] == serde_json::json!(["blue", "red"]));
    let measured = place.json(&["evaluate", "run", "scenes.csv"]);
    assert_eq!(measured["part"], "the run's test part");
    for figure in ["n", "mean_average_precision", "macro_f1", "micro_f1"] {
        assert_eq!(measured[figure], record["several"]["test"][figure], "{figure}");
    }
    assert!(place.good(&["evaluate", "run", "scenes.csv"]).stdout.starts_with("mAP "));
    place.file("scenes/bad.png", b"no image");
    place.file("more.csv", b"path,label\nscenes/00.png,red\nscenes/bad.png,blue\n");
    let more = place.json(&["evaluate", "run", "more.csv"]);
    assert_eq!((&more["n"], &more["skipped"][0]["name"]), (&1.into(), &"scenes/bad.png".into()));
    let line = &place.json(&["compare", "run"])["runs"][0];
    let figure = &record["several"]["validation"]["mean_average_precision"];
    assert_eq!(
        (&line["validation"]["name"], &line["validation"]["value"]),
        (&"mAP".into(), figure)
    );
    let table = String::from_utf8(place.read("run/predictions.csv")).unwrap();
    assert!(table.starts_with("file,labels,predicted,blue,red\n"), "{table}");
    assert_eq!(table.lines().count() as u64, 1 + found["test"]["n"].as_u64().unwrap());
    let answers = place.json(&["predict", "run", "scenes/00.png"]);
    let probabilities = answers["predictions"][0]["probabilities"].as_array().unwrap();
    assert_eq!(probabilities.len(), 2);
    let labels = answers["predictions"][0]["labels"].as_array().unwrap();
    let above = probabilities.iter().filter(|it| it.as_f64().unwrap() > 0.5).count();
    assert_eq!(labels.len(), above);
    let rows = String::from_utf8(place.read("run/metrics.jsonl")).unwrap();
    assert_eq!(rows.lines().count(), 40, "{rows}");
    assert!(rows.lines().all(|row| row.contains("\"validation_map\":")), "{rows}");
    let page = String::from_utf8(place.read("run/report.html")).unwrap();
    assert!(page.contains("Labels on the test part") && page.contains("Test mAP"));
    assert!(!page.contains("Confusion"));
}

#[test]
fn columns_of_ones_are_labels_too_and_what_needs_one_class_is_refused() {
    let place = scenes();
    let words = ["finetune", "scenes.csv", "--label-columns", "red,blue", "--image-size", "32"];
    let with = |more: &[&'static str]| [&words[..], more].concat();
    let found = place.json(&with(&["--dry-run"]));
    assert_eq!(found["classes"][0]["class"], "red", "{found}");
    // An image of two labels is one of all.
    let text = place.good(&with(&["--dry-run"])).stdout;
    let all = text.lines().find(|line| line.starts_with("all ")).unwrap();
    let all = all.split_whitespace().skip(1).map(|count| count.parse::<usize>().unwrap());
    assert_eq!(all.sum::<usize>(), 40, "{text}");
    place.refused_with(&with(&["--recipe", "probe"]), &["trained by gradient", "--epochs"]);
    for given in
        [["--shots", "2"], ["--label-smoothing", "0.1"], ["--mixup", "0.2"], ["--cutmix", "1"]]
    {
        place.refused_with(&with(&given), &["several labels", given[0]]);
    }
    place.refused_with(
        &["finetune", "scenes.csv", "--label-columns", "red,red", "--image-size", "32"],
        &["\"red\" is asked for twice"],
    );
    place.refused_with(&with(&["--seeds", "2"]), &["--seeds"]);
    place.refused_with(&with(&["--regularise", "ewc"]), &["ewc"]);
    place.refused_with(&with(&["--importance", "ewc"]), &["--importance"]);
    place.refused_with(&["probe", "scenes.csv", "--label-columns", "red,blue"], &["several"]);
    let task = "[[task]]\nname = \"a\"\ndata = \"scenes.csv\"\nlabel-separator = \";\"\n";
    place.file("chain.toml", task.as_bytes());
    place.refused_with(&["chain", "chain.toml", "--out", "never"], &["several labels or none"]);
}
