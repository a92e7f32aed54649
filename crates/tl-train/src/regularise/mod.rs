//! Terms beside the loss that a phase asks for: what holds a network to what it knew.
//!
//! `Beginning` keeps how a network was when its run began. `l2_sp` and `delta` hold it there, `bss` keeps a batch's features
//! from leaning on directions that do not transfer; `ewc` and `mas` hold what earlier tasks hang on, which [`importance_of`]
//! measures after each.

mod bss;
mod delta;
mod ewc;
mod importance;
mod l2_sp;
mod mas;
mod quadratic;
mod symmetric;

pub use importance::{Importance, Measure};

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::parameters::{Control, is_statistic, set_trained, visit_parameters};
use tl_core::{Activation, Backbone, Head, Model, Pass, Plan, Regulariser, rng};

use crate::ema::Snapshot;
use crate::{Dataset, TrainError};

/// How a network was when its run began, where a phase of the plan asks for that.
pub(crate) struct Beginning<B> {
    /// The parameters of the stages by path.
    weights: BTreeMap<String, Tensor<1>>,
    /// The network on the plain device.
    network: Option<B>,
    /// Where earlier tasks hold the stages' parameters, and how much each matters to them.
    held: BTreeMap<String, (Tensor<1>, Tensor<1>)>,
}

/// A forward pass: the logits, and the terms beside their loss.
pub(crate) struct Forward {
    pub logits: Tensor<2>,
    pub terms: Option<Tensor<1>>,
}

impl<B: Backbone> Beginning<B> {
    /// Of a model whose run begins with `plan`, after what earlier tasks left.
    ///
    /// # Errors
    /// A plan that asks for an importance that is not there, or was measured otherwise.
    pub fn of<H: Head>(
        model: &Model<B, H>,
        plan: &Plan,
        earlier: Option<&Importance>,
        device: &Device,
    ) -> Result<Self, TrainError> {
        let asked = |kind: &str| asks_for(plan, kind);
        let mut weights = BTreeMap::new();
        if asked("l2_sp") {
            visit_parameters(model, |info, value| {
                if info.path.starts_with("backbone.") {
                    weights.insert(info.path.clone(), value);
                }
            });
        }
        check_earlier(plan, earlier)?;
        let held = earlier.filter(|found| asked(found.measure.name()));
        let held = held.map_or(BTreeMap::new(), |found| on_device(found, device));
        Ok(Self { weights, network: asked("delta").then(|| model.backbone.valid()), held })
    }

    /// Logits from the output of stage `from - 1`, and the terms that need a forward pass.
    ///
    /// # Errors
    /// As [`Model::forward_from`]; a device that fails.
    pub fn forward<H: Head>(
        &self,
        model: &Model<B, H>,
        input: Activation,
        from: usize,
        pass: Pass,
        regularisers: &[Regulariser],
    ) -> Result<Forward, TrainError> {
        let mut terms = Vec::new();
        let stages = model.backbone.stages().len();
        let logits = pass.during(|| -> Result<_, TrainError> {
            let delta = regularisers.iter().find_map(|regulariser| match *regulariser {
                Regulariser::Delta { strength, .. } if strength > 0.0 => Some(strength),
                _ => None,
            });
            let features = match (delta, &self.network) {
                (Some(strength), Some(first)) => {
                    let backbone = &model.backbone;
                    let (features, far) = delta::forward(backbone, first, input, from, pass)?;
                    terms.push(far * strength);
                    features
                }
                _ => model.backbone.forward_stages(input, from..stages, pass)?,
            };
            for regulariser in regularisers {
                if let Regulariser::Bss { strength, count } = *regulariser
                    && strength > 0.0
                {
                    let multiplied = model.head.features(features.clone())?;
                    let shrinkage =
                        bss::shrinkage(multiplied, count).map_err(TrainError::Device)?;
                    terms.push(shrinkage * strength);
                }
            }
            Ok(model.head.forward(features, pass)?)
        })?;
        Ok(Forward { logits, terms: terms.into_iter().reduce(|sum, term| sum + term) })
    }

    /// Adds the gradients of the terms that follow from the weights alone.
    pub fn add_gradients<M: Module>(
        &self,
        model: &M,
        gradients: &mut Gradients,
        regularisers: &[Regulariser],
    ) {
        for regulariser in regularisers {
            match *regulariser {
                Regulariser::L2Sp { strength, head } => {
                    l2_sp::add(model, gradients, &self.weights, (strength, head));
                }
                Regulariser::Delta { head, .. } => {
                    l2_sp::add(model, gradients, &BTreeMap::new(), (0.0, head));
                }
                Regulariser::Ewc { strength } | Regulariser::Mas { strength } => {
                    quadratic::add(model, gradients, strength, |path| {
                        self.held.get(path).cloned().map(|(place, matters)| (place, Some(matters)))
                    });
                }
                Regulariser::Bss { .. } => {}
            }
        }
    }
}

fn asks_for(plan: &Plan, kind: &str) -> bool {
    let mut all = plan.phases.iter().flat_map(|phase| &phase.regularisers);
    all.any(|regulariser| regulariser.kind() == kind)
}

/// Succeeds where earlier tasks left what `plan` holds on to.
///
/// # Errors
/// A plan that asks for an importance that is not there, or was measured otherwise.
pub fn check_earlier(plan: &Plan, earlier: Option<&Importance>) -> Result<(), TrainError> {
    for (kind, measure) in Measure::ALL {
        if asks_for(plan, kind) && earlier.is_none_or(|found| found.measure != measure) {
            return Err(TrainError::NoImportance { kind });
        }
    }
    Ok(())
}

fn on_device(found: &Importance, device: &Device) -> BTreeMap<String, (Tensor<1>, Tensor<1>)> {
    let device = device.clone().without_autodiff();
    let tensor = |values: &Vec<f32>| Tensor::<1>::from_floats(values.as_slice(), &device);
    let pairs = found.importance.iter().filter_map(|(path, matters)| {
        let place = found.weights.get(path).filter(|place| place.len() == matters.len())?;
        Some((path.clone(), (tensor(place), tensor(matters))))
    });
    pairs.collect()
}

/// The most examples by which importance is measured.
const EXAMPLES: usize = 256;

/// How much each weight of the stages of `model` matters to its answers for `items`, of which at most 256 are drawn; `model` is plain,
/// dropout and statistics stand still.
///
/// # Errors
/// Items that cannot be read, a device that fails.
pub fn importance_of<B: Backbone, H: Head>(
    model: &Model<B, H>,
    data: &dyn Dataset,
    items: &[usize],
    measure: Measure,
    seed: u64,
) -> Result<Importance, TrainError> {
    let device = crate::fit::plain_device(model)?;
    let order = rng(seed, "examples of importance", 0, 0).permutation(items.len());
    let drawn: Vec<usize> = order.into_iter().take(EXAMPLES).map(|place| items[place]).collect();
    let weights: Snapshot = importance::weights_of(model)?;
    let model = set_trained(model.clone().train(), |path, control| {
        control == Control::Gradient && path.starts_with("backbone.") && !is_statistic(path)
    });
    let importance = match measure {
        Measure::Ewc => ewc::fisher(&model, data, &drawn, seed, &device)?,
        Measure::Mas => mas::sensitivity(&model, data, &drawn, &device)?,
    };
    Ok(Importance { measure, weights, importance })
}
