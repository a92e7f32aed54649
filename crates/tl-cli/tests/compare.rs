//! `tl compare`: finished runs side by side.

use crate::support::{Place, quick};
use serde_json::Value;

fn record(place: &Place, run: &str) -> Value {
    serde_json::from_slice(&place.read(&format!("{run}/run.json"))).unwrap()
}

/// Says in a run's record that it was interrupted.
fn interrupt(place: &Place, run: &str) {
    let mut changed = record(place, run);
    changed["status"] = "interrupted".into();
    place.file(&format!("{run}/run.json"), changed.to_string().as_bytes());
}

#[test]
fn two_runs_on_the_same_parts_have_one_letter_and_the_better_one_a_mark() {
    let place = Place::with_photos(3, 12);
    place.good(&quick("a", &[]));
    place.good(&quick("b", &["--class-weights", "balanced"]));
    let found = place.json(&["compare", "a", "b", "--out", "compared"]);
    for (at, run) in ["a", "b"].into_iter().enumerate() {
        let (line, kept) = (&found["runs"][at], record(&place, run));
        assert_eq!((&line["run"], &line["method"]), (&run.into(), &"probe".into()));
        assert_eq!(line["network"], "mobilenet_v2");
        for part in ["validation", "test"] {
            assert_eq!(line[part]["name"], "accuracy");
            assert_eq!(line[part]["value"], kept[part]["accuracy"], "{run} {part}");
            assert_eq!(line[part]["interval"], kept[part]["interval"], "{run} {part}");
            assert_eq!(line[part]["n"], kept[part]["n"], "{run} {part}");
        }
        assert_eq!(line["trained"], 1280 * 3 + 3);
        assert_eq!((&line["epochs"], &line["seed"]), (&1.into(), &0.into()));
        assert_eq!(line["kept"], kept["kept"]);
        assert_eq!(found["groups"][at]["parts"], "A");
    }
    let best = found["groups"].as_array().unwrap().iter().filter(|it| it["best"] == true).count();
    assert_eq!((found["groups"].as_array().unwrap().len(), best), (2, 1));

    let page = String::from_utf8(place.read("compared/report.html")).unwrap();
    for part in ["2 runs side by side", "Validation by epoch", "in epoch 1", "best by validation"] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    assert!(!page.contains("<script") && !page.contains("not comparable"));
    let text = place.good(&["compare", "a", "b"]).stdout;
    assert!(text.contains("* best by validation accuracy: "), "{text}");
    // A run's own report stays what it is.
    place.refused_with(&["compare", "a", "b", "--out", "a"], &["a report of its own", "--out"]);
}

#[test]
fn seeds_of_a_folder_are_one_group_with_its_mean_and_other_parts_another_letter() {
    let place = Place::with_photos(2, 12);
    place.good(&quick("seeds", &["--seeds", "2"]));
    place.good(&quick("single", &["--class-weights", "balanced"]));
    let found = place.json(&["compare", "seeds", "single"]);
    let value = |at: usize| found["runs"][at]["validation"]["value"].as_f64().unwrap();
    let groups = found["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{found}");
    assert_eq!((&groups[0]["runs"], &groups[0]["seeds"]), (&[0, 1].into(), &[0, 1].into()));
    let mean = groups[0]["validation"]["mean"].as_f64().unwrap();
    assert!((mean - (value(0) + value(1)) / 2.0).abs() < 1e-12);
    let deviation = groups[0]["validation"]["deviation"].as_f64().unwrap();
    assert!((deviation - (value(0) - value(1)).abs() / 2f64.sqrt()).abs() < 1e-12);
    // The seed divides the photos: two divisions are not one.
    assert_eq!((&groups[0]["parts"], &groups[1]["parts"]), (&"A".into(), &"B".into()));
    assert!(groups.iter().all(|group| group["best"] == false));
    let text = place.good(&["compare", "seeds", "single"]).stdout;
    assert!(text.contains("mean ± deviation of 2 seeds") && text.contains("not comparable"));
}

#[test]
fn what_holds_no_finished_run_is_told_in_a_line() {
    let place = Place::with_photos(2, 8);
    place.refused_with(&["compare", "photos"], &["photos", "holds no finished run"]);
    place.refused_with(&["compare", "nowhere"], &["nowhere"]);
    place.refused_with(&["compare"], &["RUN"]);
    place.good(&quick("all/1", &[]));
    place.good(&quick("all/2", &[]));
    interrupt(&place, "all/2");
    place.refused_with(&["compare", "all/1", "all/2"], &["all/2", "was interrupted", "--resume"]);
    let ended = place.good(&["compare", "all"]);
    assert!(ended.stderr.contains("note: all/2 was interrupted: left out"), "{ended:?}");
    assert!(ended.stdout.contains("all/1") && !ended.stdout.contains("all/2"));
    interrupt(&place, "all/1");
    place.refused_with(&["compare", "all"], &["all", "holds no finished run"]);
    place.file("all/1/run.json", b"{}");
    place.refused_with(&["compare", "all/1"], &["all/1/run.json", "is no record of a run"]);
}
