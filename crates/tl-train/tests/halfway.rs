//! A classifier in the middle of a network, which is trained beside the last one.

use std::ops::Range;

use crate::toy::{LABELS, Matrix, VECTORS, Vectors, WEIGHT, logits};
use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::parameters::{values, visit_parameters};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, Model, OptimizerConfig, Pass, Phase, Plan,
    Schedule, Stage,
};
use tl_data::{Augment, Split};
use tl_kernels::LinearHead;
use tl_train::{Conduct, Earlier, Keep, Settings, Silent, Task, fit};

/// The matrix, and beside it what a second matrix answers from what it makes.
#[derive(Module, Debug)]
struct Halfway {
    matrix: Matrix,
    answers: Param<Tensor<2>>,
}

impl Backbone for Halfway {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new("matrix", &["matrix", "answers"])]
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<Activation, CoreError> {
        self.matrix.forward_stages(input, range, pass)
    }

    fn forward_training(
        &self,
        input: Activation,
        range: Range<usize>,
        pass: Pass,
    ) -> Result<(Activation, Option<Tensor<2>>), CoreError> {
        let made = self.forward_stages(input, range.clone(), pass)?;
        let vectors = made.clone().into_vector("halfway")?;
        let answered = range.contains(&0).then(|| vectors.matmul(self.answers.val()));
        Ok((made, answered))
    }

    fn embedding_width(&self) -> usize {
        2
    }

    fn head_input_width(&self) -> usize {
        2
    }

    fn expected_input(&self) -> ExpectedInput {
        self.matrix.expected_input()
    }
}

const RATE: f64 = 0.5;

/// `[2, answers]`, in row order.
const ANSWERS: [f64; 6] = [0.3, -0.2, 0.9, 1.2, 0.8, -0.5];

/// The matrix and what answers in the middle, for `count` classes, after one step of all vectors.
fn after_a_step(count: usize) -> [Vec<f32>; 2] {
    let Model { backbone, head } = crate::toy::model();
    let chosen = [0, 1].into_iter().flat_map(|row| &ANSWERS[3 * row..3 * row + count]);
    let chosen: Vec<f32> = chosen.map(|value| *value as f32).collect();
    let answers = Tensor::from_data(TensorData::new(chosen, [2, count]), &Device::flex());
    let backbone = Halfway { matrix: backbone, answers: Param::from_tensor(answers) };
    let model: Model<Halfway, LinearHead> = Model { backbone, head };
    let phase = Phase::finetune(1).rates(RATE, RATE).label_smoothing(0.0);
    let phase = phase.schedule(Schedule::Constant);
    let optimizer = OptimizerConfig::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let plan = Plan::new(vec![phase]).optimizer(optimizer);
    let (data, split) = (Vectors::new(), Split { train: vec![0, 1, 2, 3], ..Split::default() });
    let earlier = Earlier::default();
    let task = Task { data: &data, split: &split, augment: Augment::none(), earlier };
    let settings = Settings { batch_size: 4, keep: Keep::Last, ..Settings::default() };
    let found = fit(model, &task, &plan, &settings, &Conduct::default(), &mut Silent).unwrap();
    let mut all: [Vec<f32>; 2] = Default::default();
    visit_parameters(&found.model, |info, tensor| match info.path.as_str() {
        "backbone.matrix.weight" => all[0] = values(tensor).unwrap(),
        "backbone.answers" => all[1] = values(tensor).unwrap(),
        _ => {}
    });
    all
}

/// `softmax(z) − one-hot`, a quarter of it: the gradient of the mean over four vectors.
fn slope(z: [f64; 2], label: usize) -> [f64; 2] {
    let whole = z[0].exp() + z[1].exp();
    let of = |at: usize| (z[at].exp() / whole - f64::from(u8::from(at == label))) / 4.0;
    [of(0), of(1)]
}

#[test]
fn its_loss_counts_four_tenths_beside_that_of_the_head() {
    let (mut weight, mut answers) = (WEIGHT, [ANSWERS[0], ANSWERS[1], ANSWERS[3], ANSWERS[4]]);
    let halfway = answers;
    for (vector, label) in VECTORS.into_iter().zip(LABELS) {
        let made = logits(vector);
        let said = [0, 1].map(|to| made[0] * halfway[to] + made[1] * halfway[2 + to]);
        let (of_head, of_halfway) = (slope(made, label), slope(said, label).map(|it| 0.4 * it));
        // The head hands on what it gets.
        let back = [0, 1].map(|at| {
            of_head[at] + of_halfway[0] * halfway[2 * at] + of_halfway[1] * halfway[2 * at + 1]
        });
        for from in 0..2 {
            for to in 0..2 {
                weight[2 * from + to] -= RATE * vector[from] * back[to];
                answers[2 * from + to] -= RATE * made[from] * of_halfway[to];
            }
        }
    }
    let [found, answering] = after_a_step(2);
    assert!(crate::toy::near(&found, &weight), "{found:?} and {weight:?}");
    assert!(crate::toy::near(&answering, &answers), "{answering:?} and {answers:?}");
}

/// One that was made for another task is left alone.
#[test]
fn of_other_classes_it_is_not_asked() {
    let [_, answering] = after_a_step(3);
    assert!(crate::toy::near(&answering, &ANSWERS), "{answering:?}");
}
