//! Looking into a model, and one step of training.

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use burn::tensor::activation::log_softmax;
use tl_core::parameters::{ModulePath, values, visit_parameters};
use tl_core::{Activation, Optimizer, Pass, ResolvedPhase};
use tl_models::{Architecture, Classifier};

/// Every parameter and statistic by path, as bits.
pub fn bits<M: Module>(model: &M) -> BTreeMap<String, Vec<u32>> {
    let mut all = BTreeMap::new();
    visit_parameters(model, |info, tensor| {
        let bits = values(tensor).unwrap().iter().map(|value| value.to_bits()).collect();
        all.insert(info.path.clone(), bits);
    });
    all
}

/// Every flag by path.
pub fn flags<M: Module>(module: &M) -> BTreeMap<String, bool> {
    #[derive(Default)]
    struct Visitor {
        path: ModulePath,
        found: BTreeMap<String, bool>,
    }
    impl ModuleVisitor for Visitor {
        fn visit_flag(&mut self, flag: &Param<Flag>) {
            self.found.insert(self.path.joined(), flag.is_enabled());
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.found
}

/// Whether the flag at `path` switches something that is drawn at random, and not a norm.
pub fn is_random(path: &str) -> bool {
    path.contains("dropout") || path.contains("stochastic_depth")
}

/// The mean over the batch of minus the logarithm of the right class's probability.
pub fn cross_entropy(logits: Tensor<2>, labels: &[usize]) -> Tensor<1> {
    let [batch, classes] = logits.dims();
    let mut chosen = vec![0.0f32; batch * classes];
    for (row, label) in labels.iter().enumerate() {
        chosen[row * classes + label] = -1.0 / batch as f32;
    }
    let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [batch, classes]), &Device::flex());
    (log_softmax(logits, 1) * chosen.autodiff()).sum()
}

/// One step of training on `batch`, through every stage on the autodiff device.
pub fn step<B: Architecture>(
    model: Classifier<B>,
    optimizer: &mut Optimizer,
    phase: &ResolvedPhase,
    batch: Tensor<4>,
    labels: &[usize],
    number: u64,
) -> Classifier<B> {
    let pass = Pass { seed: 1, step: number };
    let logits = model.forward(Activation::image(batch.autodiff()), pass).unwrap();
    let mut gradients = cross_entropy(logits, labels).backward();
    optimizer.step(model, &mut gradients, 1.0, |path, rank| phase.rates(path, rank))
}
