//! What several tests of pre-training need.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::parameters::{ModulePath, values, visit_parameters};
use tl_core::{Phase, Plan, Schedule};
use tl_data::{Images, Interpolation, Loader, Part, Preprocess};
use tl_models::{Architecture, Vit, VitConfig, VitSize};
use tl_train::Progress;

/// The gradients of every parameter that has one, by path.
pub fn gradients_of<M: Module>(module: &M, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    struct Visitor<'a> {
        path: ModulePath,
        gradients: &'a Gradients,
        found: BTreeMap<String, Vec<f32>>,
    }
    impl ModuleVisitor for Visitor<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                let count = gradient.shape().num_elements();
                self.found.insert(self.path.joined(), values(gradient.reshape([count])).unwrap());
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

/// Every parameter and statistic by path, as bits.
pub fn bits<M: Module>(module: &M) -> BTreeMap<String, Vec<u32>> {
    let mut all = BTreeMap::new();
    visit_parameters(module, |info, tensor| {
        let bits = values(tensor).unwrap().iter().map(|value| value.to_bits()).collect();
        all.insert(info.path.clone(), bits);
    });
    all
}

/// The part of Fashion-MNIST that is in the repository, at its own 28 pixels.
pub fn fashion(threads: usize) -> Loader {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/fashion_mnist");
    loader(Images::open(Path::new(folder)).unwrap(), 28, threads)
}

/// The numbers of `count` of its training images, from the `skip`-th on.
pub fn training(loader: &Loader, skip: usize, count: usize) -> Vec<usize> {
    let items = loader.images().items.iter().enumerate();
    let training = items.filter(|(_, item)| item.part == Some(Part::Train));
    training.map(|(index, _)| index).skip(skip).take(count).collect()
}

/// Images at `size` pixels, values around 0.
pub fn loader(images: Images, size: usize, threads: usize) -> Loader {
    let preprocess = Preprocess {
        resize: size,
        crop: size,
        mean: [0.5; 3],
        std: [0.5; 3],
        interpolation: Interpolation::Bilinear,
    };
    Loader::new(Arc::new(images), preprocess, threads, false).unwrap()
}

/// A transformer of two blocks on 16 patches of 7 pixels.
pub fn small_vit(seed: u64) -> Vit {
    let device = Device::flex();
    let config = VitConfig::new(VitSize::Tiny, 7, 28).depth(2);
    Vit::new(config, &device).with_head(2, seed, &device).backbone
}

/// Every stage trained for some epochs.
pub fn plan(epochs: usize, rate: f64) -> Plan {
    let schedule = Schedule::WarmupCosine { warmup: 0.1 };
    Plan::new(vec![Phase::finetune(epochs).named("pretrain").rates(rate, rate).schedule(schedule)])
}

/// Stops a run after so many batches.
pub struct StopAfter {
    pub left: usize,
    pub stop: Arc<AtomicBool>,
}

impl Progress for StopAfter {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, _: u64, note: &str) {
        if note.is_empty() {
            return;
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
    fn end(&mut self) {}
    fn say(&mut self, _: &str) {}
}
