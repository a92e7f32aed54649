//! A recurrent layer over whole sequences as an operation that Burn dispatches.

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_simd::Level;
use tl_simd::lstm::{self, Saved, Sequences};

use super::images::{tensor, values};
use super::nodes::{Kept, Parents};
use crate::memory::unwritten;

/// The steps of each sequence, and in which order they are gone through.
#[derive(Clone, Debug)]
pub struct Course {
    pub lengths: Vec<usize>,
    pub reverse: bool,
}

/// See [`crate::lstm`].
#[backend_extension(Flex, Autodiff)]
pub trait Recurrent: Backend {
    /// The outputs `[steps, batch, hidden]` of the gates' inputs `[steps, batch, 4·hidden]` and of the weight
    /// `[4·hidden, hidden]`.
    fn lstm_unit(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        course: Course,
    ) -> FloatTensor<Self>;
}

#[derive(Clone, Debug)]
struct Gone {
    weight: FlexTensor,
    course: Course,
    gates: Vec<f32>,
    cells: Vec<f32>,
    output: FlexTensor,
    wants_weight: bool,
}

impl Course {
    fn sequences(&self, output: &FlexTensor) -> Sequences<'_> {
        let shape = output.layout().shape();
        let (lengths, reverse) = (&self.lengths, self.reverse);
        Sequences { steps: shape[0], hidden: shape[2], lengths, reverse }
    }
}

fn go(inputs: &FlexTensor, weight: FlexTensor, course: Course, wants_weight: bool) -> Gone {
    let shape = inputs.layout().shape();
    let (steps, batch, hidden) = (shape[0], shape[1], weight.layout().shape()[1]);
    let states = steps * batch * hidden;
    let [mut gates, mut cells, mut outputs] = [4 * states, states, states].map(unwritten);
    let (lengths, reverse) = (&course.lengths[..], course.reverse);
    let sequences = Sequences { steps, hidden, lengths, reverse };
    let (level, x, w) = (Level::best(), values(inputs), values(&weight));
    lstm::forward(level, &sequences, x, w, &mut gates, &mut cells, &mut outputs);
    let output = tensor(outputs, [steps, batch, hidden]);
    Gone { weight, course, gates, cells, output, wants_weight }
}

impl Kept for Gone {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = gradient.to_contiguous();
        let sequences = self.course.sequences(&self.output);
        let Sequences { steps, hidden, lengths, .. } = sequences;
        let mut inputs = unwritten(self.gates.len());
        let mut of_weight = self.wants_weight.then(|| vec![0.0; 4 * hidden * hidden]);
        let outputs = values(&self.output);
        let saved = Saved { gates: &self.gates, cells: &self.cells, outputs };
        let (weight, target) = (values(&self.weight), of_weight.as_deref_mut());
        let (level, gradient) = (Level::best(), values(&gradient));
        lstm::backward(level, &sequences, weight, saved, gradient, &mut inputs, target);
        let inputs = tensor(inputs, [steps, lengths.len(), 4 * hidden]);
        vec![Some(inputs), of_weight.map(|values| tensor(values, [4 * hidden, hidden]))]
    }
}

impl Recurrent for Flex {
    fn lstm_unit(inputs: FlexTensor, weight: FlexTensor, course: Course) -> FlexTensor {
        go(&inputs.to_contiguous(), weight.to_contiguous(), course, false).output
    }
}

impl<C: CheckpointStrategy> Recurrent for Autodiff<Flex, C> {
    fn lstm_unit(
        inputs: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        course: Course,
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let inputs = parents.take(inputs).0.to_contiguous();
        let (weight, wants_weight) = parents.take(weight);
        let gone = go(&inputs, weight.to_contiguous(), course, wants_weight);
        let output = gone.output.clone();
        parents.record::<C>(gone, output)
    }
}

/// The sizes fit each other, and no dimension is 0.
pub(crate) fn lstm(
    inputs: Tensor<3>,
    weight: Tensor<2>,
    lengths: Vec<usize>,
    reverse: bool,
) -> Tensor<3> {
    let course = Course { lengths, reverse };
    let (inputs, weight) = (inputs.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::lstm_unit(inputs, weight, course))
}
