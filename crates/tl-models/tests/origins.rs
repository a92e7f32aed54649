//! Files whose tensors are not those of a network one to one: old names, tensors of another task, a head that is a convolution.

use std::collections::BTreeMap;

use crate::formula::{Rule, filled};
use crate::recorded::entries;
use crate::training::bits;
use burn::prelude::*;
use tl_core::parameters::{values, visit_parameters};
use tl_models::load::{origin_name, origin_shape};
use tl_models::weights::{WeightsFile, save_safetensors};
use tl_models::{
    Architecture, Classifier, DenseNet, InceptionV3, LoadError, LoadOptions, SqueezeNet,
    SqueezeNetVersion, load,
};

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// The tensors of `model` as its origin has them, changed by `change`, as a file in `folder`.
fn changed<B: Architecture>(
    model: &Classifier<B>,
    folder: &tempfile::TempDir,
    change: impl FnOnce(&mut Tensors),
) -> WeightsFile {
    let mut tensors = Tensors::new();
    visit_parameters(model, |info, tensor| {
        let name = origin_name(&model.backbone, &info.path);
        let shape = origin_shape(&model.backbone, &info.path, &info.shape);
        tensors.push((name, shape, values(tensor).unwrap()));
    });
    change(&mut tensors);
    let path = folder.path().join("changed.safetensors");
    save_safetensors(&path, &tensors, &[], &BTreeMap::new()).unwrap();
    WeightsFile::open(&path).unwrap()
}

#[test]
fn densenets_old_names_are_read() {
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let model = filled(DenseNet::new(&device), 5, &Rule::plain());
    let mut renamed = 0;
    let file = changed(&model, &folder, |tensors| {
        for (name, ..) in tensors.iter_mut().filter(|(name, ..)| name.contains(".denselayer")) {
            for (today, old) in [("norm1", "norm.1"), ("norm2", "norm.2")] {
                *name = name.replace(&format!(".{today}."), &format!(".{old}."));
            }
            for (today, old) in [("conv1", "conv.1"), ("conv2", "conv.2")] {
                *name = name.replace(&format!(".{today}."), &format!(".{old}."));
            }
            renamed += 1;
        }
    });
    // 58 layers of two convolutions and two norms of four tensors.
    assert_eq!(renamed, 58 * 10);
    assert!(file.contains("features.denseblock1.denselayer1.norm.1.weight"));
    let fresh = DenseNet::new(&device).with_head(5, 1, &device);
    let (loaded, report) = load(fresh, &file, LoadOptions::default()).unwrap();
    assert_eq!(bits(&loaded), bits(&model));
    assert!(report.missing.is_empty() && report.unused.is_empty());
}

/// torchvision's file holds the auxiliary classifier of a thousand classes, one that was saved without it does not.
#[test]
fn inceptions_auxiliary_classifier_begins_fresh_for_other_classes_and_may_be_missing() {
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let model = filled(InceptionV3::new(&device), 5, &Rule::plain());
    let file = changed(&model, &folder, |_| ());
    let fresh = |classes| InceptionV3::new(&device).with_head(classes, 1, &device);
    let (loaded, report) = load(fresh(5), &file, LoadOptions::default()).unwrap();
    assert_eq!(bits(&loaded), bits(&model));
    assert!(report.missing.is_empty() && report.unused.is_empty() && report.reshaped.is_empty());

    let (loaded, report) = load(fresh(7), &file, LoadOptions::default()).unwrap();
    let (found, before) = (bits(&loaded), bits(&fresh(7)));
    let names = ["AuxLogits.fc.weight", "AuxLogits.fc.bias", "fc.weight", "fc.bias"];
    let reshaped: Vec<&str> = report.reshaped.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(reshaped, names);
    for (path, bits) in bits(&model) {
        let answers = path.starts_with("head.") || path.starts_with("backbone.auxiliary.linear.");
        assert_eq!(found[&path], if answers { before[&path].clone() } else { bits }, "{path}");
    }
    // One that fits is left fresh where the task is another.
    let options = LoadOptions { fresh_head: true, ..LoadOptions::default() };
    let (_, report) = load(fresh(5), &file, options).unwrap();
    assert_eq!(report.unused, names);

    let without = changed(&model, &folder, |tensors| {
        tensors.retain(|(name, ..)| !name.starts_with("AuxLogits."));
    });
    let (_, report) = load(fresh(5), &without, LoadOptions::default()).unwrap();
    // Two convolutions with norms of four tensors each, and a linear layer.
    assert_eq!(report.missing.len(), 12);
    assert!(report.missing.iter().all(|name| name.starts_with("AuxLogits.")));

    // A stranger is none of its tensors.
    let file = changed(&model, &folder, |tensors| {
        tensors.push(("Mixed_8a.conv.weight".into(), vec![1], vec![0.0]));
    });
    assert!(matches!(
        load(fresh(5), &file, LoadOptions::default()),
        Err(LoadError::Names { unused, .. }) if unused == ["Mixed_8a.conv.weight"]
    ));
}

#[test]
fn squeezenets_head_is_a_convolution_in_its_files_and_its_load_says_what_it_answers() {
    let (device, folder) = (Device::flex(), tempfile::tempdir().unwrap());
    let network = || SqueezeNet::new(SqueezeNetVersion::V1_1, &device);
    let model = filled(network(), 5, &Rule::plain());
    assert_eq!(entries(&model)["classifier.1.weight"], [5, 512, 1, 1]);
    let file = changed(&model, &folder, |_| ());
    let (_, report) =
        load(network().with_head(5, 1, &device), &file, LoadOptions::default()).unwrap();
    assert!(report.to_string().contains("without the ReLU"), "{report}");

    // A head of its own is no head of torchvision's.
    let fresh = LoadOptions { fresh_head: true, ..LoadOptions::default() };
    let (_, report) = load(network().with_head(5, 1, &device), &file, fresh).unwrap();
    assert_eq!(report.note, None);
    let (_, report) =
        load(network().with_head(7, 1, &device), &file, LoadOptions::default()).unwrap();
    assert_eq!(report.note, None);
    assert_eq!(report.reshaped[0].from, [5, 512, 1, 1]);
    assert_eq!(report.reshaped[0].to, [7, 512, 1, 1]);
}
