//! From a network into a file and back: what fits and what does not. That every network comes back stands in `contract`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::formula::{Rule, filled};
use crate::training::bits;
use burn::prelude::*;
use tl_core::parameters::{parameters, values, visit_parameters};
use tl_models::load::origin_name;
use tl_models::weights::{WeightsFile, save_safetensors};
use tl_models::{
    Architecture, Classifier, LoadError, LoadOptions, MobileNetV2, ResNet, ResNetDepth, Vgg,
    VggDepth, load, save,
};

fn resnet(depth: ResNetDepth) -> ResNet {
    ResNet::new(depth, &Device::flex())
}

fn saved<B: Architecture>(folder: &Path, model: &Classifier<B>) -> PathBuf {
    let path = folder.join("model.safetensors");
    save(&path, model, &BTreeMap::new()).unwrap();
    path
}

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// The tensors of a ResNet-18 with 5 classes, changed by `change`, as a file.
fn changed_resnet18(folder: &Path, change: impl Fn(&mut Tensors)) -> WeightsFile {
    let model = filled(resnet(ResNetDepth::D18), 5, &Rule::plain());
    let mut tensors = Tensors::new();
    visit_parameters(&model, |info, tensor| {
        let name = origin_name(&model.backbone, &info.path);
        tensors.push((name, info.shape.clone(), values(tensor).unwrap()));
    });
    change(&mut tensors);
    let path = folder.join("changed.safetensors");
    save_safetensors(&path, &tensors, &[], &BTreeMap::new()).unwrap();
    WeightsFile::open(&path).unwrap()
}

fn resnet18() -> Classifier<ResNet> {
    resnet(ResNetDepth::D18).with_head(5, 1, &Device::flex())
}

#[test]
fn a_saved_file_counts_batches_for_each_norm_as_torchvision_expects() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), &filled(resnet(ResNetDepth::D18), 5, &Rule::plain()));
    let file = WeightsFile::open(&path).unwrap();
    let norms: Vec<&str> = file.names().filter_map(|n| n.strip_suffix("running_var")).collect();
    assert_eq!(norms.len(), 20);
    for norm in &norms {
        let name = format!("{norm}num_batches_tracked");
        assert_eq!(file.shape(&name), Some(&[][..]), "{name}");
        assert_eq!(file.dtype(&name).unwrap().to_string(), "I64");
    }
    let counters = file.names().filter(|name| name.ends_with("num_batches_tracked")).count();
    assert_eq!(counters, norms.len());
    // 20 convolutions, 20 norms of 5 tensors, weight and bias of the head.
    assert_eq!(file.len(), 122);
}

#[test]
fn a_stage_of_another_shape_is_one_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed_resnet18(folder.path(), |tensors| {
        tensors[0].1 = vec![64, 3, 5, 5];
        tensors[0].2.truncate(64 * 75);
    });
    let error =
        load(resnet18(), &file, LoadOptions { partial: true, fresh_head: true }).unwrap_err();
    let message = error.to_string();
    for part in
        ["resnet18", "conv1.weight", "[64, 3, 5, 5]", "[64, 3, 7, 7]", "changed.safetensors"]
    {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(message.lines().count(), 1);
}

/// Other channels are fitted where images come in, and nowhere else.
#[test]
fn a_later_convolution_of_the_first_stage_with_other_channels_is_refused() {
    let (folder, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let path = folder.path().join("narrow.safetensors");
    let shape = vec![64, 32, 3, 3];
    let tensor = ("features.2.weight".to_string(), shape, vec![0.0; 64 * 32 * 9]);
    save_safetensors(&path, &[tensor], &[], &BTreeMap::new()).unwrap();
    let file = WeightsFile::open(&path).unwrap();
    let model = Vgg::new(VggDepth::D13, false, &device).with_zero_head(2, &device);
    let refused = load(model, &file, LoadOptions { partial: true, fresh_head: true }).unwrap_err();
    assert!(refused.to_string().contains("[64, 32, 3, 3]"), "{refused}");
}

#[test]
fn missing_and_unused_tensors_are_an_error_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed_resnet18(folder.path(), |tensors| {
        tensors.retain(|(name, ..)| name != "layer2.0.conv1.weight");
        tensors.push(("layer5.0.conv1.weight".into(), vec![1], vec![0.0]));
        // Not the head `fc`, though it begins like it.
        tensors.push(("fc_old.weight".into(), vec![1], vec![0.0]));
    });
    let error = load(resnet18(), &file, LoadOptions::default()).unwrap_err();
    let message = error.to_string();
    let LoadError::Names { missing, unused, network, .. } = error else { panic!("{message}") };
    assert_eq!(missing, ["layer2.0.conv1.weight"]);
    assert_eq!(unused, ["layer5.0.conv1.weight", "fc_old.weight"]);
    assert_eq!(network, "resnet18");
    assert_eq!(message.lines().count(), 1);
    for part in ["layer2.0.conv1.weight", "layer5.0.conv1.weight", "1 of its", "2 others"] {
        assert!(message.contains(part), "{message}");
    }

    let before = bits(&resnet18());
    let partial = LoadOptions { partial: true, ..LoadOptions::default() };
    let (loaded, report) = load(resnet18(), &file, partial).unwrap();
    let after = bits(&loaded);
    assert_eq!(report.missing, ["layer2.0.conv1.weight"]);
    assert_eq!(report.unused, ["layer5.0.conv1.weight", "fc_old.weight"]);
    let kept: Vec<&String> = before.keys().filter(|path| before[*path] == after[*path]).collect();
    assert_eq!(kept, ["backbone.layer2.0.conv1.weight"]);
}

#[test]
fn the_weights_of_another_network_are_refused_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), &filled(resnet(ResNetDepth::D34), 5, &Rule::plain()));
    let larger = WeightsFile::open(&path).unwrap();
    assert!(matches!(
        load(resnet18(), &larger, LoadOptions::default()),
        Err(LoadError::Names { missing, .. }) if missing.is_empty()
    ));
    let smaller = changed_resnet18(folder.path(), |_| ());
    let model = resnet(ResNetDepth::D34).with_head(5, 1, &Device::flex());
    assert!(matches!(
        load(model, &smaller, LoadOptions::default()),
        Err(LoadError::Names { unused, .. }) if unused.is_empty()
    ));
}

#[test]
fn a_head_of_another_size_keeps_its_initial_values_and_is_reported_as_reshaped() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed_resnet18(folder.path(), |_| ());
    let model = resnet(ResNetDepth::D18).with_head(7, 1, &Device::flex());
    let before = bits(&model);
    let (loaded, report) = load(model, &file, LoadOptions::default()).unwrap();
    let after = bits(&loaded);
    let kept: Vec<&String> = before.keys().filter(|path| before[*path] == after[*path]).collect();
    assert_eq!(kept, ["head.linear.bias", "head.linear.weight"]);
    let reshaped: HashMap<&str, (&[usize], &[usize])> = report
        .reshaped
        .iter()
        .map(|entry| (entry.name.as_str(), (&entry.from[..], &entry.to[..])))
        .collect();
    assert_eq!(reshaped.len(), 2);
    assert_eq!(reshaped["fc.weight"], (&[5, 512][..], &[7, 512][..]));
    assert_eq!(reshaped["fc.bias"], (&[5][..], &[7][..]));
    assert_eq!(report.applied, parameters(&loaded).len() - 2);
}

#[test]
fn a_fresh_head_is_left_alone_even_where_the_file_has_one_of_its_shape() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed_resnet18(folder.path(), |_| ());
    let before = bits(&resnet18());
    let fresh = LoadOptions { fresh_head: true, ..LoadOptions::default() };
    let (loaded, report) = load(resnet18(), &file, fresh).unwrap();
    assert_eq!(bits(&loaded)["head.linear.weight"], before["head.linear.weight"]);
    assert_eq!(bits(&loaded)["head.linear.bias"], before["head.linear.bias"]);
    assert_eq!(report.applied, parameters(&loaded).len() - 2);
    // Nothing has another shape; the file's head found no place.
    assert!(report.reshaped.is_empty());
    assert_eq!(report.unused, ["fc.weight", "fc.bias"]);
}

#[test]
fn a_file_without_a_head_is_a_backbone_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = changed_resnet18(folder.path(), |tensors| tensors.truncate(100));
    let (_, report) = load(resnet18(), &file, LoadOptions::default()).unwrap();
    assert_eq!(report.missing, ["fc.weight", "fc.bias"]);
    assert_eq!(report.applied, 100);
}

#[test]
fn a_file_whose_norms_are_all_fresh_is_reported_as_untrained() {
    let folder = tempfile::tempdir().unwrap();
    let file = WeightsFile::open(&saved(folder.path(), &resnet18())).unwrap();
    let (_, report) = load(resnet18(), &file, LoadOptions::default()).unwrap();
    assert!(report.untrained);
    let file = changed_resnet18(folder.path(), |_| ());
    let (_, report) = load(resnet18(), &file, LoadOptions::default()).unwrap();
    assert!(!report.untrained);
}

#[test]
fn initial_values_depend_on_the_seed_and_on_nothing_else() {
    let device = Device::flex();
    let draw = |seed| bits(&MobileNetV2::new(&device).with_head(3, seed, &device));
    let one = draw(1);
    assert_eq!(one, draw(1));
    let two = draw(2);
    let same = one.keys().filter(|path| one[*path] == two[*path]).count();
    // What starts as a constant: scale, shift, mean and variance of 52 norms, and the head's bias.
    assert_eq!(same, 52 * 4 + 1);
}
