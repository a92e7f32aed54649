//! `tl export`: a run's network in a file of another library.

use crate::support::{Place, quick};
use tl::models::weights::WeightsFile;

#[test]
fn a_run_is_written_for_each_library_and_is_read_again_bit_for_bit() {
    let place = Place::with_photos(3, 6);
    place.good(&quick("run", &["--model", "resnet18", "--weights", "random", "--epochs", "1"]));
    let own = WeightsFile::open(&place.path("run/model.safetensors")).unwrap();
    for (library, file) in [
        ("torchvision", "run/export-torchvision.safetensors"),
        ("timm", "run/export-timm.safetensors"),
        ("burn", "run/export-burn.bpk"),
    ] {
        let answer = place.json(&["export", "run", "--to", library]);
        assert_eq!(answer["file"], file);
        let written = WeightsFile::open(&place.path(file)).unwrap();
        // Of a ResNet all have the same names; Burn does not count batches.
        for name in own.names().filter(|name| !name.ends_with("num_batches_tracked")) {
            assert_eq!(written.shape(name), own.shape(name), "{library}: {name}");
            assert!(
                written.values(name).unwrap() == own.values(name).unwrap(),
                "{library}: {name}"
            );
        }
        assert_eq!(written.metadata()["network"], "resnet18", "{library}");
        // Once more, over what was exported there.
        place.good(&["export", "run", "--to", library]);
        let open = answer["open"].as_str().unwrap();
        assert!(open.contains(file.rsplit('/').next().unwrap()), "{open}");
    }
    // The run's own weights stay.
    place.refused_with(
        &["export", "run", "--to", "timm", "--out", "run/model.safetensors"],
        &["run/model.safetensors", "--out"],
    );
    // A pack is a source of weights for the next task.
    place.good(&quick("next", &["--model", "resnet18", "--weights", "run/export-burn.bpk"]));
}

#[test]
fn what_a_library_lacks_and_a_strange_ending_are_refused() {
    let place = Place::with_photos(2, 6);
    place.good(&quick("run", &["--model", "small_conv", "--weights", "random", "--epochs", "1"]));
    for library in ["torchvision", "timm"] {
        place.refused_with(
            &["export", "run", "--to", library],
            &[library, "small_conv", "--to burn"],
        );
    }
    place.refused_with(
        &["export", "run", "--to", "burn", "--out", "a.safetensors"],
        &["a.safetensors", ".bpk"],
    );
    place.refused_with(&["export", "run", "--to", "keras"], &["keras", "torchvision"]);
    assert!(!place.path("run/export-timm.safetensors").exists());
    place.good(&["export", "run", "--to", "burn", "--out", "a.bpk"]);
}
