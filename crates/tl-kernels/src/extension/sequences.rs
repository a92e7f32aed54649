//! The units of transformers as operations that Burn dispatches: layer norm, GELU and attention.

use burn::backend::autodiff::Autodiff;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_simd::Level;
use tl_simd::attention::{self, Inputs, KeyMask, Shape as Heads};
use tl_simd::gelu;
use tl_simd::layer_norm::{self, LayerNorm, Statistics};

use super::images::{tensor, values};
use super::nodes::{Kept, Parents};
use super::operations::{Maybe, maybe};
use crate::Gelu;
use crate::memory::unwritten;

/// The units; see the functions of [`crate::extension`] for what they compute.
#[backend_extension(Flex, Autodiff)]
pub trait Sequences: Backend {
    fn layer_norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;

    fn gelu_unit(x: FloatTensor<Self>, kind: Gelu) -> FloatTensor<Self>;

    fn attention_unit(
        joint: FloatTensor<Self>,
        #[extension_type] mask: Maybe<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self>;
}

impl From<Gelu> for gelu::Gelu {
    fn from(kind: Gelu) -> Self {
        match kind {
            Gelu::Exact => gelu::Gelu::Exact,
            Gelu::Tanh => gelu::Gelu::Tanh,
        }
    }
}

fn size<const D: usize>(tensor: &FlexTensor) -> [usize; D] {
    std::array::from_fn(|axis| tensor.layout().shape()[axis])
}

/// The output, and each row's mean and inverse deviation.
fn normalise(
    x: &FlexTensor,
    weight: &FlexTensor,
    bias: &FlexTensor,
    epsilon: f64,
) -> (FlexTensor, [Vec<f32>; 2]) {
    let shape = size::<2>(x);
    let layer = LayerNorm { gamma: values(weight), beta: values(bias), epsilon: epsilon as f32 };
    let [mut means, mut inverse_deviations] = [(); 2].map(|()| vec![0.0; shape[0]]);
    let mut output = unwritten(shape[0] * shape[1]);
    let statistics = Statistics { means: &mut means, inverse_deviations: &mut inverse_deviations };
    layer_norm::forward(Level::best(), layer, values(x), None, &mut output, statistics);
    (tensor(output, shape), [means, inverse_deviations])
}

/// The sizes of a joint tensor `[batch, tokens, 3·heads·width]`.
fn heads_of(joint: &FlexTensor, heads: usize) -> Heads {
    let [batch, tokens, width] = size::<3>(joint);
    Heads { batch, heads, queries: tokens, keys: tokens, width: width / 3 / heads.max(1) }
}

fn inputs<'a>(
    joint: &'a FlexTensor,
    mask: Option<&'a FlexTensor>,
    heads: usize,
    causal: bool,
) -> Inputs<'a> {
    let key_mask = mask.map_or(KeyMask::None, |mask| KeyMask::Added(values(mask)));
    Inputs { key_mask, causal, ..Inputs::fused(heads_of(joint, heads), values(joint)) }
}

/// The output `[batch, tokens, heads·width]`, and the logarithm of each row's sum.
fn attend(inputs: &Inputs) -> (FlexTensor, Vec<f32>) {
    let Heads { batch, heads, queries, width, .. } = inputs.shape;
    let mut output = unwritten(inputs.shape.output_values());
    let mut log_sums = vec![0.0; inputs.shape.rows()];
    attention::forward(Level::best(), inputs, &mut output, &mut log_sums);
    (tensor(output, [batch, queries, heads * width]), log_sums)
}

impl Sequences for Flex {
    fn layer_norm_unit(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        epsilon: f64,
    ) -> FlexTensor {
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
        normalise(&x, &weight, &bias, epsilon).0
    }

    fn gelu_unit(x: FlexTensor, kind: Gelu) -> FlexTensor {
        let x = x.to_contiguous();
        let shape = size::<2>(&x);
        let mut output = unwritten(shape[0] * shape[1]);
        gelu::forward(Level::best(), kind.into(), values(&x), &mut output);
        tensor(output, shape)
    }

    fn attention_unit(
        joint: FlexTensor,
        mask: Maybe<Self>,
        heads: usize,
        causal: bool,
    ) -> FlexTensor {
        let joint = joint.to_contiguous();
        let mask = mask.into_option().map(|mask| mask.to_contiguous());
        attend(&inputs(&joint, mask.as_ref(), heads, causal)).0
    }
}

#[derive(Clone, Debug)]
struct Norm {
    x: FlexTensor,
    weight: FlexTensor,
    statistics: [Vec<f32>; 2],
    wants_parameters: bool,
}

impl Kept for Norm {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = gradient.to_contiguous();
        let shape = size::<2>(&self.x);
        let [means, inverse_deviations] = &self.statistics;
        let x = values(&self.x);
        let saved = layer_norm::Saved { x, means, inverse_deviations };
        let mut dx = unwritten(shape[0] * shape[1]);
        let mut parameters = self.wants_parameters.then(|| [(); 2].map(|()| vec![0.0; shape[1]]));
        let targets = parameters.as_mut().map(|both| both.each_mut().map(|it| &mut it[..]));
        let gradients = layer_norm::Gradients { dx: &mut dx, parameters: targets };
        let gamma = values(&self.weight);
        layer_norm::backward(Level::best(), gamma, saved, values(&gradient), None, gradients);
        let [weight, bias] = match parameters {
            Some(both) => both.map(|values| Some(tensor(values, [shape[1]]))),
            None => [None, None],
        };
        vec![Some(tensor(dx, shape)), weight, bias]
    }
}

#[derive(Clone, Debug)]
struct Activated {
    x: FlexTensor,
    kind: Gelu,
}

impl Kept for Activated {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = gradient.to_contiguous();
        let shape = size::<2>(&self.x);
        let mut dx = unwritten(shape[0] * shape[1]);
        let (x, gradient) = (values(&self.x), values(&gradient));
        gelu::backward(Level::best(), self.kind.into(), x, gradient, &mut dx);
        vec![Some(tensor(dx, shape))]
    }
}

#[derive(Clone, Debug)]
struct Attended {
    joint: FlexTensor,
    mask: Option<FlexTensor>,
    output: FlexTensor,
    log_sums: Vec<f32>,
    heads: usize,
    causal: bool,
}

impl Kept for Attended {
    fn gradients(self, gradient: FlexTensor, _: Option<FlexTensor>) -> Vec<Option<FlexTensor>> {
        let gradient = gradient.to_contiguous();
        let shape = size::<3>(&self.joint);
        let inputs = inputs(&self.joint, self.mask.as_ref(), self.heads, self.causal);
        let saved = attention::Saved { output: values(&self.output), log_sums: &self.log_sums };
        let mut target = unwritten(shape.iter().product());
        let gradients = attention::Gradients::Fused(&mut target);
        attention::backward(Level::best(), &inputs, saved, values(&gradient), gradients);
        let mut found = vec![Some(tensor(target, shape))];
        // A mask is a constant.
        found.extend(self.mask.map(|_| None));
        found
    }
}

impl<C: CheckpointStrategy> Sequences for Autodiff<Flex, C> {
    fn layer_norm_unit(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let (x, _) = parents.take(x);
        let (weight, wants_weight) = parents.take(weight);
        let (bias, wants_bias) = parents.take(bias);
        let [x, weight, bias] = [x, weight, bias].map(|tensor| tensor.to_contiguous());
        let (output, statistics) = normalise(&x, &weight, &bias, epsilon);
        let wants_parameters = wants_weight || wants_bias;
        parents.record::<C>(Norm { x, weight, statistics, wants_parameters }, output)
    }

    fn gelu_unit(x: FloatTensor<Self>, kind: Gelu) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let x = parents.take(x).0.to_contiguous();
        let output = Flex::gelu_unit(x.clone(), kind);
        parents.record::<C>(Activated { x, kind }, output)
    }

    fn attention_unit(
        joint: FloatTensor<Self>,
        mask: Maybe<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self> {
        let mut parents = Parents::default();
        let joint = parents.take(joint).0.to_contiguous();
        let mask = parents.take_maybe(mask).0.into_option().map(|mask| mask.to_contiguous());
        let (output, log_sums) = attend(&inputs(&joint, mask.as_ref(), heads, causal));
        let kept = Attended { joint, mask, output: output.clone(), log_sums, heads, causal };
        parents.record::<C>(kept, output)
    }
}

pub(crate) fn layer_norm(
    x: Tensor<2>,
    weight: Tensor<1>,
    bias: Tensor<1>,
    epsilon: f64,
) -> Tensor<2> {
    let (weight, bias) = (weight.into_dispatch(), bias.into_dispatch());
    Tensor::from_dispatch(Dispatch::layer_norm_unit(x.into_dispatch(), weight, bias, epsilon))
}

pub(crate) fn gelu(x: Tensor<2>, kind: Gelu) -> Tensor<2> {
    Tensor::from_dispatch(Dispatch::gelu_unit(x.into_dispatch(), kind))
}

pub(crate) fn attention(
    joint: Tensor<3>,
    mask: Option<Tensor<2>>,
    heads: usize,
    causal: bool,
) -> Tensor<3> {
    let joint = joint.into_dispatch();
    Tensor::from_dispatch(Dispatch::attention_unit(joint, maybe(mask), heads, causal))
}
