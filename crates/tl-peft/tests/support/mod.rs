//! Networks small enough for every test, and adapters with values that are no longer those they begin with.

#[path = "../../../tl-models/tests/formula/mod.rs"]
pub mod formula;
pub mod recorded;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use formula::{Rule, filled, images, rows};
use tl_core::parameters::{ModulePath, is_adapter, map_values, values, visit_parameters};
use tl_core::{Activation, Head, Model, Pass, Pieces};
use tl_models::{
    Architecture, Classifier, Encoder, EncoderConfig, Family, Gpt2, Gpt2Config, MobileNetV2,
    Purpose, ResNet, ResNetDepth, Vit, VitConfig, VitSize, Weightless,
};
use tl_random::rng;

pub fn encoder(family: Family) -> Classifier<Encoder> {
    let mut config = EncoderConfig::base(family);
    (config.vocabulary, config.width, config.heads) = (50, 32, 4);
    (config.depth, config.hidden) = (2, 64);
    config.positions = 40 + config.first_position;
    filled(Encoder::new(config, &Device::flex()), 3, &Rule::plain())
}

pub fn gpt2() -> Classifier<Gpt2> {
    let mut config = Gpt2Config::default();
    (config.vocabulary, config.positions, config.width) = (50, 20, 32);
    (config.heads, config.depth, config.hidden) = (4, 2, 64);
    (config.end, config.padding) = (49, 49);
    filled(Gpt2::new(config, &Device::flex()), 3, &Rule::plain())
}

pub fn language() -> Model<Gpt2, Weightless> {
    let backbone = gpt2().backbone.for_purpose(Purpose::Language);
    Model { head: Weightless::pieces(backbone.config().vocabulary), backbone }
}

pub fn resnet() -> Classifier<ResNet> {
    filled(ResNet::new(ResNetDepth::D10, &Device::flex()), 3, &Rule::plain())
}

pub fn mobilenet() -> Classifier<MobileNetV2> {
    filled(MobileNetV2::new(&Device::flex()), 3, &Rule::plain())
}

pub fn vit() -> Classifier<Vit> {
    let config = VitConfig::new(VitSize::Tiny, 16, 32).depth(2);
    filled(Vit::new(config, &Device::flex()), 3, &Rule::plain())
}

pub fn texts() -> Activation {
    let text = |ids: &[u32]| Pieces {
        ids: ids.to_vec(),
        segments: vec![0; ids.len()],
        ..Pieces::default()
    };
    Activation::Texts(vec![text(&[3, 9, 4]), text(&[5, 6, 7, 8, 9, 10, 11]), text(&[12])])
}

pub fn photos() -> Activation {
    Activation::image(images("input", [2, 3, 32, 32]))
}

pub fn logits<B: Architecture, H: Head>(model: &Model<B, H>, input: Activation) -> Vec<f32> {
    let found = model.forward(input, Pass::default()).unwrap().without_autodiff();
    rows(Activation::Vector(found))
}

/// The same network with adapters that have learned something, by `seed`.
pub fn learned<M: Module>(module: M, seed: u64) -> M {
    let mut held = Vec::new();
    visit_parameters(&module, |info, tensor| {
        if is_adapter(&info.path) {
            held.push((info.path.clone(), values(tensor).unwrap()));
        }
    });
    map_values(module, |info| {
        let (path, before) = held.iter().find(|(path, _)| *path == info.path)?;
        let mut random = rng(seed, path, 0, 0);
        Some(before.iter().map(|value| value + random.between(-0.2, 0.2) as f32).collect())
    })
}

/// The bits of every parameter and statistic outside of slots, by path.
pub fn base_bits<M: Module>(module: &M) -> Vec<(String, Vec<u32>)> {
    let mut all = Vec::new();
    visit_parameters(module, |info, tensor| {
        if !is_adapter(&info.path) {
            let bits = values(tensor).unwrap().into_iter().map(f32::to_bits);
            all.push((info.path.clone(), bits.collect()));
        }
    });
    all
}

/// The gradients of a module on an autodiff device, by path; of parameters that have one.
pub fn gradients<M: Module>(module: &M, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    struct Visitor<'a> {
        path: ModulePath,
        gradients: &'a Gradients,
        found: BTreeMap<String, Vec<f32>>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let gradient = value.is_autodiff().then(|| value.grad(self.gradients)).flatten();
            if let Some(gradient) = gradient {
                let values = gradient.without_autodiff().into_data().try_into_vec().unwrap();
                self.found.insert(self.path.joined(), values);
            }
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    let mut visitor = Visitor { path: ModulePath::default(), gradients, found: BTreeMap::new() };
    module.visit(&mut visitor);
    visitor.found
}
