//! SGD and AdamW with PyTorch's defaults and numerics, and LARS, over the parameters of a module by path.
//!
//! The state belongs to paths, not to groups: freezing a stage leaves its moments where they are, and
//! unfreezing it finds them again.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::prelude::*;
use burn::tensor::{Gradients, TensorData};
use serde::{Deserialize, Serialize};

use crate::parameters::{ModulePath, values};
use crate::plan::ParameterRates;
use crate::{CoreError, parameters::like};

mod kernel;

pub use kernel::{Composed, OptimizerKernel, Slot, StepNumbers};

/// Which optimizer, and its numbers. The learning rate belongs to the phases of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// `torch.optim.SGD`: `v ← momentum·v + g`, `p ← p − rate·v` (with Nesterov's look-ahead
    /// `g + momentum·v` if asked for); the decay is added to the gradient.
    Sgd { momentum: f64, nesterov: bool, weight_decay: f64 },
    /// `torch.optim.AdamW` (Loshchilov and Hutter 2019): decay decoupled from the gradient.
    AdamW { beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64 },
    /// LARS (You et al. 2017, arXiv 1708.03888) as SimCLR and its kin train with it in large batches:
    /// `g ← g + decay·p`, `v ← momentum·v + rate·trust·‖p‖/‖g‖·g`, `p ← p − v`. Norms and biases, which
    /// have one dimension, and a parameter or gradient of zeros are stepped by the rate alone.
    Lars { momentum: f64, trust: f64, weight_decay: f64 },
}

impl Default for OptimizerConfig {
    /// AdamW as in PyTorch: betas .9 and .999, epsilon 1e-8, weight decay .01.
    fn default() -> Self {
        OptimizerConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

impl OptimizerConfig {
    /// Plain SGD with momentum .9.
    pub fn sgd() -> Self {
        OptimizerConfig::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 }
    }

    /// LARS with SimCLR's numbers: momentum .9, trust .001, weight decay 1e-6.
    pub fn lars() -> Self {
        OptimizerConfig::Lars { momentum: 0.9, trust: 1e-3, weight_decay: 1e-6 }
    }

    /// The decay of parameters that decay.
    pub fn weight_decay(&self) -> f64 {
        match *self {
            OptimizerConfig::Sgd { weight_decay, .. }
            | OptimizerConfig::AdamW { weight_decay, .. }
            | OptimizerConfig::Lars { weight_decay, .. } => weight_decay,
        }
    }

    pub(crate) fn validate(&self) -> Result<(), CoreError> {
        let check = |what: &str, value: f64, holds: bool, expected| {
            if holds {
                return Ok(());
            }
            Err(CoreError::BadNumber { what: what.to_string(), value, expected })
        };
        let decay = self.weight_decay();
        check("the weight decay", decay, decay.is_finite() && decay >= 0.0, "a number from 0")?;
        let share = |value: f64| (0.0..1.0).contains(&value);
        match *self {
            OptimizerConfig::Sgd { momentum, .. } => {
                check("the momentum", momentum, share(momentum), "a number from 0, below 1")
            }
            OptimizerConfig::Lars { momentum, trust, .. } => {
                check("the momentum", momentum, share(momentum), "a number from 0, below 1")?;
                let good = trust.is_finite() && trust > 0.0;
                check("the trust coefficient", trust, good, "a number above 0")
            }
            OptimizerConfig::AdamW { beta1, beta2, epsilon, .. } => {
                check("beta1", beta1, share(beta1), "a number from 0, below 1")?;
                check("beta2", beta2, share(beta2), "a number from 0, below 1")?;
                check("epsilon", epsilon, epsilon.is_finite() && epsilon > 0.0, "a number above 0")
            }
        }
    }
}

/// The state of one parameter.
#[derive(Clone, Debug)]
struct Moments {
    steps: u64,
    first: Tensor<1>,
    second: Option<Tensor<1>>,
}

/// The state of one parameter on the host, as a checkpoint keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedMoments {
    pub steps: u64,
    pub first: Vec<f32>,
    pub second: Option<Vec<f32>>,
}

/// An optimizer and its state.
#[derive(Clone, Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    state: BTreeMap<String, Moments>,
    kernel: &'static dyn OptimizerKernel,
}

impl Optimizer {
    /// An optimizer that has not stepped yet.
    pub fn new(config: OptimizerConfig) -> Self {
        Self { config, state: BTreeMap::new(), kernel: &Composed }
    }

    /// The same, its arithmetic done by `kernel`.
    pub fn with_kernel(mut self, kernel: &'static dyn OptimizerKernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// Updates every parameter that has a gradient. `rates` gives rate and decay by path and number of
    /// dimensions; `scale` multiplies every gradient (for clipping by the global norm).
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: &mut Gradients,
        scale: f64,
        rates: impl Fn(&str, usize) -> ParameterRates,
    ) -> M {
        struct Step<'a, F> {
            path: ModulePath,
            optimizer: &'a mut Optimizer,
            gradients: &'a mut Gradients,
            scale: f64,
            rates: F,
        }
        impl<F: Fn(&str, usize) -> ParameterRates> ModuleMapper for Step<'_, F> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                if !param.is_require_grad() {
                    return param;
                }
                let Some(gradient) = param.val().grad_remove(self.gradients) else {
                    return param;
                };
                let path = self.path.joined();
                let rates = (self.rates)(&path, D);
                let scale = self.scale;
                param.map(|old| {
                    let (dims, autodiff) = (old.dims(), old.is_autodiff());
                    let count = dims.iter().product::<usize>();
                    let gradient = gradient.without_autodiff().reshape([count]);
                    let value = old.without_autodiff().reshape([count]);
                    let optimizer = &mut self.optimizer;
                    let updated = optimizer.update((&path, D), value, gradient, rates, scale);
                    like(updated.reshape(dims), autodiff, true)
                })
            }
            fn enter_module(&mut self, name: &str, _: &str) {
                self.path.enter(name);
            }
            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.exit();
            }
        }
        module.map(&mut Step {
            path: ModulePath::default(),
            optimizer: self,
            gradients,
            scale,
            rates,
        })
    }

    /// The update of the parameter at a path, with so many dimensions.
    fn update(
        &mut self,
        (path, rank): (&str, usize),
        value: Tensor<1>,
        gradient: Tensor<1>,
        ParameterRates { rate, weight_decay }: ParameterRates,
        scale: f64,
    ) -> Tensor<1> {
        let (steps, first, second) = match self.state.remove(path) {
            Some(Moments { steps, first, second }) => (steps, Some(first), second),
            None => (0, None, None),
        };
        let step = steps + 1;
        let numbers = StepNumbers { config: self.config, rate, weight_decay, rank, step, scale };
        let slot = self.kernel.step(Slot { value, first, second }, gradient, numbers);
        if let Some(first) = slot.first {
            let moments = Moments { steps: step, first, second: slot.second };
            self.state.insert(path.to_string(), moments);
        }
        slot.value
    }

    /// The state by path, on the host.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn save(&self) -> Result<BTreeMap<String, SavedMoments>, String> {
        self.state
            .iter()
            .map(|(path, moments)| {
                let saved = SavedMoments {
                    steps: moments.steps,
                    first: values(moments.first.clone())?,
                    second: moments.second.clone().map(values).transpose()?,
                };
                Ok((path.clone(), saved))
            })
            .collect()
    }

    /// An optimizer with the state that [`Optimizer::save`] gave, on `device`.
    pub fn restore(
        config: OptimizerConfig,
        saved: BTreeMap<String, SavedMoments>,
        device: &Device,
    ) -> Self {
        let device = device.clone().without_autodiff();
        let tensor = |values: Vec<f32>| {
            let length = values.len();
            Tensor::<1>::from_data(TensorData::new(values, [length]), &device)
        };
        let state = saved
            .into_iter()
            .map(|(path, saved)| {
                let moments = Moments {
                    steps: saved.steps,
                    first: tensor(saved.first),
                    second: saved.second.map(tensor),
                };
                (path, moments)
            })
            .collect();
        Self { state, ..Self::new(config) }
    }
}
