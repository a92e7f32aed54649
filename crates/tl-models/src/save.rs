//! From a network into a file that its origin's library loads.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use tl_core::parameters::{values, visit_parameters};

use crate::architecture::{Architecture, Classifier};
use crate::load::{origin_name, origin_order, origin_shape};
use crate::weights::{WeightsError, save_safetensors};

/// Name, shape, values in row order.
pub(crate) type NamedTensor = (String, Vec<usize>, Vec<f32>);

/// Why a network could not be written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the device failed: {0}; try --device flex")]
    Device(String),
}

/// Writes `model` as safetensors under its origin's names, so that the origin's own library loads it
/// strictly. `num_batches_tracked`, which torchvision's norms expect and never use at their default
/// momentum, is written as 0.
///
/// # Errors
/// A folder that cannot be written, a disk that is full, a device that cannot be read.
pub fn save<B: Architecture>(
    path: &Path,
    model: &Classifier<B>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), SaveError> {
    write(path, model, &model.backbone, |path| path.to_string(), metadata)
}

/// The same without a head, as the origin's library has its networks without a classifier.
///
/// # Errors
/// As [`save`].
pub fn save_backbone<B: Architecture>(
    path: &Path,
    backbone: &B,
    metadata: &BTreeMap<String, String>,
) -> Result<(), SaveError> {
    write(path, backbone, backbone, |inner| format!("backbone.{inner}"), metadata)
}

fn write<M: Module, B: Architecture>(
    path: &Path,
    module: &M,
    backbone: &B,
    path_of: impl Fn(&str) -> String,
    metadata: &BTreeMap<String, String>,
) -> Result<(), SaveError> {
    let tensors = tensors(module, backbone, path_of)?;
    Ok(save_safetensors(path, &tensors, &counters(&tensors), metadata)?)
}

/// Every tensor of `module`: its origin's name, its shape and its values in the origin's order.
pub(crate) fn tensors<M: Module, B: Architecture>(
    module: &M,
    backbone: &B,
    path_of: impl Fn(&str) -> String,
) -> Result<Vec<NamedTensor>, SaveError> {
    let mut tensors = Vec::new();
    let mut failure = None;
    visit_parameters(module, |info, tensor| {
        let path = path_of(&info.path);
        match values(tensor) {
            Ok(values) => {
                let name = origin_name(backbone, &path);
                let shape = origin_shape(backbone, &path, &info.shape);
                tensors.push((name, shape, origin_order(backbone, &path, &info.shape, values)));
            }
            Err(reason) => failure = Some(reason),
        }
    });
    match failure {
        Some(reason) => Err(SaveError::Device(reason)),
        None => Ok(tensors),
    }
}

/// How many batches each norm has seen, which nobody counts here.
pub(crate) fn counters(tensors: &[NamedTensor]) -> Vec<(String, i64)> {
    let norms = tensors.iter().filter_map(|(name, ..)| name.strip_suffix("running_var"));
    norms.map(|norm| (format!("{norm}num_batches_tracked"), 0)).collect()
}
