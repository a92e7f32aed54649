//! An exponential moving average of a model, norm statistics included.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{map_values, values, visit_parameters};

use crate::TrainError;

/// `average ← d·average + (1 − d)·value` for every parameter and statistic, with `d` rising to `decay`
/// as `(1 + steps) / (10 + steps)`, so that the first values do not linger.
#[derive(Clone, Debug)]
pub struct MovingAverage {
    decay: f64,
    steps: u64,
    averages: BTreeMap<String, Tensor<1>>,
}

impl MovingAverage {
    /// An average that begins at `module`.
    pub fn new<M: Module>(decay: f64, module: &M) -> Self {
        let mut averages = BTreeMap::new();
        visit_parameters(module, |info, value| {
            averages.insert(info.path.clone(), value);
        });
        Self { decay, steps: 0, averages }
    }

    /// Moves towards `module`.
    pub fn update<M: Module>(&mut self, module: &M) {
        self.steps += 1;
        let steps = self.steps as f64;
        let decay = self.decay.min((1.0 + steps) / (10.0 + steps));
        visit_parameters(module, |info, value| {
            if let Some(average) = self.averages.remove(&info.path) {
                // In this form an average at the value stays there: what is frozen keeps its bits.
                let moved = average.clone() + (value - average).mul_scalar(1.0 - decay);
                self.averages.insert(info.path.clone(), moved);
            }
        });
    }

    /// The averages on the host, and the steps taken.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn save(&self) -> Result<(u64, Snapshot), TrainError> {
        let saved = self
            .averages
            .iter()
            .map(|(path, value)| Ok((path.clone(), values(value.clone())?)))
            .collect::<Result<_, String>>()
            .map_err(TrainError::Device)?;
        Ok((self.steps, saved))
    }

    /// The reverse of [`MovingAverage::save`].
    pub fn restore(decay: f64, steps: u64, saved: &Snapshot, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let averages = saved
            .iter()
            .map(|(path, values)| {
                (path.clone(), Tensor::<1>::from_floats(values.as_slice(), &device))
            })
            .collect();
        Self { decay, steps, averages }
    }
}

/// The values of a module by path.
pub type Snapshot = BTreeMap<String, Vec<f32>>;

/// Takes the values of a module.
///
/// # Errors
/// When the device cannot be read.
pub fn snapshot<M: Module>(module: &M) -> Result<Snapshot, TrainError> {
    let mut taken = BTreeMap::new();
    let mut failure = None;
    visit_parameters(module, |info, value| match values(value) {
        Ok(found) => {
            taken.insert(info.path.clone(), found);
        }
        Err(reason) => failure = Some(reason),
    });
    match failure {
        Some(reason) => Err(TrainError::Device(reason)),
        None => Ok(taken),
    }
}

/// Puts values into a module; a path that the snapshot lacks keeps what it has.
pub fn put_back<M: Module>(module: M, snapshot: &Snapshot) -> M {
    map_values(module, |info| {
        snapshot.get(&info.path).filter(|values| values.len() == info.elements()).cloned()
    })
}
