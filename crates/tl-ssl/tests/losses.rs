//! Losses against numbers recorded in f64 by `xtask/parity/record_ssl.py`.

#[path = "../../tl-models/tests/formula/mod.rs"]
mod formula;

use burn::prelude::*;
use formula::signed;
use serde_json::Value;
use tl_core::parameters::values;
use tl_ssl::methods::nt_xent;

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/losses.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn view(name: &str, fixture: &Value) -> Tensor<2> {
    let size = |field: &str| fixture[field].as_u64().unwrap() as usize;
    let dims = [size("images"), size("width")];
    let values: Vec<f32> = signed(name).take(dims[0] * dims[1]).map(|value| value as f32).collect();
    let data = TensorData::new(values, dims);
    Tensor::from_data(data, &Device::flex()).autodiff().require_grad()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Loss and gradients of both views are the recorded ones.
fn check(name: &str, loss: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<1>) {
    let fixture = fixture();
    let expected = &fixture[name];
    let (first, second) = (view("first", &fixture), view("second", &fixture));
    let found = loss(first.clone(), second.clone());
    let value = f64::from(found.clone().into_scalar::<f32>());
    let recorded = expected["loss"].as_f64().unwrap();
    assert!((value - recorded).abs() <= 1e-6 * recorded.abs(), "{name}: {value} {recorded}");
    let gradients = found.backward();
    for (at, input) in [first, second].into_iter().enumerate() {
        let gradient = input.grad(&gradients).unwrap();
        let count = gradient.shape().num_elements();
        let found = values(gradient.reshape([count])).unwrap();
        let recorded = numbers(&expected["gradients"][at]);
        let largest = recorded.iter().fold(0f64, |most, value| most.max(value.abs()));
        assert_eq!(found.len(), recorded.len());
        for (found, recorded) in found.iter().zip(recorded) {
            let off = (f64::from(*found) - recorded).abs();
            assert!(off <= 1e-5 * largest, "{name}: {found} {recorded}");
        }
    }
}

#[test]
fn nt_xent_and_its_gradients_are_the_recorded_ones() {
    check("nt_xent_0.1", |first, second| nt_xent(first, second, 0.1));
    check("nt_xent_0.5", |first, second| nt_xent(first, second, 0.5));
}
