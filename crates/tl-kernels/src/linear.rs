//! The fully connected layer, dropout, and the head made of both.

use burn::module::{Flag, Param, ParamId};
use burn::prelude::*;
use burn::tensor::TensorData;
use tl_core::{Activation, CoreError, Head, Pass, rng};

use crate::adapter::{Adapter, Site, Slot, joint_delta};
use crate::count;
#[cfg(feature = "flex")]
use crate::extension::Folded;
use crate::extension::linear_unit;

/// `x·Wᵀ + b` with PyTorch's shapes and names: `weight` is `[out, in]`, `bias` `[out]`.
#[derive(Module, Debug)]
pub struct Linear {
    pub weight: Param<Tensor<2>>,
    pub bias: Option<Param<Tensor<1>>>,
    pub adapter: Slot,
}

impl Linear {
    /// A layer from `input` to `output` values, all weights 0.
    pub fn new(input: usize, output: usize, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([output, input], device)),
            bias: Some(Param::from_tensor(Tensor::zeros([output], device))),
            adapter: Slot::new(Site::linear(input, output)),
        }
    }

    /// `[…, in]` to `[…, out]`.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        self.forward_with(input, None)
    }

    /// The same with a second bias, `[out]`, added to the layer's own.
    pub(crate) fn forward_with<const D: usize>(
        &self,
        input: Tensor<D>,
        second_bias: Option<Tensor<1>>,
    ) -> Tensor<D> {
        let [output, width] = self.weight.dims();
        let mut dims = input.dims();
        let rows = dims[..D - 1].iter().product();
        if dims[D - 1] != width {
            // Burn's own product says what does not fit.
            return input.matmul(self.weight.val().transpose().unsqueeze());
        }
        dims[D - 1] = output;
        self.rows(input.reshape([rows, width]), second_bias).reshape(dims)
    }

    fn rows(&self, input: Tensor<2>, second_bias: Option<Tensor<1>>) -> Tensor<2> {
        let bias = || match (&self.bias, &second_bias) {
            (Some(bias), Some(second)) => Some(bias.val() + second.clone()),
            (bias, second) => bias.as_ref().map(Param::val).or_else(|| second.clone()),
        };
        let (id, weight) = (self.weight.id, || self.weight.val());
        match self.adapter.get() {
            None => product(input, id, weight(), bias, None),
            Some(adapter) => {
                adapter.linear(input, &self.weight, bias(), |input, with_bias, more| {
                    product(input, id, weight(), || bias().filter(|_| with_bias), more)
                })
            }
        }
    }
}

/// `x·Wᵀ + b + more`; of stages that stand still `weight` is packed once, by its `id`.
pub(crate) fn product(
    input: Tensor<2>,
    id: ParamId,
    weight: Tensor<2>,
    bias: impl Fn() -> Option<Tensor<1>>,
    more: Option<Tensor<2>>,
) -> Tensor<2> {
    if let Some(zeros) = instead_of_product(&input, &weight) {
        return zeros;
    }
    #[cfg(feature = "flex")]
    if let Some(packs) = crate::frozen::current() {
        let folded = || Folded { scale: None, bias: bias() };
        if let Some(output) = packs.linear(&input, (id, weight.clone()), folded) {
            return match more {
                Some(more) => output + more,
                None => output,
            };
        }
    }
    #[cfg(not(feature = "flex"))]
    let _ = id;
    linear_unit(input, weight, bias(), more)
}

/// The outputs of several layers of the same input side by side, by one product: `[…, in]` to
/// `[…, out + out + …]`, for layers that all have a bias.
pub fn side_by_side<const D: usize, const N: usize>(
    layers: [&Linear; N],
    input: Tensor<D>,
) -> Tensor<D> {
    let mut dims = input.dims();
    let rows = dims[..D - 1].iter().product();
    let fitting = |layer: &&Linear| {
        let adapter = layer.adapter.get();
        layer.weight.dims()[1] == dims[D - 1]
            && layer.bias.is_some()
            && adapter.is_none_or(Adapter::is_low_rank_alone)
    };
    let Some(first) = layers.first().filter(|_| layers.iter().all(fitting)) else {
        return Tensor::cat(layers.map(|layer| layer.forward(input.clone())).to_vec(), D - 1);
    };
    let input = input.reshape([rows, dims[D - 1]]);
    let weight = Tensor::cat(layers.map(|layer| layer.weight.val()).to_vec(), 0);
    let bias = || {
        let all = layers.iter().filter_map(|layer| layer.bias.as_ref());
        Some(Tensor::cat(all.map(Param::val).collect(), 0))
    };
    dims[D - 1] = weight.dims()[0];
    let delta = joint_delta(layers, &input);
    product(input, first.weight.id, weight, bias, delta).reshape(dims)
}

/// `x·Wᵀ + b` by a weight that lies elsewhere: `input` `[rows, in]`, `weight` `[out, in]`, `bias` `[out]`.
pub fn linear(input: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    match instead_of_product(&input, &weight) {
        Some(zeros) => zeros,
        None => linear_unit(input, weight, bias, None),
    }
}

/// Zeros while multiply-adds are counted.
fn instead_of_product(input: &Tensor<2>, weight: &Tensor<2>) -> Option<Tensor<2>> {
    let ([rows, width], [output, _]) = (input.dims(), weight.dims());
    count::instead([rows, output], width, &input.device())
}

/// Dropout: zeroes each value with `probability` and divides the rest by what remains.
///
/// Active where the input is on an autodiff device and `training` is on. Its mask is a function of the
/// pass and of `name`, whatever ran before.
#[derive(Module, Debug)]
pub struct Dropout {
    pub training: Param<Flag>,
    #[module(skip)]
    probability: f64,
    #[module(skip)]
    name: String,
}

impl Dropout {
    /// A dropout whose masks belong to `name`.
    pub fn new(name: &str, probability: f64) -> Self {
        Self { training: Param::<Flag>::from_bool(true), probability, name: name.to_string() }
    }

    /// Same shape as the input.
    pub fn forward<const D: usize>(&self, input: Tensor<D>, pass: Pass) -> Tensor<D> {
        let device = input.device();
        if self.probability == 0.0 || !self.training.is_enabled() || !device.is_autodiff() {
            return input;
        }
        let dims = input.dims();
        let count: usize = dims.iter().product();
        let mut random = rng(pass.seed, &self.name, pass.step, 0);
        let keep = (1.0 / (1.0 - self.probability)) as f32;
        // Sixteen random bits decide: the probability is met to 1/65,536, at half the draws.
        let bound = (self.probability * 65_536.0).round() as u32;
        let value = |bits: u32| if bits < bound { 0.0 } else { keep };
        let mut mask: Vec<f32> = (0..count.div_ceil(2))
            .flat_map(|_| {
                let bits = random.next_u32();
                [value(bits & 0xffff), value(bits >> 16)]
            })
            .collect();
        mask.truncate(count);
        let device = device.without_autodiff();
        input * Tensor::<D>::from_data(TensorData::new(mask, dims), &device).autodiff()
    }
}

/// Pooling, dropout and one linear layer: the head of every classifier here.
#[derive(Module, Debug)]
pub struct LinearHead {
    pub dropout: Dropout,
    pub linear: Linear,
}

impl LinearHead {
    /// A head from `width` values to `classes` answers, all weights 0.
    pub fn new(width: usize, classes: usize, dropout: f64, device: &Device) -> Self {
        Self {
            dropout: Dropout::new("head.dropout", dropout),
            linear: Linear::new(width, classes, device),
        }
    }

    /// The same without a bias.
    pub fn without_bias(mut self) -> Self {
        self.linear.bias = None;
        self
    }
}

impl Head for LinearHead {
    fn forward(&self, features: Activation, pass: Pass) -> Result<Tensor<2>, CoreError> {
        let features = features.pooled()?;
        let [_, found] = features.dims();
        let [_, width] = self.linear.weight.dims();
        if found != width {
            return Err(CoreError::WrongWidth { place: "the head".into(), expected: width, found });
        }
        Ok(self.linear.forward(self.dropout.forward(features, pass)))
    }

    fn classes(&self) -> usize {
        self.linear.weight.dims()[0]
    }

    fn has_bias(&self) -> bool {
        self.linear.bias.is_some()
    }

    fn with_values(mut self, weight: Vec<f32>, bias: Vec<f32>) -> Self {
        self.linear = tl_core::parameters::map_values(self.linear, |info| {
            let values = if info.path == "weight" { &weight } else { &bias };
            (values.len() == info.elements()).then(|| values.clone())
        });
        self
    }
}
