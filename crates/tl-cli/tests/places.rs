//! Places at fault: folders that hold something, cannot be written or are full. Nothing is lost.

use std::process::Command;

use crate::support::{Place, aloud, contents, quick};
use serde_json::Value;

#[test]
fn what_lies_in_the_folder_of_a_run_is_never_overwritten() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &[]));
    let before = contents(&place.path("run"));
    place.refused_with(
        &quick("run", &[]),
        &["run: holds a run already", "--resume", "another --out"],
    );
    // Another plan, other settings, other data.
    place.refused_with(&quick("run", &["--resume", "--epochs", "1"]), &["another plan"]);
    place.refused_with(&quick("run", &["--resume", "--batch-size", "3"]), &["another settings"]);
    place.image("photos/class-0/more.png", 9, 9, 4);
    place.refused_with(&quick("run", &["--resume"]), &["another data set"]);
    std::fs::remove_file(place.path("photos/class-0/more.png")).unwrap();
    assert_eq!(contents(&place.path("run")), before);
    let again = place.good(&quick("run", &["--resume"]));
    assert!(again.stderr.contains("finished already"), "{again:?}");

    place.file("mine/model.safetensors", b"mine");
    place.refused_with(&quick("mine", &[]), &["mine/model.safetensors", "would be overwritten"]);
    assert_eq!(place.read("mine/model.safetensors"), b"mine");
}

#[test]
fn a_resume_with_nothing_to_resume_starts_afresh_and_says_so() {
    let place = Place::with_photos(2, 6);
    let ended = place.good(&quick("run", &["--resume"]));
    assert!(ended.stderr.contains("nothing to resume: the run starts afresh"), "{ended:?}");
    assert!(place.path("run/model.safetensors").exists());
}

#[test]
fn a_damaged_checkpoint_is_told_and_kept() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &[]));
    place.file("run/checkpoint.safetensors", b"damage");
    let before = contents(&place.path("run"));
    place.refused_with(
        &quick("run", &["--resume"]),
        &["checkpoint.safetensors is damaged", "without --resume"],
    );
    assert_eq!(contents(&place.path("run")), before);
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    let place = Place::with_photos(2, 6);
    place.file("file", b"mine");
    // Below a regular file nobody may write, not even root.
    place.refused_with(&quick("file/run", &[]), &["file/run", "check the path"]);
    place.refused_with(&quick("file", &[]), &["file", "check the path"]);
    place.refused_with(&["embed", "photos", "--out", "file/e.npy"], &["file"]);
    place.refused_with(&["embed", "photos", "--out", "photos"], &["photos is a folder"]);
    assert_eq!(place.read("file"), b"mine");
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_once_there_is_room() {
    let place = Place::with_photos(2, 6);
    std::fs::create_dir(place.path("small")).unwrap();
    let folder = place.path("small").to_string_lossy().into_owned();
    // The outputs of the frozen stages, 64 kB for each of ten images; then a checkpoint of some 10 MB.
    let cached = "finetune photos --image-size 64 --recipe finetune --freeze-through features.1 --epochs 1 \
        --cache-memory 0 --out small/run";
    let probed = "finetune photos --image-size 32 --recipe probe --out small/run";
    for (size, line, file) in
        [("256k", cached, "small/run/cache/"), ("4m", probed, "small/run/checkpoint.safetensors")]
    {
        if !mount(&format!("size={size}"), &folder) {
            aloud("not run: the full disk, no right to mount");
            return;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let check = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            place.refused_with(&words, &[file, "No space left", "free some space"]);
            let record: Value = serde_json::from_slice(&place.read("small/run/run.json")).unwrap();
            assert_eq!(record["status"], "failed");
            let left = contents(&place.path("small/run")).into_keys();
            let scraps: Vec<_> =
                left.filter(|name| name.extension().is_some_and(|end| end == "tmp")).collect();
            assert!(scraps.is_empty(), "{scraps:?}");
            assert!(mount("remount,size=120m", &folder));
            place.good(&[&words[..], &["--resume"]].concat());
        }));
        let unmounted = Command::new("umount").arg(&folder).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
        check.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
    }
}

fn mount(options: &str, folder: &str) -> bool {
    let words = ["-t", "tmpfs", "-o", options, "tmpfs", folder];
    Command::new("mount").args(words).output().is_ok_and(|output| output.status.success())
}

#[cfg(target_os = "linux")]
#[test]
fn standard_output_that_is_full_is_told() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &[]));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = place.command(&["inspect", "run"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.starts_with("error: cannot write to standard output: No space left"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
