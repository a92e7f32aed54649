//! Names of all kinds, folders that may only be read, and two runs that want one folder.

use std::collections::BTreeSet;
use std::process::Stdio;

use crate::support::{Ended, Place, contents, quick};
use serde_json::Value;

const CLASSES: [&str; 3] = ["ein Hund", "čeština 猫", "a, \"b\""];

#[test]
fn names_with_blanks_quotes_and_letters_of_any_script_are_read_and_written() {
    let place = Place::new();
    for (class, name) in CLASSES.iter().enumerate() {
        for number in 0..8 {
            let file = format!("Meine Bilder 写真/{name}/bild {number} ü.png");
            place.image(&file, 32, 28, (class * 1000 + number) as u32);
        }
    }
    let (data, out) = ("Meine Bilder 写真", "läufe/erster lauf");
    let words = ["finetune", data, "--out", out, "--image-size", "32", "--recipe", "probe"];
    let fitted = place.json(&words);
    let read = |name: &str| String::from_utf8(place.read(&format!("{out}/{name}"))).unwrap();
    let labels: BTreeSet<String> = serde_json::from_str(&read("labels.json")).unwrap();
    assert_eq!(labels, BTreeSet::from(CLASSES.map(str::to_string)));
    let record: Value = serde_json::from_str(&read("run.json")).unwrap();
    let command = record["command"].as_str().unwrap();
    assert!(command.contains("'Meine Bilder 写真'"), "{command}");
    let split = read("split.csv");
    assert_eq!(split.lines().count(), 1 + 24, "{split}");
    for part in ["ein Hund/bild 0 ü.png", "čeština 猫/bild 7 ü.png", "a, \"\"b\"\"/bild 3 ü.png"]
    {
        assert!(split.contains(part), "{part} is not in {split}");
    }
    assert!(read("report.html").contains("čeština 猫"));

    let measured = place.json(&["evaluate", out, data]);
    assert_eq!(measured["n"], fitted["test"]["n"]);
    let answers = place.json(&["predict", out, &format!("{data}/{}", CLASSES[2])]);
    let predictions = answers["predictions"].as_array().unwrap();
    assert_eq!(predictions.len(), 8);
    assert_eq!(predictions[1]["file"], format!("{data}/{}/bild 1 ü.png", CLASSES[2]));
    assert!(labels.contains(predictions[1]["label"].as_str().unwrap()), "{answers}");
    let ranked = place.json(&["rank", data, "--image-size", "32", "--no-cost"]);
    assert_eq!(ranked["classes"], 3);
    // The same again, and on: the folder is that of the run.
    place.refused_with(&words, &["erster lauf: holds a run already"]);
    assert!(place.good(&[&words[..], &["--resume"]].concat()).stderr.contains("finished already"));
}

#[test]
fn a_data_folder_that_may_only_be_read_is_not_written() {
    let place = Place::with_photos(2, 6);
    let folders = ["photos", "photos/class-0", "photos/class-1"];
    let may_be_written = |may: bool| {
        for name in folders {
            let path = place.path(name);
            let mut rights = std::fs::metadata(&path).unwrap().permissions();
            // Only the owner's: what the folder of a test has been made with.
            #[cfg(unix)]
            std::os::unix::fs::PermissionsExt::set_mode(
                &mut rights,
                if may { 0o755 } else { 0o555 },
            );
            #[cfg(not(unix))]
            rights.set_readonly(!may);
            std::fs::set_permissions(path, rights).unwrap();
        }
    };
    let before = contents(&place.path("photos"));
    may_be_written(false);
    let ended = place.run(&quick("run", &[]));
    let ranked = place.run(&["rank", "photos", "--image-size", "32", "--no-cost"]);
    may_be_written(true);
    assert_eq!((ended.code, ranked.code), (Some(0), Some(0)), "{ended:?} {ranked:?}");
    // Nobody keeps the one who may do everything from writing: nothing was written.
    assert_eq!(contents(&place.path("photos")), before);
}

#[test]
fn of_two_runs_at_once_in_one_folder_one_is_refused() {
    let place = Place::with_photos(2, 6);
    let begun = [(); 2].map(|()| {
        let mut command = place.command(&quick("run", &[]));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let mut ended: Vec<Ended> =
        begun.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect();
    ended.sort_by_key(|ended| ended.code);
    let [good, refused] = &ended[..] else { unreachable!() };
    assert_eq!((good.code, refused.code), (Some(0), Some(2)), "{ended:?}");
    assert_eq!(refused.errors().len(), 1, "{refused:?}");
    assert!(refused.errors()[0].contains("another --out"), "{refused:?}");
    let measured = place.json(&["evaluate", "run", "photos"]);
    assert!(measured["n"].as_u64().unwrap() > 0);
}

#[cfg(unix)]
#[test]
fn a_folder_that_another_process_writes_is_refused_until_it_ends() {
    let place = Place::with_photos(2, 6);
    std::fs::create_dir(place.path("run")).unwrap();
    let held = std::fs::File::open(place.path("run")).unwrap();
    held.try_lock().unwrap();
    let parts = ["run: is being written by another run", "another --out"];
    place.refused_with(&quick("run", &[]), &parts);
    place.refused_with(&quick("run", &["--resume"]), &parts);
    assert!(contents(&place.path("run")).is_empty());
    drop(held);
    place.good(&quick("run", &[]));
}

#[test]
fn one_image_of_each_class_is_scored_or_told_in_one_line() {
    let place = Place::new();
    for class in 0..3 {
        for (number, part) in ["train", "validation"].into_iter().enumerate() {
            let seed = class * 1000 + number as u32;
            place.image(&format!("data/{part}/class-{class}/0.png"), 32, 32, seed);
        }
    }
    let all = "logme,h_score,shrunk_h_score,leep,nce,transrate,knn,probe";
    let found = place.json(&["rank", "data", "--image-size", "32", "--no-cost", "--score", all]);
    assert_eq!((&found["train"], &found["validation"]), (&3.into(), &3.into()));
    let one = &found["candidates"][0];
    for score in all.split(',') {
        let (value, why) = (&one["scores"][score], &one["missing"][score]);
        let told = why.as_str().is_some_and(|why| !why.is_empty() && why.lines().count() == 1);
        assert!(value.as_f64().is_some_and(f64::is_finite) != told, "{score}: {one}");
    }
    assert!(one["scores"]["logme"].is_f64(), "{one}");
    // There is no test part to measure a probe on.
    let probe = ["probe", "data", "--model", "small_conv", "--weights", "random"];
    place.refused_with(&probe, &["test part"]);
}
