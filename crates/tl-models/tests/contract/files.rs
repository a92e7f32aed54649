//! From a network into a file and back, and to another task.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::Device;
use tl_core::parameters::parameters;
use tl_core::{Head, Pass};
use tl_models::load::origin_name;
use tl_models::weights::WeightsFile;
use tl_models::{Architecture, LoadOptions, initialise, load, save};

use super::examples::{CLASSES, LABELS, examples};
use super::{changed, changes};
use crate::formula::{Rule, filled};

/// Files above this many bytes are not written a second time.
const LARGE: u64 = 1 << 27;

/// What was written is read, names and bits, and the same network takes on a task of seven classes: its stages as they were, a
/// head of its own.
fn check<B: Architecture>(backbone: B) {
    let network = backbone.name();
    let with_zeros = |classes| backbone.clone().with_zero_head(classes, &Device::flex());
    let model = filled(backbone.clone(), CLASSES, &Rule::plain());
    let count = parameters(&model).len();
    assert_eq!(changed(&with_zeros(CLASSES), &model).len(), count, "{network}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save(&path, &model, &BTreeMap::new()).unwrap();
    let file = WeightsFile::open(&path).unwrap();

    let mut names: Vec<String> = file.names().map(str::to_string).collect();
    let mut expected = Vec::new();
    for info in parameters(&model) {
        let name = origin_name(&model.backbone, &info.path);
        // torchvision's norms count their batches.
        expected
            .extend(name.strip_suffix("running_var").map(|it| format!("{it}num_batches_tracked")));
        expected.push(name);
    }
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected, "{network}");

    let (loaded, report) = load(with_zeros(CLASSES), &file, LoadOptions::default()).unwrap();
    assert_eq!(changed(&model, &loaded), [""; 0], "{network}");
    assert_eq!(report.applied, count, "{network}");
    let strange = report.missing.len() + report.unused.len() + report.reshaped.len();
    assert!(strange == 0 && !report.untrained, "{network}: {report}");

    // A model in training is saved as it is: the same bytes.
    if file.length() < LARGE {
        let bytes = std::fs::read(&path).unwrap();
        let again = folder.path().join("again.safetensors");
        save(&again, &loaded.train(), &BTreeMap::new()).unwrap();
        assert!(std::fs::read(&again).unwrap() == bytes, "{network}: other bytes in training");
    }

    let fresh = initialise(with_zeros(7), 1, |path| path.starts_with("head."));
    let (swapped, report) = load(fresh.clone(), &file, LoadOptions::default()).unwrap();
    // What answers in the middle of an Inception is another's too.
    let paths = parameters(&model.backbone).into_iter().map(|info| info.path);
    let answering: Vec<String> = paths.filter(|path| backbone.answers(path)).collect();
    let heads = changes(&fresh.head, &swapped.head).into_keys().map(|path| format!("head.{path}"));
    let within = answering.iter().map(|path| format!("backbone.{path}"));
    let mut heads: Vec<String> =
        heads.chain(within).map(|path| origin_name(&model.backbone, &path)).collect();
    heads.sort_unstable();
    let mut reshaped: Vec<&str> = report.reshaped.iter().map(|it| it.name.as_str()).collect();
    reshaped.sort_unstable();
    assert_eq!(reshaped, heads, "{network}");
    assert_eq!(changed(&fresh.head, &swapped.head), [""; 0], "{network}");
    let mut moved = changed(&model.backbone, &swapped.backbone);
    moved.retain(|path| !answering.contains(path));
    assert_eq!(moved, [""; 0], "{network}");
    assert_eq!(swapped.head.classes(), 7, "{network}");
    let logits = swapped.forward(examples(&swapped.backbone, 0, 0), Pass::default()).unwrap();
    assert_eq!(logits.dims(), [LABELS.len(), 7], "{network}");
}

mod what_is_saved_is_loaded_bit_for_bit_and_serves_another_task {
    crate::for_every_architecture!(most: super::check);

    #[test]
    fn vision_transformers() {
        use burn::prelude::Device;
        use tl_models::{Vit, VitConfig, VitSize};

        let tiny = VitConfig::new(VitSize::Tiny, 8, 32).depth(3);
        for config in [tiny, tiny.dinov2(4), tiny.clip(true)] {
            super::check(Vit::new(config, &Device::flex()));
        }
    }
}
