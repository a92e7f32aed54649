//! From a network into a file of another library.
//!
//! What timm and torchvision call the first and last tensors stands in `fixtures/export.txt`; `xtask/parity/record_export.py` writes it,
//! and refuses to where networks whose tensors are moved so do not answer alike.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::formula::{Rule, fill, filled};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::store::ModuleRecord;
use tl_core::parameters::{values, visit_parameters};
use tl_models::weights::{WeightsFile, looks_untrained};
use tl_models::{
    Architecture, Classifier, ConvNeXt, ConvNeXtSize, EfficientNet, EfficientNetSize, InceptionV3,
    Library, LoadOptions, MobileNetV2, ResNet, ResNetDepth, SmallConv, Vgg, VggDepth, Vit,
    VitConfig, VitSize, export, load,
};

/// A tensor as the other library has it.
struct Recorded {
    name: String,
    origin: String,
    shape: Vec<usize>,
}

fn recorded(library: &str, network: &str) -> Vec<Recorded> {
    let text = include_str!("fixtures/export.txt");
    let lines = text.lines().map(|line| line.split(' ').collect::<Vec<&str>>());
    let found: Vec<Recorded> = lines
        .filter(|words| words[..2] == [library, network])
        .map(|words| Recorded {
            name: words[2].to_string(),
            origin: words[3].to_string(),
            shape: words[4].split('x').map(|extent| extent.parse().unwrap()).collect(),
        })
        .collect();
    assert!(!found.is_empty(), "{library} {network}");
    found
}

/// How many tensors the other library's network has in all, counters of batches among them.
fn count(library: &str, network: &str) -> usize {
    let begin = format!("count {library} {network} ");
    let mut lines = include_str!("fixtures/export.txt").lines();
    lines.find_map(|line| line.strip_prefix(&begin)).unwrap().parse().unwrap()
}

fn exported<B: Architecture>(folder: &Path, model: &Classifier<B>, library: Library) -> PathBuf {
    let path = folder.join(format!("model.{}", library.extension()));
    export(&path, model, library, &BTreeMap::new()).unwrap();
    path
}

/// The file holds what the other library has, no more and no less, and each tensor the values of the right one here.
fn check<B: Architecture>(backbone: B, library: Library) {
    let folder = tempfile::tempdir().unwrap();
    let model = filled(backbone, 5, &Rule::plain());
    let network = model.backbone.name();
    let file = WeightsFile::open(&exported(folder.path(), &model, library)).unwrap();
    let recorded = recorded(library.name(), network);
    assert_eq!(file.len(), count(library.name(), network), "{network}");
    for tensor in &recorded {
        let Recorded { name, origin, shape } = tensor;
        assert_eq!(file.shape(name), Some(shape.as_slice()), "{network}: {name}");
        assert!(file.values(name).unwrap() == origin_values(&model, origin), "{network}: {name}");
    }
    let norms = recorded.iter().filter_map(|tensor| tensor.name.strip_suffix("running_var"));
    for norm in norms {
        assert!(file.contains(&format!("{norm}num_batches_tracked")), "{network}: {norm}");
    }
}

/// The values of the tensor that the origin calls `name`, as the formula made them.
fn origin_values<B: Architecture>(model: &Classifier<B>, name: &str) -> Vec<f32> {
    let mut found = None;
    visit_parameters(model, |info, _| {
        if tl_models::load::origin_name(&model.backbone, &info.path) == name {
            let shape = tl_models::load::origin_shape(&model.backbone, &info.path, &info.shape);
            found = Some(fill(name, &shape, &Rule::plain()));
        }
    });
    found.unwrap_or_else(|| panic!("no tensor is called {name}"))
}

#[test]
fn each_tensor_has_the_name_the_shape_and_the_values_that_timm_has_for_it() {
    let device = Device::flex();
    check(MobileNetV2::new(&device), Library::Timm);
    check(EfficientNet::new(EfficientNetSize::B0, &device), Library::Timm);
}

/// The same at initial values: the formula takes its time with many, and has no rule for a transformer's tokens.
fn check_initial<B: Architecture>(backbone: B, library: Library) {
    let folder = tempfile::tempdir().unwrap();
    let model = backbone.with_head(5, 1, &Device::flex());
    let network = model.backbone.name();
    let file = WeightsFile::open(&exported(folder.path(), &model, library)).unwrap();
    assert_eq!(file.len(), count(library.name(), network), "{network}");
    let mut own = BTreeMap::new();
    visit_parameters(&model, |info, tensor| {
        let name = tl_models::load::origin_name(&model.backbone, &info.path);
        own.insert(name, (info.path.clone(), info.shape.clone(), values(tensor).unwrap()));
    });
    for Recorded { name, origin, shape } in recorded(library.name(), network) {
        let (path, inner, values) = own.remove(&origin).unwrap();
        let values = tl_models::load::origin_order(&model.backbone, &path, &inner, values);
        assert_eq!(file.shape(&name), Some(shape.as_slice()), "{network}: {name}");
        assert!(file.values(&name).unwrap() == values, "{network}: {name}");
    }
}

#[test]
fn a_convnext_and_a_vgg_take_the_names_and_shapes_of_timm() {
    let device = Device::flex();
    check_initial(ConvNeXt::new(ConvNeXtSize::Tiny, &device), Library::Timm);
    check_initial(Vgg::new(VggDepth::D11, true, &device), Library::Timm);
}

#[test]
fn a_vision_transformer_is_written_with_the_names_of_torchvision() {
    let config = VitConfig::new(VitSize::Tiny, 16, 32).depth(1);
    check_initial(Vit::new(config, &Device::flex()), Library::Torchvision);
    // All of its tensors are recorded.
    assert_eq!(recorded("torchvision", "vit_tiny").len(), count("torchvision", "vit_tiny"));
}

/// What Burn's own layers make of a part of the file: the fields are called as torchvision's.
#[derive(Module, Debug)]
struct Ends {
    conv1: Conv2d,
    bn1: BatchNorm,
    fc: Linear,
}

#[test]
fn burns_own_layers_load_the_pack_and_hold_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let model = filled(ResNet::new(ResNetDepth::D18, &device), 5, &Rule::plain());
    let path = exported(folder.path(), &model, Library::Burn);
    let ends = Ends {
        conv1: Conv2dConfig::new([3, 64], [7, 7]).with_bias(false).init(&device),
        bn1: BatchNormConfig::new(64).init(&device),
        fc: LinearConfig::new(512, 5).init(&device),
    };
    // Of the other layers it has no fields.
    let record = ModuleRecord::load(&path).unwrap().allow_unused(true);
    let ends = ends.try_load_record(record).unwrap();
    let floats = |data: burn::tensor::TensorData| data.try_into_vec::<f32>().unwrap();
    let formula = |name: &str, shape: &[usize]| fill(name, shape, &Rule::plain());
    assert_eq!(
        floats(ends.conv1.weight.val().into_data()),
        formula("conv1.weight", &[64, 3, 7, 7])
    );
    assert_eq!(floats(ends.bn1.gamma.val().into_data()), formula("bn1.weight", &[64]));
    assert_eq!(floats(ends.bn1.beta.val().into_data()), formula("bn1.bias", &[64]));
    let mean = ends.bn1.running_mean.value_sync();
    assert_eq!(floats(mean.into_data()), formula("bn1.running_mean", &[64]));
    // Burn's linear layers keep [in, out].
    let weight = formula("fc.weight", &[5, 512]);
    let turned = floats(ends.fc.weight.val().into_data());
    assert_eq!((turned[1], turned[5]), (weight[512], weight[1]));

    // And the pack is a source of weights here.
    let file = WeightsFile::open(&path).unwrap();
    let fresh = ResNet::new(ResNetDepth::D18, &device).with_head(5, 9, &device);
    let (loaded, report) = load(fresh, &file, LoadOptions::default()).unwrap();
    assert!(report.missing.is_empty() && report.unused.is_empty(), "{report}");
    let mut wanted = Vec::new();
    visit_parameters(&model, |_, tensor| wanted.push(values(tensor).unwrap()));
    let mut found = Vec::new();
    visit_parameters(&loaded, |_, tensor| found.push(values(tensor).unwrap()));
    assert!(found == wanted);
}

#[test]
fn a_fresh_network_looks_untrained_in_every_format_and_a_filled_one_in_none() {
    let device = Device::flex();
    let fresh = ResNet::new(ResNetDepth::D18, &device).with_head(5, 1, &device);
    let learned = filled(ResNet::new(ResNetDepth::D18, &device), 5, &Rule::plain());
    for library in [Library::Torchvision, Library::Timm, Library::Burn] {
        let folder = tempfile::tempdir().unwrap();
        let looks = |model: &Classifier<ResNet>| {
            looks_untrained(&WeightsFile::open(&exported(folder.path(), model, library)).unwrap())
        };
        assert_eq!(looks(&fresh), Some(true), "{library:?}");
        assert_eq!(looks(&learned), Some(false), "{library:?}");
    }
}

#[test]
fn a_network_that_a_library_lacks_is_refused_in_one_line_and_no_file_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let device = Device::flex();
    let model = SmallConv::new(&device).with_head(5, 1, &device);
    for library in [Library::Torchvision, Library::Timm] {
        let path = folder.path().join("model.safetensors");
        let message = export(&path, &model, library, &BTreeMap::new()).unwrap_err().to_string();
        assert!(message.contains("small_conv") && message.contains(library.name()), "{message}");
        assert_eq!(message.lines().count(), 1);
        assert!(!path.exists());
    }
    let config = VitConfig::new(VitSize::Tiny, 16, 32).depth(1).dinov2(0);
    let model = Vit::new(config, &device).with_head(5, 1, &device);
    let path = folder.path().join("model.safetensors");
    let message = export(&path, &model, Library::Torchvision, &BTreeMap::new());
    let message = message.unwrap_err().to_string();
    assert!(message.contains("blocks.0.ls1.gamma"), "{message}");
}

/// timm's usual Inception has no auxiliary classifier, torchvision's has.
#[test]
fn an_inceptions_auxiliary_classifier_goes_to_torchvision_and_not_to_timm() {
    let folder = tempfile::tempdir().unwrap();
    let model = InceptionV3::new(&Device::flex()).with_zero_head(3, &Device::flex());
    let auxiliary = |library: Library| {
        let path = folder.path().join(format!("{}.safetensors", library.name()));
        export(&path, &model, library, &BTreeMap::new()).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        let found = file.names().filter(|name| name.starts_with("AuxLogits.")).count();
        (file.len() - found, found)
    };
    let (others, found) = auxiliary(Library::Torchvision);
    // Twelve tensors and the two counters of its norms.
    assert_eq!(found, 14);
    assert_eq!(auxiliary(Library::Timm), (others, 0));
}
