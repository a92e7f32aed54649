//! A backend against another: the logits of the embedded network, and the weights of a tiny one after a
//! step of training.

use std::ops::Range;
use std::sync::Arc;

use burn::prelude::*;
use tl_core::backbone::check_range;
use tl_core::parameters::{map_values, values, visit_parameters};
use tl_core::{
    Activation, Backbone, CoreError, ExpectedInput, Model, NormPolicy, OptimizerConfig, Pass,
    Phase, Plan, Stage, rng,
};
use tl_data::{Augment, Loader, Preprocess, Split};
use tl_kernels::{BatchNorm2d, Conv2d, Conv2dConfig, LinearHead, Nonlinearity, conv_norm, share};
use tl_train::{Conduct, Earlier, Settings, Silent, Task, TrainError, fit, predict};

use crate::{EMBEDDED_NETWORK, Error, embedded, pretrained};

/// How far a device is from the reference: the largest difference over the largest value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Logits of the embedded network.
    pub logits: f64,
    /// Weights and statistics of a tiny network after a step in which its head alone is trained.
    pub probe_step: f64,
    /// The same after a step in which everything is trained, norm statistics included.
    pub finetune_step: f64,
}

/// Compares `other` with `reference`.
///
/// # Errors
/// When a device fails.
pub fn compare(reference: &Device, other: &Device) -> Result<Comparison, Error> {
    let both = |measure: &dyn Fn(&Device) -> Result<Vec<f32>, Error>| {
        Ok::<_, Error>(deviation(&measure(reference)?, &measure(other)?))
    };
    Ok(Comparison {
        logits: both(&logits)?,
        probe_step: both(&|device| step(Phase::probe(1), device))?,
        finetune_step: both(&|device| step(Phase::finetune(1).norm(NormPolicy::Train), device))?,
    })
}

fn deviation(reference: &[f32], other: &[f32]) -> f64 {
    if reference.len() != other.len() {
        return f64::INFINITY;
    }
    let largest = reference.iter().fold(0.0f64, |most, value| most.max(f64::from(value.abs())));
    let apart = reference.iter().zip(other).fold(0.0f64, |most, (a, b)| {
        // A value that is no number is as far away as can be; `max` alone would pass over it.
        let apart = f64::from((a - b).abs());
        if apart.is_nan() { f64::INFINITY } else { most.max(apart) }
    });
    apart / largest.max(f64::MIN_POSITIVE)
}

/// The logits of four test images at 64 pixels.
fn logits(device: &Device) -> Result<Vec<f32>, Error> {
    let found = pretrained(EMBEDDED_NETWORK, "embedded", None, false, 0, device)?;
    let (loader, split) = data(4, 64)?;
    Ok(predict(&found.model, &loader, &split.train, 4, device, &mut Silent)?.logits)
}

/// The weights after one step on sixteen images of 16 pixels.
fn step(phase: Phase, device: &Device) -> Result<Vec<f32>, Error> {
    let (loader, split) = data(16, 16)?;
    let task = Task {
        data: &loader,
        split: &split,
        augment: Augment::none(),
        earlier: Earlier::default(),
    };
    let plan = Plan::new(vec![phase.rates(0.1, 0.1)]).optimizer(OptimizerConfig::sgd());
    let settings = Settings { batch_size: 16, ..Settings::default() };
    let model = tiny(loader.images().classes.len(), device);
    let fitted = fit(model, &task, &plan, &settings, &Conduct::default(), &mut Silent)?;
    let mut all = Vec::new();
    let mut failure = None;
    visit_parameters(&fitted.model, |_, tensor| match values(tensor) {
        Ok(values) => all.extend(values),
        Err(reason) => failure = Some(reason),
    });
    failure.map_or(Ok(all), |reason| Err(TrainError::Device(reason).into()))
}

fn data(count: usize, size: usize) -> Result<(Loader, Split), Error> {
    let images = Arc::new(embedded::fashion_mnist()?);
    let split = Split { train: (0..count).collect(), ..Split::default() };
    Ok((Loader::new(images, Preprocess::imagenet(size, size), 1, true)?, split))
}

/// A convolution, a depthwise one and a residual around the latter.
#[derive(Module, Debug)]
struct Tiny {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
}

const WIDTH: usize = 8;

fn tiny(classes: usize, device: &Device) -> Model<Tiny, LinearHead> {
    let backbone = Tiny {
        conv1: Conv2dConfig::new([3, WIDTH], 3).stride(2).padding(1).init(device),
        bn1: BatchNorm2d::new(WIDTH, device),
        conv2: Conv2dConfig::new([WIDTH, WIDTH], 3).padding(1).groups(WIDTH).init(device),
        bn2: BatchNorm2d::new(WIDTH, device),
    };
    let model = Model { backbone, head: LinearHead::new(WIDTH, classes, 0.0, device) };
    map_values(model, |info| {
        let mut random = rng(0, &info.path, 0, 0);
        let drawn = |random: &mut tl_random::Rng| random.between(-0.5, 0.5) as f32;
        info.path.ends_with("weight").then(|| {
            let centre = if info.shape.len() == 1 { 1.0 } else { 0.0 };
            (0..info.elements()).map(|_| centre + drawn(&mut random)).collect()
        })
    })
}

impl Backbone for Tiny {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::new("first", &["conv1", "bn1"]), Stage::new("second", &["conv2", "bn2"])]
    }

    fn forward_stages(
        &self,
        input: Activation,
        range: Range<usize>,
        _: Pass,
    ) -> Result<Activation, CoreError> {
        check_range(&range, 2)?;
        if range.is_empty() {
            return Ok(input);
        }
        let mut map = input.into_image("the tiny network")?.into_channels_first();
        for stage in range {
            let input = share(map);
            let residual = (stage == 1).then(|| input.clone());
            let (layer, norm, act) = match stage {
                0 => (&self.conv1, &self.bn1, Nonlinearity::Relu6),
                _ => (&self.conv2, &self.bn2, Nonlinearity::Relu),
            };
            map = conv_norm(layer, norm, input, residual, act);
        }
        Ok(Activation::image(map))
    }

    fn embedding_width(&self) -> usize {
        WIDTH
    }

    fn head_input_width(&self) -> usize {
        WIDTH
    }

    fn expected_input(&self) -> ExpectedInput {
        ExpectedInput::imagenet(4)
    }
}
