//! Input at fault: one clear line, exit code 2 or a counted skip, no panic, nothing lost.

use crate::support::{Place, aloud, quick};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::Value;

#[test]
fn broken_images_are_skipped_counted_and_named_unless_strict() {
    let place = Place::with_photos(3, 8);
    place.image("photos/class-0/cut.jpg", 64, 64, 5);
    let jpeg = place.read("photos/class-0/cut.jpg");
    place.file("photos/class-0/cut.jpg", &jpeg[..jpeg.len() / 2]);
    place.file("photos/class-1/text.png", b"no image at all");
    let fitted = place.json(&quick("run", &[]));
    let mut skipped: Vec<&str> = fitted["skipped"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["name"].as_str().unwrap())
        .collect();
    skipped.sort_unstable();
    assert_eq!(skipped, ["class-0/cut.jpg", "class-1/text.png"]);
    let text = place.good(&quick("again", &[])).stdout;
    assert!(text.contains("2 images could not be read and were skipped"), "{text}");
    assert!(text.contains("class-1/text.png: "), "{text}");
    let line = place.refused(&quick("strict", &["--strict"]));
    assert!(line.contains("class-0/cut.jpg") || line.contains("class-1/text.png"), "{line}");

    let measured = place.json(&["evaluate", "run", "photos"]);
    assert!(measured["n"].as_u64().unwrap() > 0);
    let vectors = place.json(&[
        "embed",
        "photos",
        "--image-size",
        "32",
        "--out",
        "e.npy",
        "--weights",
        "run",
    ]);
    assert_eq!(vectors["skipped"].as_array().unwrap().len(), 2);
    assert_eq!(vectors["images"], 24);
    let answers = place.json(&["predict", "run", "photos/class-1"]);
    assert_eq!(answers["skipped"][0]["name"], "photos/class-1/text.png");
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 8);
    place.refused_with(
        &["predict", "run", "photos/class-1/text.png"],
        &["none of the images", "text.png"],
    );
    place.refused_with(&["predict", "run", "photos/class-1", "--strict"], &["text.png"]);
}

#[test]
fn an_image_of_one_pixel_is_an_image() {
    let place = Place::with_photos(2, 7);
    place.image("photos/class-0/tiny.png", 1, 1, 3);
    let fitted = place.json(&quick("run", &[]));
    assert_eq!(fitted["skipped"], Value::Array(Vec::new()));
    let answers = place.json(&["predict", "run", "photos/class-0/tiny.png"]);
    assert_eq!(answers["predictions"].as_array().unwrap().len(), 1);
}

#[test]
fn data_that_cannot_be_used_is_refused() {
    let place = Place::with_photos(1, 6);
    place.refused_with(&quick("run", &[]), &["\"class-0\" is the only class"]);
    std::fs::create_dir(place.path("photos/empty")).unwrap();
    place.refused_with(
        &quick("run", &[]),
        &["class \"empty\" has no image", "photos/empty", "remove the folder"],
    );
    place.refused_with(&["finetune", "nowhere"], &["nowhere does not exist", "check the path"]);
    place.refused_with(&["finetune", "photos/class-0"], &["no classes", "one folder per class"]);
    std::fs::create_dir(place.path("void")).unwrap();
    place.refused_with(&["finetune", "void"], &["no image in void"]);
    place.refused_with(&["embed", "void", "--out", "e.npy"], &["no image in void"]);
    assert!(!place.path("run").exists() && !place.path("runs").exists());
}

#[test]
fn a_part_without_a_readable_image_is_refused() {
    let place = Place::new();
    for class in ["a", "b"] {
        for number in 0..4 {
            place.file(&format!("photos/{class}/{number}.png"), b"text");
        }
    }
    place.refused_with(
        &quick("run", &[]),
        &["training part holds nothing that has a label", "skipped"],
    );
}

#[test]
fn weights_that_do_not_fit_or_are_no_weights_are_refused() {
    let place = Place::with_photos(2, 6);
    let values = vec![0; 8 * 3 * 3 * 3 * 4];
    let tensor = TensorView::new(Dtype::F32, vec![8, 3, 3, 3], &values).unwrap();
    place.file("narrow.safetensors", &serialize([("features.0.0.weight", &tensor)], None).unwrap());
    place.file("strange.safetensors", &serialize([("unheard.of", &tensor)], None).unwrap());
    // A header that is longer than the file, and one whose tensor ends behind it.
    let mut long = u64::MAX.to_le_bytes().to_vec();
    long.extend(b"{\"a\":1}");
    place.file("long.safetensors", &long);
    let header = br#"{"a":{"dtype":"F32","shape":[1000],"data_offsets":[0,4000]}}"#;
    let mut short = (header.len() as u64).to_le_bytes().to_vec();
    short.extend(header);
    short.extend([0; 16]);
    place.file("short.safetensors", &short);
    // Protocol 2, the global `os system`, its argument, the call.
    place.file("evil.pth", b"\x80\x02cos\nsystem\nX\x0d\x00\x00\x00touch stolen!\x85R.");
    place.file("page.pth", b"<!DOCTYPE html><html>not found</html>");
    for (weights, parts) in [
        (
            "narrow.safetensors",
            &["features.0.0.weight", "[8, 3, 3, 3]", "[32, 3, 3, 3]", "--model"][..],
        ),
        ("strange.safetensors", &["does not fit mobilenet_v2", "lacks 260", "unheard.of"]),
        ("long.safetensors", &["long.safetensors is damaged"]),
        ("short.safetensors", &["short.safetensors is damaged"]),
        ("evil.pth", &["evil.pth is refused", "os", "system", "never run"]),
        ("page.pth", &["a web page"]),
        ("missing.pth", &["missing.pth does not exist"]),
        ("photos", &["photos holds no model.safetensors"]),
        ("hub:nobody", &["hub:nobody", "hub:owner/repo/file"]),
    ] {
        place.refused_with(&quick("run", &["--weights", weights]), parts);
        place.refused_with(&["embed", "photos", "--out", "e.npy", "--weights", weights], parts);
        let inspected = place.run(&["inspect", weights]);
        let readable = ["narrow.safetensors", "strange.safetensors"].contains(&weights);
        assert_eq!(inspected.code, Some(if readable { 0 } else { 2 }), "{weights}: {inspected:?}");
        assert_eq!(inspected.errors().len(), usize::from(!readable), "{weights}: {inspected:?}");
    }
    assert!(!place.path("stolen!").exists());
    assert!(!place.path("run").exists() && !place.path("e.npy").exists());
}

#[test]
fn a_network_or_weights_that_are_not_there_are_refused() {
    let place = Place::with_photos(2, 6);
    let words = |more: &[&'static str]| quick("run", more);
    place.refused_with(&words(&["--model", "resnet19"]), &["\"resnet19\"", "resnet18, resnet34"]);
    place.refused_with(
        &words(&["--model", "resnet18"]),
        &["no weights were given for resnet18", "--weights FILE", "--weights random"],
    );
    for (size, part) in [
        ("0", "images of 0 pixels are too small"),
        ("1000000000", "pixels"),
        ("18446744073709551615", "pixels"),
    ] {
        let words = ["finetune", "photos", "--out", "run", "--image-size", size];
        place.refused_with(&words, &[part]);
    }
    assert!(!place.path("run").exists());
}

#[test]
fn stages_that_do_not_exist_are_refused_with_those_that_do() {
    let place = Place::with_photos(2, 6);
    for recipe in ["auto", "probe", "finetune", "gradual"] {
        let words = ["finetune", "photos", "--recipe", recipe, "--out", "run"];
        place.refused_with(
            &[&words[..], &["--freeze-through", "layer3"]].concat(),
            &["no stage is called \"layer3\"", "features.0, features.1"],
        );
        place.refused_with(
            &[&words[..], &["--freeze", "layer.*"]].concat(),
            &["\"layer.*\" matches no stage", "features.0, features.1"],
        );
        place.refused_with(
            &[&words[..], &["--freeze", "("]].concat(),
            &["\"(\" is not a regular expression"],
        );
    }
    assert!(!place.path("run").exists());
}

#[test]
fn numbers_that_make_no_sense_are_refused() {
    let place = Place::with_photos(2, 6);
    for (flag, value, part) in [
        ("--lr", "NaN", "learning rate"),
        ("--lr", "-0.1", "learning rate"),
        ("--lr", "0", "learning rate"),
        ("--lr", "inf", "learning rate"),
        ("--lr", "fast", "'fast'"),
        ("--layer-decay", "0", "layer decay"),
        ("--layer-decay", "-1", "layer decay"),
        ("--layer-decay", "NaN", "layer decay"),
        ("--clip", "0", "gradient norm"),
        ("--clip", "NaN", "gradient norm"),
        ("--ema", "1", "moving average"),
        ("--ema", "NaN", "moving average"),
        ("--keep", "ema", "keep is ema"),
        ("--keep", "all", "best, last, ema"),
        ("--recipe", "boil", "auto, probe, finetune, gradual"),
        ("--norm", "thaw", "frozen, train"),
        ("--batch-size", "0", "batch size is 0"),
        ("--batch-size", "-3", "'-3'"),
        ("--epochs", "0", "--epochs from 1"),
        ("--patience", "0", "patience is 0"),
        ("--validate-every", "0", "between two validations is 0"),
        ("--checkpoint-every", "0", "--checkpoint-every"),
        ("--shots", "0", "0 shots"),
        ("--shots", "500", "500 shots"),
        ("--seeds", "0", "--seeds"),
        ("--seed", "-1", "--seed"),
        ("--threads", "70000", "--threads"),
        ("--device", "nonsense", "choose one of"),
        ("--device", "flex:3", "write flex"),
        ("--device", "cuda:x", "number of a device"),
        ("--config", "photos", "photos/run.json"),
        ("--config", "nowhere.json", "nowhere.json"),
        ("--config", "photos/class-0/00.png", "00.png"),
        ("--resume", "", "--out"),
        ("--unheard-of", "1", "--unheard-of"),
    ] {
        let mut words = vec!["finetune", "photos", flag];
        words.extend(Some(value).filter(|value| !value.is_empty()));
        place.refused_with(&words, &[part]);
    }
    place.refused_with(&["finetune"], &["DATA"]);
    place.refused_with(&["refine"], &["'refine'"]);
    place.refused_with(&[], &["no verb", "--help"]);
    assert!(!place.path("runs").exists());
}

#[test]
fn flags_that_the_recipe_would_leave_without_an_effect_are_refused() {
    let place = Place::with_photos(2, 6);
    for (flag, value) in [
        ("--lr", "0.1"),
        ("--layer-decay", "0.7"),
        ("--clip", "1"),
        ("--patience", "3"),
        ("--validate-every", "2"),
    ] {
        place.refused_with(&quick("run", &[flag, value]), &[flag, "--epochs N"]);
    }
    place.refused_with(&quick("run", &["--augment"]), &["--augment varies nothing"]);
    place.refused_with(&quick("run", &["--augment", "--epochs", "2"]), &["--augment"]);
    let frozen = ["finetune", "photos", "--augment", "--freeze-through", "features.3"];
    place.refused_with(&frozen, &["--augment varies nothing", "--freeze-through"]);
    assert!(!place.path("run").exists() && !place.path("runs").exists());
    // Trained by gradient, a probe has a rate.
    place.good(&quick("run", &["--lr", "0.1", "--epochs", "1"]));
}

#[test]
fn a_backend_that_is_not_built_in_is_refused() {
    let place = Place::with_photos(2, 6);
    for (backend, built_in) in [
        ("ndarray", cfg!(feature = "ndarray")),
        ("wgpu", cfg!(feature = "wgpu")),
        ("cuda", cfg!(feature = "cuda")),
    ] {
        if built_in {
            aloud(&format!("not run: {backend} is part of this build"));
            continue;
        }
        let feature = format!("--features {backend}");
        let parts = ["is not part of this build", &feature];
        place.refused_with(&quick("run", &["--device", backend]), &parts);
        place.refused_with(&["embed", "photos", "--out", "e.npy", "--device", backend], &parts);
    }
    assert!(!place.path("run").exists());
}

#[test]
fn a_configuration_of_another_kind_or_a_later_version_is_refused() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &[]));
    let record = String::from_utf8(place.read("run/run.json")).unwrap();
    place.file("later.json", record.replacen("\"schema\": 1", "\"schema\": 999", 1).as_bytes());
    place.file("other.json", b"{\"learning_rate\": 1}");
    place.file("option.json", record.replacen("\"batch_size\"", "\"batch_sise\"", 1).as_bytes());
    for (name, part) in [
        ("later.json", "schema version 999"),
        ("other.json", "no record of a run"),
        ("option.json", "batch_sise"),
    ] {
        place.refused_with(&quick("next", &["--config", name]), &[name, part]);
    }
    assert!(!place.path("next").exists());
}

#[test]
fn a_run_that_is_none_is_refused() {
    let place = Place::with_photos(2, 6);
    for verb in ["evaluate", "predict"] {
        place.refused_with(&[verb, "nowhere", "photos"], &["nowhere: ", "folder of a run"]);
        place.refused_with(&[verb, "photos", "photos"], &["photos/run.json", "folder of a run"]);
    }
    place.good(&quick("run", &[]));
    place.refused_with(&["predict", "run", "nowhere.png"], &["nowhere.png does not exist"]);
    place.image("other/class-9/1.png", 8, 8, 1);
    place.image("other/class-0/1.png", 8, 8, 1);
    place.refused_with(&["evaluate", "run", "other"], &["\"class-9\"", "class-0, class-1"]);
    place.refused_with(&["evaluate", "run", "photos/class-0"], &["label"]);
    std::fs::remove_file(place.path("run/model.safetensors")).unwrap();
    place.refused_with(&["evaluate", "run", "photos"], &["not finished", "--resume"]);
}
