//! Losses against numbers recorded in f64 by `xtask/parity/record_ssl.py`.

use crate::formula::signed;
use burn::prelude::*;
use serde_json::Value;
use tl_core::parameters::values;
use tl_ssl::methods::{barlow_twins, byol_loss, dino_loss, nt_xent, simsiam_loss, vicreg};

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

/// What is predicted: constants.
fn targets() -> [Tensor<2>; 2] {
    ["first_target", "second_target"].map(|name| view(name, &fixture()).detach())
}

#[test]
fn barlow_twins_and_its_gradients_are_the_recorded_ones() {
    check("barlow_twins", |first, second| {
        let [same, redundant] = barlow_twins(first, second);
        same + redundant.mul_scalar(0.005)
    });
}

#[test]
fn vicreg_and_its_gradients_are_the_recorded_ones() {
    check("vicreg", |first, second| {
        let terms = vicreg(first.mul_scalar(0.5), second.mul_scalar(0.5));
        let [invariance, variance, covariance] = terms;
        (invariance + variance).mul_scalar(25.0) + covariance
    });
}

#[test]
fn byol_and_its_gradients_are_the_recorded_ones() {
    check("byol", |first, second| byol_loss([first, second], targets()));
}

#[test]
fn simsiam_and_its_gradients_are_the_recorded_ones() {
    check("simsiam", |first, second| simsiam_loss([first, second], targets()));
}

#[test]
fn dino_and_its_gradients_are_the_recorded_ones() {
    let width = fixture()["width"].as_u64().unwrap() as usize;
    let centre: Vec<f32> = signed("centre").take(width).map(|value| value as f32).collect();
    check("dino", |first, second| {
        let centre = TensorData::new(centre.clone(), [1, width]);
        let centre = Tensor::from_data(centre, &Device::flex()).autodiff();
        let [third, fourth] = targets();
        let students = [first, second, third.clone(), fourth.clone()];
        dino_loss(&students, &[third, fourth], centre, 0.1, 0.04)
    });
}

/// No gradient goes through what is predicted: with it both would fall to the same vector.
#[test]
fn targets_stand_still() {
    let fixture = fixture();
    let view = |name: &str| view(name, &fixture);
    let (target, other) = (view("first_target"), view("second_target"));
    let targets = || [target.clone(), other.clone()];
    let losses = [
        byol_loss([view("first"), view("second")], targets()),
        simsiam_loss([view("first"), view("second")], targets()),
        dino_loss(
            &[view("first"), view("second")],
            &targets(),
            view("first").detach().mean_dim(0),
            0.1,
            0.04,
        ),
    ];
    for loss in losses {
        let gradients = loss.backward();
        assert!(target.grad(&gradients).is_none() && other.grad(&gradients).is_none());
    }
}

/// What two equal views cost, where the theory says so.
#[test]
fn equal_views_cost_what_they_should() {
    let fixture = fixture();
    let one = || view("first", &fixture).detach();
    let number = |loss: Tensor<1>| f64::from(loss.into_scalar::<f32>());
    assert!(number(byol_loss([one(), one()], [one(), one()])).abs() < 1e-6);
    assert!((number(simsiam_loss([one(), one()], [one(), one()])) + 1.0).abs() < 1e-6);
    let [invariance, ..] = vicreg(one(), one());
    assert_eq!(number(invariance), 0.0);
    let [same, _] = barlow_twins(one(), one());
    // Not 0 by the epsilon within the root alone.
    assert!(number(same) < 1e-6);
}

/// Rows that are all alike have no direction and no variance, and still no loss divides by 0.
#[test]
fn equal_rows_give_numbers() {
    let device = Device::flex();
    for value in [0.0, 1.0] {
        let rows = || Tensor::<2>::full([4, 3], value, &device).autodiff().require_grad();
        let (first, second) = (rows(), rows());
        let pair = || [first.clone(), second.clone()];
        let [same, redundant] = barlow_twins(first.clone(), second.clone());
        let [invariance, variance, covariance] = vicreg(first.clone(), second.clone());
        let all = [
            nt_xent(first.clone(), second.clone(), 0.1),
            same + redundant,
            invariance + variance + covariance,
            byol_loss(pair(), pair()),
            simsiam_loss(pair(), pair()),
            dino_loss(&pair(), &pair(), first.clone().detach().mean_dim(0), 0.1, 0.04),
        ];
        for (place, loss) in all.into_iter().enumerate() {
            let number = loss.clone().into_scalar::<f32>();
            assert!(number.is_finite(), "{place}: {number}");
            let gradient = first.grad(&loss.backward()).unwrap();
            let gradient = values(gradient.reshape([12])).unwrap();
            assert!(gradient.iter().all(|value| value.is_finite()), "{place}: {gradient:?}");
        }
    }
}
