//! How much weights matter to what was learnt, against closed forms for a network of one matrix.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::Head as _;
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, ExpectedTexts, Model, Pass, Stage};
use tl_data::text::Texts;
use tl_data::{Items, Skipped, View};
use tl_kernels::LinearHead;
use tl_train::Dataset;
use tl_train::dataset::Input;
use tl_train::regularise::{Measure, importance_of};

/// `x · W`
#[derive(Module, Debug)]
struct Matrix {
    weight: Param<Tensor<2>>,
}

impl Backbone for Matrix {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new("matrix", &["weight"])]
    }

    fn forward_stages(
        &self,
        input: Activation,
        _: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        Ok(Activation::Vector(input.into_vector("matrix")?.matmul(self.weight.val())))
    }

    fn embedding_width(&self) -> usize {
        2
    }

    fn head_input_width(&self) -> usize {
        2
    }

    fn expected_input(&self) -> ExpectedInput {
        ExpectedInput::Texts(ExpectedTexts { vocabulary: 1, longest: 1 })
    }
}

const WEIGHT: [f64; 4] = [0.4, -0.7, 1.1, 0.3];
const VECTORS: [[f64; 2]; 4] = [[1.0, 2.0], [-0.5, 0.25], [0.0, -1.5], [2.0, -1.0]];

struct Vectors(Texts);

impl Dataset for Vectors {
    fn items(&self) -> &dyn Items {
        &self.0
    }

    fn preprocessing(&self) -> String {
        String::new()
    }

    fn lengths(&self) -> Option<&[usize]> {
        None
    }

    fn input_bytes(&self) -> u64 {
        0
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        _: usize,
        _: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        Box::new(order.into_iter().map(move |item| {
            let values: Vec<f32> = VECTORS[item].iter().map(|value| *value as f32).collect();
            let row = Tensor::<2>::from_data(TensorData::new(values, [1, 2]), device);
            Ok((vec![item], Activation::Vector(row)))
        }))
    }

    fn skipped(&self) -> Vec<Skipped> {
        Vec::new()
    }
}

/// What matters by `measure` over `items`, row by row of the matrix.
fn found(measure: Measure, items: &[usize]) -> Vec<f32> {
    let device = Device::flex();
    let values = WEIGHT.iter().map(|value| *value as f32).collect();
    let weight = Tensor::from_data(TensorData::new::<f32, _>(values, [2, 2]), &device);
    // The head hands on what it gets.
    let head =
        LinearHead::new(2, 2, 0.0, &device).with_values(vec![1.0, 0.0, 0.0, 1.0], vec![0.0; 2]);
    let model = Model { backbone: Matrix { weight: Param::from_tensor(weight) }, head };
    let data = Vectors(Texts::lines("a\nb\nc\nd"));
    let found = importance_of(&model, &data, items, measure, 3).unwrap();
    assert_eq!(found.weights["backbone.weight"].len(), 4);
    assert_eq!(found.importance.len(), 1, "the head is not held");
    found.importance["backbone.weight"].clone()
}

fn logits([one, other]: [f64; 2]) -> [f64; 2] {
    [one * WEIGHT[0] + other * WEIGHT[2], one * WEIGHT[1] + other * WEIGHT[3]]
}

fn near(found: &[f32], expected: &[f64]) -> bool {
    found.iter().zip(expected).all(|(found, expected)| (f64::from(*found) - expected).abs() < 1e-5)
}

#[test]
fn the_fisher_information_is_that_of_single_examples() {
    let mut mean = [0.0; 4];
    for (item, vector) in VECTORS.into_iter().enumerate() {
        let own = found(Measure::Ewc, &[item]);
        let [one, other] = logits(vector).map(f64::exp);
        let (first, second) = (one / (one + other), other / (one + other));
        // With two classes both logits have the same squared gradient: that of the probability of the other answer.
        let of = |wrong: f64| [0, 1, 2, 3].map(|place: usize| (vector[place / 2] * wrong).powi(2));
        assert!(near(&own, &of(second)) || near(&own, &of(first)), "{own:?}");
        (0..4).for_each(|place| mean[place] += f64::from(own[place]) / 4.0);
    }
    assert!(near(&found(Measure::Ewc, &[0, 1, 2, 3]), &mean));
}

#[test]
fn how_far_answers_move_is_the_mean_of_absolute_gradients() {
    let mut expected = [0.0; 4];
    for vector in VECTORS {
        for (place, value) in expected.iter_mut().enumerate() {
            *value += (2.0 * logits(vector)[place % 2] * vector[place / 2]).abs() / 4.0;
        }
    }
    let found = found(Measure::Mas, &[0, 1, 2, 3]);
    assert!(near(&found, &expected), "{found:?} {expected:?}");
}
