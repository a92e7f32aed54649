//! Synaptic intelligence: how much a weight matters is what it did for the loss on its way (Zenke et al. 2017, arXiv 1703.04200,
//! equations 3 to 5).
//!
//! While a task is learnt, each step adds `−g · Δw` to `ω`: `g` the gradient of the loss of the labels alone, before other terms are added and
//! before it is clipped, `Δw` the step. Their sum over all weights is about what the loss fell. At the end
//! `Ω = max(ω, 0) / ((w_end − w_begin)² + ξ)` with `ξ = 0.1`; the next task pays `c · Σ Ω · (w − w*)²`, without the half of its kin.
//!
//! Where the weights of the best epoch are kept, the path ends there.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::gradients::visit_gradients;
use tl_core::parameters::{is_statistic, values, visit_parameters};
use tl_core::{Backbone, Head, Model};

use super::importance::weights_of;
use crate::TrainError;
use crate::ema::Snapshot;

/// Keeps weights that hardly moved from mattering without bound; `ξ`.
const DAMPING: f64 = 0.1;

/// The path of the stages' weights since the run began.
#[derive(Clone, Default)]
pub(crate) struct PathIntegral {
    /// Where the weights were at the beginning.
    first: Snapshot,
    /// `ω` so far.
    sums: BTreeMap<String, Tensor<1>>,
    /// `ω` up to the best epoch.
    best: Option<Snapshot>,
}

/// Gradients and weights before a step.
pub(crate) struct Leaving(Vec<(String, Tensor<1>, Tensor<1>)>);

/// The snapshots of a checkpoint.
const FIRST: &str = "path_begin";
const SUMS: &str = "path";
const BEST: &str = "path_of_best";

impl Leaving {
    /// Before a step that `gradients` lead to.
    pub fn of<B: Backbone, H: Head>(model: &Model<B, H>, gradients: &Gradients) -> Self {
        let mut places = BTreeMap::new();
        visit_parameters(model, |info, value| {
            if info.trained && info.path.starts_with("backbone.") {
                places.insert(info.path.clone(), value);
            }
        });
        let mut found = Vec::new();
        visit_gradients(model, gradients, |path, gradient| {
            if let Some(place) = places.remove(path) {
                found.push((path.to_string(), gradient, place));
            }
        });
        Self(found)
    }
}

impl PathIntegral {
    /// Of a run that begins at `model`.
    ///
    /// # Errors
    /// A device that fails.
    pub fn begin<B: Backbone, H: Head>(model: &Model<B, H>) -> Result<Self, TrainError> {
        let mut first = weights_of(model)?;
        first.retain(|path, _| !is_statistic(path));
        Ok(Self { first, ..Self::default() })
    }

    /// Adds the step from `leaving` to where `model` is now.
    pub fn add<M: Module>(&mut self, leaving: Leaving, model: &M) {
        let mut before: BTreeMap<String, (Tensor<1>, Tensor<1>)> = leaving
            .0
            .into_iter()
            .map(|(path, gradient, place)| (path, (gradient, place)))
            .collect();
        visit_parameters(model, |info, now| {
            let Some((gradient, place)) = before.remove(&info.path) else { return };
            let own = gradient * (place - now);
            let sum = match self.sums.remove(&info.path) {
                Some(sum) => sum + own,
                None => own,
            };
            self.sums.insert(info.path.clone(), sum);
        });
    }

    /// Notes that the best weights so far are those of now.
    ///
    /// # Errors
    /// A device that fails.
    pub fn note_best(&mut self) -> Result<(), TrainError> {
        self.best = Some(self.so_far()?);
        Ok(())
    }

    fn so_far(&self) -> Result<Snapshot, TrainError> {
        let of = |(path, sum): (&String, &Tensor<1>)| Ok((path.clone(), values(sum.clone())?));
        self.sums.iter().map(of).collect::<Result<_, String>>().map_err(TrainError::Device)
    }

    /// What a checkpoint keeps of it.
    ///
    /// # Errors
    /// A device that fails.
    pub fn save(&self) -> Result<Vec<(String, Snapshot)>, TrainError> {
        let mut saved =
            vec![(FIRST.to_string(), self.first.clone()), (SUMS.to_string(), self.so_far()?)];
        saved.extend(self.best.clone().map(|best| (BEST.to_string(), best)));
        Ok(saved)
    }

    /// The reverse of [`PathIntegral::save`].
    pub fn restore(saved: &mut BTreeMap<String, Snapshot>, device: &Device) -> Self {
        let device = device.clone().without_autodiff();
        let tensor = |(path, values): (String, Vec<f32>)| {
            (path, Tensor::<1>::from_floats(values.as_slice(), &device))
        };
        let sums = saved.remove(SUMS).unwrap_or_default();
        Self {
            first: saved.remove(FIRST).unwrap_or_default(),
            sums: sums.into_iter().map(tensor).collect(),
            best: saved.remove(BEST),
        }
    }

    /// How much each weight matters by a path that ends at `last`: with the best epoch, where that is `best`, else now.
    ///
    /// # Errors
    /// A device that fails.
    pub fn importance(&self, last: &Snapshot, best: bool) -> Result<Snapshot, TrainError> {
        let path = match self.best.as_ref().filter(|_| best) {
            Some(path) => path.clone(),
            None => self.so_far()?,
        };
        // What was never trained did nothing, and may matter to an earlier task.
        let of = |(name, first): (&String, &Vec<f32>)| {
            let (sums, last) = (path.get(name), last.get(name)?);
            let did = |place: usize| sums.and_then(|sums| sums.get(place)).copied().unwrap_or(0.0);
            let moved = first.iter().zip(last).enumerate();
            let matters = moved.map(|(place, (first, last))| {
                let moved = f64::from(*last) - f64::from(*first);
                (f64::from(did(place)).max(0.0) / (moved * moved + DAMPING)) as f32
            });
            let matters = matters.collect();
            Some((name.clone(), matters))
        };
        Ok(self.first.iter().filter_map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(values: [f32; 3]) -> Tensor<1> {
        Tensor::from_floats(values, &Device::flex())
    }

    fn one(values: [f32; 3]) -> Snapshot {
        Snapshot::from([("backbone.w".to_string(), values.to_vec())])
    }

    fn path() -> PathIntegral {
        let sums = [("backbone.w".to_string(), tensor([0.5, -0.25, 0.0]))].into();
        PathIntegral { first: one([1.0, 1.0, 1.0]), sums, best: None }
    }

    #[test]
    fn what_a_weight_did_counts_by_how_far_it_went() {
        let found = path().importance(&one([1.5, 3.0, 1.0]), false).unwrap();
        // 0.5 / (0.5² + 0.1); what made the loss larger matters no less than nothing.
        let expected = [0.5 / 0.35, 0.0, 0.0];
        for (found, expected) in found["backbone.w"].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn what_was_never_trained_is_known_to_have_done_nothing() {
        let path = PathIntegral { sums: BTreeMap::new(), ..path() };
        assert_eq!(path.importance(&one([1.0, 2.0, 3.0]), true).unwrap(), one([0.0, 0.0, 0.0]));
    }

    #[test]
    fn the_path_of_the_best_epoch_ends_there() {
        let mut path = path();
        path.note_best().unwrap();
        path.sums.insert("backbone.w".into(), tensor([9.0, 9.0, 9.0]));
        let last = one([1.0, 1.0, 1.0]);
        let best = path.importance(&last, true).unwrap();
        assert!((best["backbone.w"][0] - 5.0).abs() < 1e-5);
        assert!((path.importance(&last, false).unwrap()["backbone.w"][0] - 90.0).abs() < 1e-3);
    }

    #[test]
    fn what_was_saved_is_restored_bit_for_bit() {
        let mut path = path();
        path.note_best().unwrap();
        let mut saved = path.save().unwrap().into_iter().collect();
        let restored = PathIntegral::restore(&mut saved, &Device::flex());
        assert_eq!(restored.save().unwrap(), path.save().unwrap());
        assert!(saved.is_empty());
    }
}
