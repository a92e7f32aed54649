//! Adaptation while the model is in use: a stream of batches, no source, no labels.

use burn::module::Module;
use burn::prelude::*;
use tl_core::parameters::{Control, ParameterInfo, set_trained};
use tl_core::plan::ParameterRates;
use tl_core::{Activation, Backbone, Head, Model, Optimizer, OptimizerConfig, Pass};

use crate::methods::{Supports, entropy_loss};
use crate::outputs::Outputs;
use crate::parts::{norm_affine, norm_modules};
use crate::{AdaptError, HeadValues};

/// A model that adapts itself to what it is asked.
pub trait TestTime {
    /// The logits of a batch, `[batch, classes]`, and what the batch teaches.
    ///
    /// # Errors
    /// As [`Model::forward`].
    fn predict(&mut self, batch: Activation) -> Result<Tensor<2>, AdaptError>;
}

/// AdaBN: each batch is normalised by its own statistics. A batch should hold several classes; one
/// of a single image has, in networks whose last maps are one pixel, no variance.
pub struct AdaBnStream<B: Module, H: Module> {
    model: Model<B, H>,
}

impl<B: Backbone, H: Head> AdaBnStream<B, H> {
    /// A stream that begins with `model`.
    pub fn new(model: Model<B, H>) -> Self {
        Self { model: watching(model, |_| false) }
    }
}

impl<B: Backbone, H: Head> TestTime for AdaBnStream<B, H> {
    fn predict(&mut self, batch: Activation) -> Result<Tensor<2>, AdaptError> {
        Ok(self.model.forward(batch.autodiff(), Pass::default())?.without_autodiff())
    }
}

/// TENT: as AdaBN, and after each answer the scales and shifts of the norms take a step that lowers
/// its entropy.
pub struct TentStream<B: Module, H: Module> {
    /// Absent only while it is being replaced.
    model: Option<Model<B, H>>,
    optimizer: Optimizer,
    rate: f64,
}

impl<B: Backbone, H: Head> TentStream<B, H> {
    /// A stream that begins with `model` and takes steps of AdamW without decay at `rate` (the
    /// paper: 1e-3 for batches of 200 small images).
    pub fn new(model: Model<B, H>, rate: f64) -> Self {
        let affine = norm_affine(&model.backbone);
        let model = watching(model, |path| {
            path.strip_prefix("backbone.").is_some_and(|path| affine.contains(path))
        });
        let config =
            OptimizerConfig::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
        Self {
            model: Some(model),
            optimizer: Optimizer::new(config).with_kernel(&tl_kernels::Fused),
            rate,
        }
    }
}

impl<B: Backbone, H: Head> TestTime for TentStream<B, H> {
    fn predict(&mut self, batch: Activation) -> Result<Tensor<2>, AdaptError> {
        let lost = || AdaptError::device("the model was lost".into());
        let model = self.model.as_ref().ok_or_else(lost)?;
        let logits = model.forward(batch.autodiff(), Pass::default())?;
        let mut gradients = entropy_loss(logits.clone()).backward();
        let rates = ParameterRates { rate: self.rate, weight_decay: 0.0 };
        let model = self.model.take().ok_or_else(lost)?;
        self.model = Some(self.optimizer.step(model, &mut gradients, 1.0, |_, _| rates));
        Ok(logits.without_autodiff())
    }
}

/// T3A: prototypes from the surest features so far answer instead of the head.
pub struct T3aStream<B: Module, H: Module> {
    model: Model<B, H>,
    supports: Supports,
}

impl<B: Backbone, H: Head> T3aStream<B, H> {
    /// A stream that begins with the plain `model` and keeps `keep` features for each class.
    ///
    /// # Errors
    /// When the device cannot be read.
    pub fn new(model: Model<B, H>, keep: usize) -> Result<Self, AdaptError> {
        let supports = Supports::new(&HeadValues::of(&model.head)?, keep);
        Ok(Self { model: model.valid(), supports })
    }
}

impl<B: Backbone, H: Head> TestTime for T3aStream<B, H> {
    fn predict(&mut self, batch: Activation) -> Result<Tensor<2>, AdaptError> {
        let stages = self.model.backbone.stages().len();
        let output = self.model.backbone.forward_stages(
            batch.without_autodiff(),
            0..stages,
            Pass::default(),
        )?;
        let features = self.model.head.features(output)?;
        let vectors = || Activation::Vector(features.clone());
        let logits = self.model.head.forward(vectors(), Pass::default())?;
        let host = |vectors: Activation| vectors.into_rows().map_err(AdaptError::device);
        let (width, classes) = (features.dims()[1], logits.dims()[1]);
        let outputs = Outputs {
            features: host(vectors())?,
            logits: host(Activation::Vector(logits))?,
            width,
            classes,
        };
        self.supports.add(&outputs);
        let HeadValues { weight, bias } = self.supports.prototypes();
        let head = self.model.head.clone().with_values(weight, bias);
        Ok(head.forward(vectors(), Pass::default())?)
    }
}

/// The model on the autodiff device with the norms' flags on, all other flags off, and gradients
/// where `wanted` says.
fn watching<B: Backbone, H: Head>(
    model: Model<B, H>,
    wanted: impl Fn(&str) -> bool,
) -> Model<B, H> {
    let norms = norm_modules(&model.backbone);
    set_trained(model.valid().train(), |path, control| match control {
        Control::Gradient => wanted(path),
        Control::Flag => {
            let module = path.strip_prefix("backbone.").and_then(|path| path.rsplit_once('.'));
            module.is_some_and(|(module, _)| norms.contains(module))
        }
    })
}

/// How many values a stream may change: what a report says of it.
pub fn adapted_values<B: Backbone>(backbone: &B) -> usize {
    let affine = norm_affine(backbone);
    let all = tl_core::parameters::parameters(backbone);
    all.iter().filter(|info| affine.contains(&info.path)).map(ParameterInfo::elements).sum()
}
