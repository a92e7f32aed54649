use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::weights::{Inspection, WeightsFile, inspect, looks_untrained, save_safetensors};

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

fn filled(name: impl Into<String>, shape: &[usize], value: f32) -> (String, Vec<usize>, Vec<f32>) {
    (name.into(), shape.to_vec(), vec![value; shape.iter().product()])
}

fn inspected(tensors: &Tensors) -> Inspection {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    save_safetensors(&path, tensors, &[], &BTreeMap::new()).unwrap();
    inspect(&path).unwrap()
}

fn untrained(tensors: Tensors) -> Option<bool> {
    inspected(&tensors).looks_untrained
}

fn norm(module: &str, scale: f32, mean: f32) -> Tensors {
    vec![
        filled(format!("{module}.weight"), &[2], scale),
        filled(format!("{module}.running_mean"), &[2], mean),
    ]
}

#[test]
fn norms_at_their_initial_values_look_untrained_and_one_that_moved_does_not() {
    assert_eq!(untrained([norm("a", 1.0, 0.0), norm("b", 1.0, 0.0)].concat()), Some(true));
    assert_eq!(
        untrained([norm("a", 1.0, 0.0), norm("b", 0.0, 0.0)].concat()),
        Some(true),
        "a zero-initialised branch"
    );
    assert_eq!(untrained([norm("a", 1.0, 0.0), norm("b", 1.0, 0.01)].concat()), Some(false));
    assert_eq!(untrained([norm("a", 1.0, 0.0), norm("b", 0.99, 0.0)].concat()), Some(false));
}

#[test]
fn layer_norms_tell_too_and_a_file_without_norms_tells_nothing() {
    assert_eq!(untrained(vec![filled("h.0.ln_1.weight", &[4], 1.0)]), Some(true));
    assert_eq!(untrained(vec![filled("encoder.LayerNorm.weight", &[4], 0.5)]), Some(false));
    assert_eq!(untrained(vec![filled("fc.weight", &[4, 1], 1.0)]), None);
}

/// A residual network's telling tensors, as torchvision names them.
fn resnet(first: [usize; 2], blocks: [usize; 4], bottleneck: bool) -> Tensors {
    let [channels, kernel] = first;
    let conv1 = filled("conv1.weight", &[channels, 3, kernel, kernel], 0.0);
    let mut tensors = vec![conv1, filled("fc.weight", &[10, 2], 0.0)];
    for (layer, count) in (1..).zip(blocks) {
        for block in 0..count {
            let width = if layer == 1 { channels } else { 1 };
            let last = if bottleneck { 3 } else { 2 };
            for conv in 1..=last {
                let kernel = if conv == 2 { 3 } else { 1 };
                tensors.push(filled(
                    format!("layer{layer}.{block}.conv{conv}.weight"),
                    &[width, width, kernel, kernel],
                    0.0,
                ));
            }
        }
    }
    tensors
}

#[test]
fn residual_networks_are_told_by_their_blocks() {
    for (first, blocks, bottleneck, name) in [
        ([32, 3], [1, 1, 1, 1], false, "resnet10"),
        ([64, 7], [2, 2, 2, 2], false, "resnet18"),
        ([64, 7], [3, 4, 6, 3], false, "resnet34"),
        ([64, 7], [3, 4, 6, 3], true, "resnet50"),
        ([64, 7], [3, 4, 23, 3], true, "resnet101"),
        ([64, 7], [3, 8, 36, 3], true, "resnet152"),
        ([64, 7], [1, 1, 1, 1], false, "unknown"),
        ([64, 3], [1, 1, 1, 1], false, "unknown"),
        ([32, 3], [2, 2, 2, 2], false, "unknown"),
    ] {
        let inspection = inspected(&resnet(first, blocks, bottleneck));
        assert_eq!(inspection.looks_like, name);
        assert_eq!(inspection.outputs, (name != "unknown").then_some(10));
    }
}

#[test]
fn wide_and_grouped_bottlenecks_are_told_by_their_channels() {
    for (blocks, inner, name) in [
        ([3, 4, 6, 3], [128, 4], "resnext50_32x4d"),
        ([3, 4, 23, 3], [256, 8], "resnext101_32x8d"),
        ([3, 4, 6, 3], [128, 128], "wide_resnet50_2"),
        ([3, 4, 23, 3], [128, 128], "wide_resnet101_2"),
        ([3, 4, 6, 3], [256, 8], "unknown"),
        ([3, 4, 6, 3], [128, 2], "unknown"),
    ] {
        let mut tensors = resnet([64, 7], blocks, true);
        tensors.retain(|(tensor, ..)| tensor != "layer1.0.conv2.weight");
        tensors.push(filled("layer1.0.conv2.weight", &[inner[0], inner[1], 3, 3], 0.0));
        assert_eq!(inspected(&tensors).looks_like, name);
    }
}

#[test]
fn convolutional_families_are_told_by_names_and_shapes() {
    let check = |tensors: Tensors, head: &str, name: &str| {
        let mut tensors = tensors;
        tensors.push(filled(head, &[10, 2], 0.0));
        let inspection = inspected(&tensors);
        assert_eq!(inspection.looks_like, name);
        assert_eq!(inspection.outputs, (name != "unknown").then_some(10));
    };
    for (width, kernel, name) in
        [(96, 7, "squeezenet1_0"), (64, 3, "squeezenet1_1"), (64, 7, "unknown")]
    {
        let first = filled("features.0.weight", &[width, 3, kernel, kernel], 0.0);
        let fire = filled("features.3.squeeze.weight", &[16, 64, 1, 1], 0.0);
        check(vec![first, fire], "classifier.1.weight", name);
    }
    for (conv, third, name) in
        [("conv1", 24, "densenet121"), ("conv.1", 24, "densenet121"), ("conv1", 32, "unknown")]
    {
        let layers = [6, 12, third, 16].into_iter().enumerate().flat_map(|(block, layers)| {
            (1..=layers).map(move |layer| {
                let place = format!("features.denseblock{}.denselayer{layer}", block + 1);
                filled(format!("{place}.{conv}.weight"), &[2, 1, 1, 1], 0.0)
            })
        });
        check(layers.collect(), "classifier.weight", name);
    }
    for (first, last, name) in [
        (1, 1280, "efficientnet_b0"),
        (2, 1280, "efficientnet_b1"),
        (2, 1408, "efficientnet_b2"),
        (2, 1536, "efficientnet_b3"),
        (2, 1792, "efficientnet_b4"),
        (3, 2048, "unknown"),
    ] {
        let block =
            |block| filled(format!("features.1.{block}.block.0.0.weight"), &[32, 1, 3, 3], 0.0);
        let mut tensors: Tensors = (0..first).map(block).collect();
        tensors.push(filled("features.8.0.weight", &[last, 320, 1, 1], 0.0));
        check(tensors, "classifier.1.weight", name);
    }
    for (blocks, name) in [(9, "convnext_tiny"), (27, "convnext_small"), (3, "unknown")] {
        let block = |block| filled(format!("features.5.{block}.layer_scale"), &[384, 1, 1], 0.0);
        let mut tensors: Tensors = (0..blocks).map(block).collect();
        tensors.push(filled("features.0.0.weight", &[96, 3, 4, 4], 0.0));
        check(tensors, "classifier.2.weight", name);
    }
    let names = ["Conv2d_1a_3x3.conv.weight", "Mixed_7c.branch3x3dbl_3b.conv.weight"];
    check(names.map(|name| filled(name, &[1], 0.0)).into(), "fc.weight", "inception_v3");
}

#[test]
fn other_architectures_are_told_by_their_names() {
    let vgg = |places: &[usize]| {
        let width = |place: usize| if place == 0 { 64 } else { 1 };
        places
            .iter()
            .map(|place| filled(format!("features.{place}.weight"), &[width(*place), 1, 3, 3], 0.0))
            .collect::<Tensors>()
    };
    let named =
        |names: &[&str]| names.iter().map(|name| filled(*name, &[1], 0.0)).collect::<Tensors>();
    assert_eq!(inspected(&vgg(&[0, 3, 6, 8, 11, 13, 16, 18])).looks_like, "vgg11");
    let mut with_norm = vgg(&[0, 4, 8, 11, 15, 18, 22, 25]);
    with_norm.push(filled("features.1.running_mean", &[64], 0.0));
    assert_eq!(inspected(&with_norm).looks_like, "vgg11_bn");
    assert_eq!(inspected(&named(&["wte.weight", "h.0.attn.c_attn.weight"])).looks_like, "gpt2");
    assert_eq!(
        inspected(&named(&["cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"]))
            .looks_like,
        "vit"
    );
    let bert = [
        "bert.embeddings.word_embeddings.weight",
        "bert.embeddings.token_type_embeddings.weight",
        "bert.encoder.layer.0.attention.self.query.weight",
    ];
    assert_eq!(inspected(&named(&bert)).looks_like, "bert");
    assert_eq!(inspected(&named(&["fc.weight"])).looks_like, "unknown");
}

#[test]
fn the_embedded_weights_are_a_trained_mobilenet_of_3_504_872_parameters() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets/mobilenet_v2.safetensors");
    let inspection = inspect(&path).unwrap();
    assert_eq!((inspection.looks_like.as_str(), inspection.outputs), ("mobilenet_v2", Some(1000)));
    // The number that torchvision documents for this network.
    assert_eq!(inspection.parameters, 3_504_872);
    assert_eq!(inspection.looks_untrained, Some(false));
    assert_eq!(inspection.sha256.len(), 64);
    let file = WeightsFile::open(&path).unwrap();
    assert_eq!(looks_untrained(&file), Some(false));
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(
        WeightsFile::from_bytes(bytes, "embedded").unwrap().sha256().unwrap(),
        inspection.sha256
    );
    let text = inspection.to_string();
    assert!(
        text.contains("looks like mobilenet_v2 with 1000 outputs")
            && text.contains("features.0.0.weight"),
        "{text}"
    );
    let json = serde_json::to_string(&inspection).unwrap();
    assert_eq!(serde_json::from_str::<Inspection>(&json).unwrap(), inspection);
}
