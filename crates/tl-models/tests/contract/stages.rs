//! The stages of every backbone: whose every parameter is, and that a cut anywhere changes nothing.

use std::collections::HashSet;
use std::ops::Range;

use tl_core::parameters::parameters;
use tl_core::{Activation, CoreError, Pass, RowShape};
use tl_models::Architecture;

use crate::formula::{Rule, deviation_f32, filled, images, rows};
use crate::training;

fn check<B: Architecture + Sync + 'static>(backbone: B) {
    let model = filled(backbone, 3, &Rule::plain());
    let backbone = &model.backbone;
    let network = backbone.name();

    let stages = backbone.stages();
    let names: HashSet<&str> = stages.iter().map(|stage| stage.name.as_str()).collect();
    assert!(!stages.is_empty());
    assert_eq!(names.len(), stages.len(), "{network}: two stages share a name");
    let mut owned = vec![0; stages.len()];
    let tensors = parameters(backbone).into_iter().map(|info| info.path);
    for path in tensors.chain(training::flags(backbone).into_keys()) {
        let owners: Vec<usize> = (0..stages.len()).filter(|&at| stages[at].owns(&path)).collect();
        assert_eq!(owners.len(), 1, "{network}: {path} belongs to {owners:?}");
        owned[owners[0]] += 1;
        // The selection for Burn's own functions is the same.
        let anyone = burn::module::ParamId::from(0);
        assert!(stages[owners[0]].group().unwrap().matches(&anyone, Some(&path)), "{path}");
    }
    assert!(owned.iter().all(|count| *count > 0), "{network}: a stage owns nothing: {owned:?}");

    let expected = backbone.expected_input().images("a network of images").unwrap();
    let (smallest, channels) = (expected.smallest, expected.channels);
    let batch = || Activation::image(images("input", [2, channels, smallest, smallest]));
    let pass = Pass::default();
    let all = 0..stages.len();
    let output = backbone.forward_stages(batch(), all.clone(), pass).unwrap();
    match output.row_shape() {
        RowShape::Image { channels, .. } => assert_eq!(channels, backbone.head_input_width()),
        RowShape::Tokens { width, .. } | RowShape::Vector { width } => {
            assert_eq!(width, backbone.head_input_width());
        }
        other => panic!("{other:?} for a head"),
    }
    let whole = rows(output);
    assert!(whole.iter().all(|value| value.is_finite()));
    assert!(whole.iter().any(|value| *value != 0.0));

    let trained = backbone.clone().train();
    for cut in 0..=stages.len() {
        let front = backbone.forward_stages(batch(), 0..cut, pass).unwrap();
        let shape = front.row_shape();
        let front_rows = rows(front.clone());
        assert_eq!(front_rows.len(), 2 * shape.elements());
        let back = backbone.forward_stages(front, cut..stages.len(), pass).unwrap();
        assert!(rows(back) == whole, "{network}: 0..{cut} and {cut}.. differ from all");

        // A prefix compiled from the network in training is the network in evaluation.
        let prefix = trained.compile(0..cut);
        assert_eq!(prefix.range(), 0..cut);
        let off = deviation_f32(&rows(prefix.forward(batch()).unwrap()), &front_rows);
        assert!(off <= 1e-5, "{network}: the compiled prefix 0..{cut} is off by {off:.1e}");
    }

    let embedding = backbone.embed(batch()).unwrap();
    assert_eq!(embedding.dims(), [2, backbone.embedding_width()]);
    assert!(backbone.embedding_stages() <= stages.len());
    assert_eq!(model.forward(batch(), pass).unwrap().dims(), [2, 3]);

    // A range that does not exist and vectors where images are due are errors, not panics.
    let beyond = stages.len() + 1;
    let wrong = backbone.forward_stages(batch(), 0..beyond, pass).unwrap_err();
    assert_eq!(wrong, CoreError::BadRange { start: 0, end: beyond, stages: stages.len() });
    let backwards = Range { start: 1, end: 0 };
    assert!(backbone.forward_stages(batch(), backwards, pass).is_err());
    let vectors = Activation::Vector(backbone.embed(batch()).unwrap());
    let wrong = backbone.forward_stages(vectors, 0..1, pass).unwrap_err();
    assert!(matches!(wrong, CoreError::WrongActivation { found: "vectors", .. }), "{wrong}");
}

mod every_backbone_keeps_its_contract {
    crate::for_every_architecture!(all: super::check);
}

mod so_do_transformers {
    use tl_models::{Vit, VitConfig, VitSize};

    #[test]
    fn of_each_kind() {
        let device = burn::prelude::Device::flex();
        let tiny = VitConfig::new(VitSize::Tiny, 8, 32).depth(3);
        for config in [tiny, tiny.dinov2(0), tiny.dinov2(4), tiny.clip(false), tiny.clip(true)] {
            super::check(Vit::new(config, &device));
        }
        super::check(Vit::new(VitConfig::new(VitSize::Small, 16, 224).depth(2), &device));
        super::check(Vit::new(VitConfig::new(VitSize::Base, 16, 224).depth(2), &device));
    }
}

#[test]
fn images_smaller_than_a_family_can_work_on_are_errors() {
    use tl_models::{ConvNeXt, ConvNeXtSize, DenseNet, InceptionV3, SqueezeNet, SqueezeNetVersion};
    use tl_models::{Vgg, VggDepth};

    fn refused<B: Architecture>(backbone: B) {
        let smallest = backbone.expected_input().images("images").unwrap().smallest;
        let small = Activation::image(images("input", [1, 3, smallest - 1, smallest - 1]));
        let message = backbone.forward_stages(small, 0..1, Pass::default()).unwrap_err();
        let message = message.to_string();
        assert_eq!(message.lines().count(), 1);
        assert!(message.contains(backbone.name()), "{message}");
        assert!(message.contains(&smallest.to_string()), "{message}");
    }
    let device = burn::prelude::Device::flex();
    refused(ConvNeXt::new(ConvNeXtSize::Tiny, &device));
    refused(DenseNet::new(&device));
    refused(InceptionV3::new(&device));
    refused(SqueezeNet::new(SqueezeNetVersion::V1_0, &device));
    refused(SqueezeNet::new(SqueezeNetVersion::V1_1, &device));
    refused(Vgg::new(VggDepth::D11, false, &device));
}
