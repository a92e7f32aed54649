//! Terms beside the loss that a phase asks for: what holds a network to what it knew.
//!
//! [`Beginning`] keeps how a network was when its run began. `l2_sp` and `delta` hold it there, `bss` keeps a batch's features
//! from leaning on directions that do not transfer.

mod bss;
mod delta;
mod l2_sp;
mod symmetric;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::parameters::visit_parameters;
use tl_core::{Activation, Backbone, Head, Model, Pass, Plan, Regulariser};

use crate::TrainError;

/// How a network was when its run began, where a phase of the plan asks for that.
pub(crate) struct Beginning<B> {
    /// The parameters of the stages by path.
    weights: BTreeMap<String, Tensor<1>>,
    /// The network on the plain device.
    network: Option<B>,
}

/// A forward pass: the logits, and the terms beside their loss.
pub(crate) struct Forward {
    pub logits: Tensor<2>,
    pub terms: Option<Tensor<1>>,
}

impl<B: Backbone> Beginning<B> {
    /// Of a model whose run begins with `plan`.
    pub fn of<H: Head>(model: &Model<B, H>, plan: &Plan) -> Self {
        let asked = |kind: &str| {
            let mut all = plan.phases.iter().flat_map(|phase| &phase.regularisers);
            all.any(|regulariser| regulariser.kind() == kind)
        };
        let mut weights = BTreeMap::new();
        if asked("l2_sp") {
            visit_parameters(model, |info, value| {
                if info.path.starts_with("backbone.") {
                    weights.insert(info.path.clone(), value);
                }
            });
        }
        Self { weights, network: asked("delta").then(|| model.backbone.valid()) }
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
                Regulariser::Bss { .. } => {}
            }
        }
    }
}
