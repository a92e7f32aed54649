//! The page of the book for when it goes wrong quotes what the program says.

use crate::support::{Place, quick};

/// What a person reads on the page.
const PAGE: &str = include_str!("../../../docs/src/trouble.md");

/// The program refuses `words` with a line that holds `said`, and so does the page.
fn both_say(place: &Place, words: &[&str], said: &str) {
    let line = place.refused(words);
    assert!(line.contains(said), "{words:?}: {said:?} is not in: {line}");
    assert!(PAGE.contains(said), "docs/src/trouble.md does not hold {said:?}");
}

#[test]
fn what_is_said_of_data_stands_on_the_page() {
    let place = Place::with_photos(2, 8);
    let class = ["finetune", "photos/class-0"];
    let mend = "put images into one folder per class, or name the column of labels";
    both_say(&place, &class, &format!("the data have no classes: {mend}"));
    let shots = quick("run", &["--shots", "500"]);
    both_say(&place, &shots, "in the training part, 500 shots were asked for: ask for at most");
    std::fs::create_dir(place.path("photos/empty")).unwrap();
    let empty = "class \"empty\" has no image in photos/empty: add images or remove the folder";
    both_say(&place, &quick("run", &[]), empty);
    let alone = Place::with_photos(1, 8);
    both_say(&alone, &quick("run", &[]), "is the only class: telling apart needs two or more");
}

#[test]
fn what_is_said_of_weights_stands_on_the_page() {
    let place = Place::with_photos(2, 8);
    let without = quick("run", &["--model", "resnet18"]);
    let mend = "add --weights FILE with those of resnet18, or --weights random";
    both_say(&place, &without, &format!("no weights were given for resnet18; {mend}"));
    place.file("page.pth", b"<!DOCTYPE html><html>not found</html>");
    both_say(&place, &quick("run", &["--weights", "page.pth"]), "is a web page");
    place.file("pointer.pth", b"version https://git-lfs.github.com/spec/v1\n");
    let pointer = quick("run", &["--weights", "pointer.pth"]);
    both_say(&place, &pointer, "is a Git LFS pointer instead of the file");
    place.file("notes.md", b"no weights at all");
    both_say(&place, &quick("run", &["--weights", "notes.md"]), "is of no known format");
    // Protocol 2, the global `os system`, its argument, the call.
    place.file("evil.pth", b"\x80\x02cos\nsystem\nX\x0d\x00\x00\x00touch stolen!\x85R.");
    let evil = quick("run", &["--weights", "evil.pth"]);
    both_say(&place, &evil, "is no plain tensor and is never run");
    both_say(&place, &evil, "save the bare state_dict, or use safetensors");
}

#[test]
fn what_is_said_of_flags_stands_on_the_page() {
    let place = Place::with_photos(2, 8);
    let words = |more: &[&'static str]| [&["finetune", "photos"][..], more].concat();
    both_say(&place, &words(&["--epoch", "3"]), "unexpected argument '--epoch' found");
    let stage = words(&["--freeze-through", "layer3"]);
    both_say(
        &place,
        &stage,
        "no stage is called \"layer3\"; the stages are: features.0, features.1",
    );
    let pattern = words(&["--freeze", "layer.*"]);
    both_say(&place, &pattern, "the pattern \"layer.*\" matches no stage");
    let augment = words(&["--recipe", "probe", "--augment"]);
    both_say(&place, &augment, "varies nothing where stages are frozen from the first on");
    let rate = words(&["--recipe", "probe", "--lr", "1e-3"]);
    both_say(&place, &rate, "--lr says nothing to a probe that is trained to convergence");
    let small = words(&["--image-size", "16"]);
    let mend = "give --image-size from 32";
    both_say(
        &place,
        &small,
        &format!("images of 16 pixels are too small for mobilenet_v2; {mend}"),
    );
}

#[test]
fn what_is_said_of_runs_stands_on_the_page() {
    let place = Place::with_photos(2, 8);
    place.good(&quick("runs/1", &[]));
    let mend = "add --resume to go on with it, or choose another --out";
    both_say(&place, &quick("runs/1", &[]), &format!("runs/1: holds a run already; {mend}"));
    let words = ["finetune", "photos", "--out", "runs/1", "--image-size", "32"];
    let other = [&words[..], &["--recipe", "finetune", "--resume"]].concat();
    let mend = "resume with the same, or choose another --out";
    both_say(&place, &other, &format!("runs/1/run.json was made with another plan; {mend}"));
}
