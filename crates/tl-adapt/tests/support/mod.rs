//! What several tests share: the recording, tensors by formula, and a small real shift.

pub mod fashion;

use burn::prelude::*;
use burn::tensor::TensorData;
use serde_json::Value;
use tl_random::{hash, mix};

/// What `record_adaptation.py` wrote.
pub fn recorded() -> Value {
    serde_json::from_str(include_str!("../fixtures/adaptation.json")).unwrap()
}

/// The first `count` values s of `name` times `scale`, as the recording script makes them.
pub fn formula_values(name: &str, count: usize, scale: f64) -> Vec<f32> {
    let seed = hash(name);
    let signed = |i: u64| (mix(seed ^ mix(i)) >> 40) as f64 / f64::from(1 << 23) - 1.0;
    (0..count as u64).map(|i| (scale * signed(i)) as f32).collect()
}

/// The same as a tensor.
pub fn formula(name: &str, shape: [usize; 2], scale: f64, device: &Device) -> Tensor<2> {
    let values = formula_values(name, shape[0] * shape[1], scale);
    let plain =
        Tensor::from_data(TensorData::new(values, shape), &device.clone().without_autodiff());
    if device.is_autodiff() { plain.autodiff() } else { plain }
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.without_autodiff().into_data().try_to_vec().unwrap()
}

pub fn scalar(tensor: Tensor<1>) -> f64 {
    f64::from(values(tensor)[0])
}
