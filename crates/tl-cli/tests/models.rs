//! `tl models`: the registry as a table, as one entry and as JSON.

use crate::support::Place;

#[test]
fn a_table_has_a_row_for_each_network_and_each_of_its_weights() {
    let place = Place::new();
    let table = place.good(&["models", "resnet18", "resnet50"]).stdout;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("network") && lines[0].contains("multiply-adds"), "{table}");
    let of = |name: &str| lines.iter().find(|line| line.starts_with(name)).unwrap().to_string();
    assert!(of("resnet18").contains("11,689,512") && of("resnet18").contains("1.81 G"), "{table}");
    assert!(of("resnet50").contains("resnet50-0676ba61.pth"), "{table}");
    assert!(table.contains("resnet50-11ad3fa6.pth") && table.contains("BSD-3-Clause"), "{table}");
    assert!(!table.contains("pytorch.org"), "{table}");
    let one = place.json(&["models", "squeezenet"]);
    let names: Vec<&str> =
        one["models"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["squeezenet1_0", "squeezenet1_1"]);
    place.refused_with(&["models", "alexnet"], &["alexnet", "tl models"]);
}

#[test]
fn the_name_of_a_network_shows_its_stages() {
    let place = Place::new();
    let text = place.good(&["models", "resnet50"]).stdout;
    for part in
        ["224×224", "25,557,032", "4.09 G", "layer4", "2048×7×7", "fc.weight", "IMAGENET1K_V2"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let found = place.json(&["models", "vit_tiny"]);
    assert_eq!(found["input"]["works_on"], "images");
    assert_eq!(found["input"]["mean"][0], 0.5);
    assert_eq!(found["stages"].as_array().unwrap().len(), 1 + 12 + 1 + 1);
    assert_eq!(found["stages"][0]["names"][0][0], "cls_token");
    assert_eq!(found["weights"][0]["origin"], "timm");
}

#[test]
fn a_network_is_timed_where_that_is_asked_for() {
    let place = Place::new();
    let words = ["models", "small_conv", "--measure", "--batch-size", "4"];
    let found = place.json(&words);
    assert!(found["pace"]["per_second"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(found["pace"]["batch_size"], 4);
    assert!(place.good(&words).stdout.contains("images per second"));
    assert!(place.json(&["models", "small_conv"]).get("pace").is_none());
    place.refused_with(&["models", "small_conv", "--batch-size", "4"], &["--measure"]);
}
