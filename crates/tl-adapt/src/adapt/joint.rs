//! The model and the method's networks as one module, and how a batch goes through it.

use burn::module::Module;
use burn::prelude::*;
use tl_core::{Activation, Backbone, Head, Model, Pass};

use crate::AdaptError;
use crate::contract::Method;
use crate::networks::Networks;

/// One module, so that one optimizer with one state updates all of it.
#[derive(Module, Debug)]
pub(crate) struct Joint<B: Module, H: Module> {
    pub backbone: B,
    pub head: H,
    pub networks: Networks,
}

/// What the model makes of a batch.
pub(crate) struct Forward {
    pub features: Tensor<2>,
    pub logits: Tensor<2>,
}

impl Forward {
    /// The first `rows` rows, and the others.
    pub fn split(self, rows: usize) -> (Self, Self) {
        let total = self.logits.dims()[0];
        let part = |from: usize, count: usize| Self {
            features: self.features.clone().narrow(0, from, count),
            logits: self.logits.clone().narrow(0, from, count),
        };
        (part(0, rows), part(rows, total - rows))
    }
}

impl<B: Backbone, H: Head> Joint<B, H> {
    pub fn new(model: Model<B, H>, networks: Networks) -> Self {
        Self { backbone: model.backbone, head: model.head, networks }
    }

    pub fn into_model(self) -> (Model<B, H>, Networks) {
        (Model { backbone: self.backbone, head: self.head }, self.networks)
    }

    /// The model alone, on the plain device.
    pub fn plain(&self) -> Model<B, H> {
        Model { backbone: self.backbone.valid(), head: self.head.valid() }
    }

    /// Runs a training batch, whose first `sources` rows are the source's, from stage `from` on.
    pub fn forward(
        &self,
        mut batch: Activation,
        from: usize,
        sources: usize,
        method: &dyn Method,
        pass: Pass,
    ) -> Result<Forward, AdaptError> {
        let stages = self.backbone.stages().len();
        let touched = method.touched_stages().clamp(from, stages);
        for stage in from..touched {
            batch = self.backbone.forward_stages(batch, stage..stage + 1, pass)?;
            batch = method.after_stage(batch, stage, sources, pass)?;
        }
        let output = self.backbone.forward_stages(batch, touched..stages, pass)?;
        let features = self.head.features(output)?;
        let logits = self.head.forward(Activation::Vector(features.clone()), pass)?;
        Ok(Forward { features, logits })
    }
}

/// The rows of `first` and below them those of `second`.
pub(crate) fn stack(first: Activation, second: Activation) -> Result<Activation, AdaptError> {
    let (source_shape, target_shape) = (first.row_shape(), second.row_shape());
    match (first, second) {
        (Activation::Image(first), Activation::Image(second)) if source_shape == target_shape => {
            let maps = vec![first.into_channels_first(), second.into_channels_first()];
            Ok(Activation::image(Tensor::cat(maps, 0)))
        }
        (Activation::Vector(first), Activation::Vector(second)) if source_shape == target_shape => {
            Ok(Activation::Vector(Tensor::cat(vec![first, second], 0)))
        }
        _ => Err(AdaptError::Shapes { source_shape, target_shape }),
    }
}
