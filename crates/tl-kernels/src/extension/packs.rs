//! Weights that were packed once, by the parameter and the sizes that they were packed for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::module::ParamId;
use burn::prelude::*;
use burn_flex::FlexTensor;
use tl_simd::conv::Geometry;

use super::flex::{self, Packed};
use super::images::{channels_last, values};
use super::operations::shape4;
use super::{ConvShape, runs_on_flex, sizes_fit};
use crate::Nonlinearity;

/// What a frozen convolution and what follows it need beside the input.
#[derive(Debug)]
struct Unit {
    weight: Packed,
    bias: Option<Vec<f32>>,
}

/// The packed units of a network that stands still.
#[derive(Debug, Default)]
pub struct Packs {
    units: Mutex<HashMap<(ParamId, Geometry), Arc<Unit>>>,
    /// Whether products may be of bf16.
    half: bool,
}

/// The affine map of a norm, and a convolution's own bias: plain tensors of one value for each channel.
pub struct Folded {
    pub scale: Option<Tensor<1>>,
    pub bias: Option<Tensor<1>>,
}

impl Packs {
    pub fn new(half: bool) -> Self {
        Self { half, ..Self::default() }
    }

    /// `act(conv(x, w)·scale + bias + residual)` with `w` of the parameter `id`; what `folded` gives is taken at the
    /// first call alone. `None` where the sizes or the device are not those of the kernels.
    pub fn convolve(
        &self,
        x: &Tensor<4>,
        (id, w): (ParamId, Tensor<4>),
        folded: impl FnOnce() -> Folded,
        residual: Option<&Tensor<4>>,
        shape: ConvShape,
        act: Nonlinearity,
    ) -> Option<Tensor<4>> {
        let plain = !x.device().is_autodiff() && runs_on_flex(x) && runs_on_flex(&w);
        if !plain || !sizes_fit(x, &w, None, residual, shape) {
            return None;
        }
        let geometry = flex::geometry(x.dims(), w.dims(), shape)?;
        // The order of the weights does not depend on how many images there are.
        let key = (id, Geometry { batch: 0, ..geometry });
        let known = self.lock().get(&key).cloned();
        let unit = match known {
            Some(unit) => unit,
            None => {
                let Folded { scale, bias } = folded();
                let list = |tensor: Tensor<1>| {
                    primitive(tensor).map(|it| values(&it.to_contiguous()).to_vec())
                };
                let scale = scale.and_then(list);
                let weight = primitive(w)?.to_contiguous();
                let weight =
                    Packed::frozen(&geometry, values(&weight), scale.as_deref(), self.half);
                let unit = Arc::new(Unit { weight, bias: bias.and_then(list) });
                self.lock().insert(key, unit.clone());
                unit
            }
        };
        let x = channels_last(primitive(x.clone())?);
        let residual = match residual {
            Some(residual) => Some(channels_last(primitive(residual.clone())?)),
            None => None,
        };
        debug_assert_eq!(shape4(&x)[0], geometry.batch);
        let bias = unit.bias.as_deref();
        let output = flex::convolve(&geometry, &x, &unit.weight, bias, residual.as_ref(), act);
        Some(Tensor::from_primitive::<burn::backend::Flex>(output))
    }

    /// `x·wᵀ + bias`, likewise.
    pub fn linear(
        &self,
        x: &Tensor<2>,
        (id, w): (ParamId, Tensor<2>),
        folded: impl FnOnce() -> Folded,
    ) -> Option<Tensor<2>> {
        let ([rows, input], [output, _]) = (x.dims(), w.dims());
        let x = x.clone().reshape([rows, input, 1, 1]);
        let weight = (id, w.reshape([output, input, 1, 1]));
        let (shape, act) = (ConvShape::POINTWISE, Nonlinearity::None);
        let product = self.convolve(&x, weight, folded, None, shape, act)?;
        Some(product.reshape([rows, output]))
    }

    // A unit is put in whole, so that a thread that panicked while it held the lock left whole ones.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(ParamId, Geometry), Arc<Unit>>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn primitive<const D: usize>(tensor: Tensor<D>) -> Option<FlexTensor> {
    tensor.try_into_primitive::<burn::backend::Flex>().ok()
}
