//! What other libraries computed, as the scripts in `xtask/parity` record it.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleVisitor, Param};
use burn::prelude::*;
use burn::tensor::Gradients;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tl_core::parameters::{ModulePath, parameters, values};
use tl_core::{Activation, Pieces};
use tl_models::load::{origin_name, origin_order, origin_shape};
use tl_models::{Architecture, Classifier};

use crate::formula::{Rule, images, projections};

#[derive(Deserialize)]
pub struct Fixture {
    pub architecture: String,
    #[serde(default)]
    pub input_shape: Option<[usize; 4]>,
    /// Instead of images.
    #[serde(default)]
    pub texts: Vec<Text>,
    /// A text encoder's `config.json`, and the values after each of its stages, without padding.
    #[serde(default)]
    pub config: serde_json::Value,
    #[serde(default)]
    pub hidden: Vec<Summary>,
    pub classes: usize,
    pub labels: Vec<usize>,
    #[serde(flatten)]
    pub rule: Rule,
    #[serde(default)]
    pub eval: Mode,
    pub train: Mode,
    #[serde(default)]
    pub entries: BTreeMap<String, Vec<usize>>,
    /// What the auxiliary classifier answers in training.
    #[serde(default)]
    pub auxiliary: Vec<Vec<f64>>,
}

/// The names and shapes of a network's tensors.
#[derive(Deserialize)]
pub struct Names {
    pub classes: usize,
    pub entries: BTreeMap<String, Vec<usize>>,
}

#[derive(Deserialize)]
pub struct Text {
    pub ids: Vec<u32>,
    pub segments: Vec<u32>,
    /// Of a masked language model.
    #[serde(default)]
    pub asked: Vec<usize>,
}

#[derive(Default, Deserialize)]
pub struct Mode {
    #[serde(default)]
    pub input: String,
    pub logits: Vec<Vec<f64>>,
    pub loss: f64,
    pub gradients: BTreeMap<String, Summary>,
    #[serde(default)]
    pub statistics: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
pub struct Summary {
    pub norm: f64,
    pub projections: Vec<f64>,
}

/// The file called `name` among what was recorded.
fn read<T: DeserializeOwned>(name: &str) -> T {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/parity");
    let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Names {
    pub fn read(name: &str) -> Self {
        read(&format!("names/{name}"))
    }
}

/// The names and shapes that a model's tensors have in its origin.
pub fn entries<B: Architecture>(model: &Classifier<B>) -> BTreeMap<String, Vec<usize>> {
    let all = parameters(model).into_iter().map(|info| {
        let name = origin_name(&model.backbone, &info.path);
        (name, origin_shape(&model.backbone, &info.path, &info.shape))
    });
    all.collect()
}

impl Fixture {
    pub fn read(name: &str) -> Self {
        read(name)
    }

    /// The input of a mode, on the plain device.
    pub fn batch(&self, mode: &Mode) -> Activation {
        match self.input_shape {
            Some(shape) => Activation::image(images(&mode.input, shape)),
            None => {
                let text = |text: &Text| Pieces {
                    ids: text.ids.clone(),
                    segments: text.segments.clone(),
                    asked: text.asked.clone(),
                };
                Activation::Texts(self.texts.iter().map(text).collect())
            }
        }
    }
}

impl Summary {
    /// The relative error of `values`, as far as norm and projections tell it.
    pub fn deviation(&self, values: &[f32]) -> f64 {
        let length = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let found = projections(values, self.projections.len());
        let squares: f64 = found.iter().zip(&self.projections).map(|(a, b)| (a - b).powi(2)).sum();
        // A projection moves by about 1/√3 of the error in the values.
        let error = (3.0 * squares / found.len() as f64).sqrt();
        ((length - self.norm).abs() / self.norm).max(error / self.norm)
    }
}

/// The gradients of the parameters that `wanted` accepts, by path.
pub fn gradients_of<M: Module>(
    module: &M,
    gradients: &Gradients,
    wanted: impl Fn(&str) -> bool,
) -> HashMap<String, Vec<f32>> {
    struct Visitor<'a, F> {
        path: ModulePath,
        gradients: &'a Gradients,
        wanted: F,
        found: HashMap<String, Vec<f32>>,
    }
    impl<F: Fn(&str) -> bool> ModuleVisitor for Visitor<'_, F> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path = self.path.joined();
            if (self.wanted)(&path) {
                let gradient = param.val().grad(self.gradients).unwrap();
                let count = gradient.shape().num_elements();
                self.found.insert(path, values(gradient.reshape([count])).unwrap());
            }
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    let path = ModulePath::default();
    let mut visitor = Visitor { path, gradients, wanted, found: HashMap::new() };
    module.visit(&mut visitor);
    visitor.found
}

/// The largest relative error of the norms and projections of the recorded gradients.
pub fn gradient_deviation<B: Architecture>(
    model: &Classifier<B>,
    gradients: &Gradients,
    expected: &BTreeMap<String, Summary>,
) -> f64 {
    let name = |path: &str| origin_name(&model.backbone, path);
    let found = gradients_of(model, gradients, |path| expected.contains_key(&name(path)));
    assert_eq!(found.len(), expected.len());
    let shapes: HashMap<String, Vec<usize>> =
        parameters(model).into_iter().map(|info| (info.path, info.shape)).collect();
    let worst = |worst: f64, (path, values): (&String, &Vec<f32>)| {
        let values = origin_order(&model.backbone, path, &shapes[path], values.clone());
        worst.max(expected[&name(path)].deviation(&values))
    };
    found.iter().fold(0.0, worst)
}
