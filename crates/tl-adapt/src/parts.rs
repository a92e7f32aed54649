//! The parts of a model that methods treat apart: the head's linear layer, the norms.

use std::collections::HashSet;

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use tl_core::parameters::{ModulePath, parameters, values, visit_parameters};

use crate::AdaptError;

/// The linear layer of a head, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadValues {
    /// `[classes, width]` in row order.
    pub weight: Vec<f32>,
    /// `[classes]`
    pub bias: Vec<f32>,
}

impl HeadValues {
    /// Takes them from a head: its matrix and its vector.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn of<M: Module>(head: &M) -> Result<Self, AdaptError> {
        let (mut weight, mut bias, mut failure) = (Vec::new(), Vec::new(), None);
        visit_parameters(head, |info, value| {
            let place = if info.shape.len() == 2 { &mut weight } else { &mut bias };
            match values(value) {
                Ok(found) => *place = found,
                Err(reason) => failure = Some(reason),
            }
        });
        match failure {
            Some(reason) => Err(AdaptError::device(reason)),
            None => Ok(Self { weight, bias }),
        }
    }

    /// The number of features that it multiplies.
    pub fn width(&self) -> usize {
        self.weight.len() / self.bias.len().max(1)
    }

    /// The logits of one row of features.
    pub fn logits(&self, features: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(self.width().max(1)).zip(&self.bias);
        rows.map(|(weights, bias)| {
            let products = weights.iter().zip(features).map(|(w, x)| f64::from(*w) * f64::from(*x));
            (products.sum::<f64>() + f64::from(*bias)) as f32
        })
        .collect()
    }
}

/// The paths of the modules that hold running statistics.
pub(crate) fn norm_modules<M: Module>(module: &M) -> HashSet<String> {
    let all = parameters(module).into_iter();
    all.filter_map(|info| info.path.strip_suffix(".running_mean").map(str::to_string)).collect()
}

/// The paths of scales and shifts of norms: a `weight` with one dimension, and the `bias` beside
/// it.
pub(crate) fn norm_affine<M: Module>(module: &M) -> HashSet<String> {
    let all = parameters(module).into_iter().filter(|info| info.shape.len() == 1);
    all.filter_map(|info| info.path.strip_suffix(".weight").map(str::to_string))
        .flat_map(|norm| [format!("{norm}.weight"), format!("{norm}.bias")])
        .collect()
}

/// Sets which parameters ask for a gradient, by path; flags stay as they are.
pub(crate) fn set_gradients<M: Module>(module: M, wanted: impl Fn(&str) -> bool) -> M {
    struct Mapper<F> {
        path: ModulePath,
        wanted: F,
    }
    impl<F: Fn(&str) -> bool> ModuleMapper for Mapper<F> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let wanted = (self.wanted)(&self.path.joined());
            param.set_require_grad(wanted)
        }
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.enter(name);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
    }
    module.map(&mut Mapper { path: ModulePath::default(), wanted })
}
