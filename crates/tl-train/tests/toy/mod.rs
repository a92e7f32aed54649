//! A network of one matrix, and four vectors with classes.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::Head as _;
use tl_core::{Activation, Backbone, CoreError, ExpectedInput, ExpectedTexts, Model, Pass, Stage};
use tl_data::text::Texts;
use tl_data::{Items, View};
use tl_kernels::LinearHead;
use tl_train::Dataset;
use tl_train::dataset::Input;

/// `x · W`
#[derive(Module, Debug)]
pub struct Matrix {
    pub weight: Param<Tensor<2>>,
}

impl Backbone for Matrix {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new("matrix", &["weight"])]
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        if range.is_empty() {
            return Ok(input);
        }
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

pub const WEIGHT: [f64; 4] = [0.4, -0.7, 1.1, 0.3];
pub const VECTORS: [[f64; 2]; 4] = [[1.0, 2.0], [-0.5, 0.25], [0.0, -1.5], [2.0, -1.0]];

/// The classes of the vectors.
pub const LABELS: [usize; 4] = [1, 0, 0, 1];

pub struct Vectors(Texts);

impl Vectors {
    pub fn new() -> Self {
        let mut texts = Texts::lines("a\nb\nc\nd");
        texts.classes = ["first", "second"].map(str::to_string).to_vec();
        texts.items.iter_mut().zip(LABELS).for_each(|(item, label)| item.label = Some(label));
        Self(texts)
    }
}

impl Dataset for Vectors {
    fn items(&self) -> &dyn Items {
        &self.0
    }

    fn preprocessing(&self) -> String {
        String::new()
    }

    fn labels(&self) -> Vec<Option<usize>> {
        LABELS.map(Some).to_vec()
    }

    fn lengths(&self) -> Option<&[usize]> {
        None
    }

    fn batches<'b>(
        &'b self,
        order: Vec<usize>,
        batch_size: usize,
        _: Option<View>,
        device: &'b Device,
    ) -> Box<dyn Iterator<Item = Input> + 'b> {
        let batches: Vec<Vec<usize>> = order.chunks(batch_size).map(<[_]>::to_vec).collect();
        Box::new(batches.into_iter().map(move |batch| {
            let vectors = batch.iter().flat_map(|item| VECTORS[*item]);
            let values: Vec<f32> = vectors.map(|value| value as f32).collect();
            let rows = Tensor::<2>::from_data(TensorData::new(values, [batch.len(), 2]), device);
            Ok((batch, Activation::Vector(rows)))
        }))
    }
}

/// The matrix `WEIGHT` under a head that hands on what it gets.
pub fn model() -> Model<Matrix, LinearHead> {
    let device = Device::flex();
    let values = WEIGHT.iter().map(|value| *value as f32).collect();
    let weight = Tensor::from_data(TensorData::new::<f32, _>(values, [2, 2]), &device);
    let head =
        LinearHead::new(2, 2, 0.0, &device).with_values(vec![1.0, 0.0, 0.0, 1.0], vec![0.0; 2]);
    Model { backbone: Matrix { weight: Param::from_tensor(weight) }, head }
}

/// `x · WEIGHT`
pub fn logits([one, other]: [f64; 2]) -> [f64; 2] {
    [one * WEIGHT[0] + other * WEIGHT[2], one * WEIGHT[1] + other * WEIGHT[3]]
}

pub fn near(found: &[f32], expected: &[f64]) -> bool {
    let pairs = found.iter().zip(expected);
    found.len() == expected.len()
        && pairs.into_iter().all(|(found, expected)| (f64::from(*found) - expected).abs() < 1e-5)
}
