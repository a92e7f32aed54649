//! The convolutional networks: frozen forward, training step, and the last stage on a frozen prefix.

use burn::module::Module;
use burn::prelude::*;
use tl::core::{
    Activation, Backbone, FrozenPrefix, Head, NormPolicy, Optimizer, OptimizerConfig, Pass, Phase,
    Plan, ResolvedPhase, RowShape, apply,
};
use tl::kernels::{Fused, cross_entropy, with_half_precision};
use tl::models::{Architecture, Classifier};
use tl::{Network, device};

use crate::request::Request;
use crate::{CLASSES, Outcome, labels, values};

pub type Work = Box<dyn FnMut() -> Outcome<()>>;

/// The stage from which on a network is trained where its first stages are frozen.
const TAIL: &str = "layer4";

/// The network of a request with a fresh head, on the plain device.
pub fn network(request: &Request) -> Outcome<(Classifier<Network>, Device)> {
    let device = device("flex")?;
    Ok((Network::by_name(&request.network, &device)?.with_head(CLASSES, 0, &device), device))
}

/// A batch on the plain device.
pub fn images(request: &Request, device: &Device) -> Activation {
    let shape = RowShape::Image { channels: 3, height: request.size, width: request.size };
    let values = values("images", shape.elements() * request.batch);
    Activation::from_rows(shape, values, device)
}

/// All stages compiled, then pooling and the head.
pub fn forward(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    let stages = model.backbone.stages().len();
    let prefix =
        with_half_precision(request.variant == "bf16", || model.backbone.compile(0..stages));
    let head = model.head.valid();
    let images = images(request, &device);
    Ok(Box::new(move || {
        let features = prefix.forward(images.clone())?;
        let logits = head.forward(features, Pass::default())?;
        logits.into_data().try_into_vec::<f32>().map_err(|error| format!("{error:?}"))?;
        Ok(())
    }))
}

/// A model in training and what a step needs.
pub struct Training {
    /// Absent only while a step replaces it.
    model: Option<Classifier<Network>>,
    optimizer: Optimizer,
    phase: ResolvedPhase,
    labels: Vec<usize>,
    step: u64,
}

impl Training {
    /// Everything trained, or what begins with the stage `from`; norms in training mode, SGD with
    /// momentum.
    pub fn new(model: Classifier<Network>, from: Option<&str>, batch: usize) -> Outcome<Self> {
        let phase = Phase::finetune(1).norm(NormPolicy::Train).label_smoothing(0.0);
        let phase = match from {
            Some(stage) => phase.from(stage),
            None => phase,
        };
        let plan = Plan::new(vec![phase]);
        let phases = plan.resolve(&model.backbone.stages())?;
        let phase = phases.into_iter().next().ok_or("the plan is empty")?;
        let model = Some(apply(&phase, model.train()));
        let optimizer = Optimizer::new(OptimizerConfig::sgd()).with_kernel(&Fused);
        Ok(Self { model, optimizer, phase, labels: labels(batch), step: 0 })
    }

    /// One step from what lies at the cut.
    pub fn step(&mut self, input: Activation) -> Outcome<()> {
        let model = self.model.take().ok_or("an earlier step failed")?;
        self.step += 1;
        let pass = Pass { seed: 0, step: self.step };
        let logits = model.forward_from(input.autodiff(), self.phase.cut, pass)?;
        let [rows, _] = logits.dims();
        let labels = self.labels.get(..rows).ok_or("more rows than labels")?;
        let loss = cross_entropy(logits, labels, 0.0);
        let value = loss.clone().into_scalar::<f32>();
        let mut gradients = loss.backward();
        let phase = &self.phase;
        let rates = |path: &str, rank| phase.rates(path, rank);
        self.model = Some(self.optimizer.step(model, &mut gradients, 1.0, rates));
        if value.is_finite() { Ok(()) } else { Err("the loss is not finite".into()) }
    }
}

/// Forward, loss, backward, step: all layers.
pub fn step(request: &Request) -> Outcome<Work> {
    let (model, device) = network(request)?;
    let images = images(request, &device);
    let mut training = Training::new(model, None, request.batch)?;
    Ok(Box::new(move || training.step(images.clone())))
}

/// The frozen stages of a network in training, and their input.
struct Cut {
    prefix: FrozenPrefix,
    training: Training,
    images: Activation,
    device: Device,
}

impl Cut {
    fn new(request: &Request) -> Outcome<Self> {
        let (model, device) = network(request)?;
        let images = images(request, &device);
        let training = Training::new(model.clone(), Some(TAIL), request.batch)?;
        let prefix = model.backbone.compile(0..training.phase.cut);
        Ok(Self { prefix, training, images, device })
    }

    /// The rows that a cache keeps of a batch.
    fn rows(&self) -> Outcome<(RowShape, Vec<f32>)> {
        let output = self.prefix.forward(self.images.clone())?;
        Ok((output.row_shape(), output.into_rows()?))
    }
}

/// The frozen stages, their output taken into the cache, and the step of the rest from there.
pub fn tail_first(request: &Request) -> Outcome<Work> {
    let mut cut = Cut::new(request)?;
    Ok(Box::new(move || {
        let (shape, rows) = cut.rows()?;
        let input = Activation::from_rows(shape, rows.clone(), &cut.device);
        cut.training.step(input)
    }))
}

/// The step of the rest from the cache.
pub fn tail_later(request: &Request) -> Outcome<Work> {
    let mut cut = Cut::new(request)?;
    let (shape, rows) = cut.rows()?;
    Ok(Box::new(move || cut.training.step(Activation::from_rows(shape, rows.clone(), &cut.device))))
}
