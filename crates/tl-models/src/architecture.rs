//! What an architecture adds to the contract of a backbone: its origin's names and initial values.

use burn::prelude::*;
use tl_core::parameters::{ParameterInfo, map_values};
use tl_core::{Backbone, Model};
use tl_kernels::{Conv2d, LinearHead};
use tl_random::rng;

/// A backbone with an origin: the library whose names and numerics it follows.
pub trait Architecture: Backbone {
    /// The name by which users ask for it (`resnet50`).
    fn name(&self) -> &'static str;

    /// The origin's name of the parameter at `path` of the backbone.
    fn origin_name(&self, path: &str) -> String;

    /// The origin's name of the head's linear layer (`fc`).
    fn head_name(&self) -> &'static str;

    /// The dropout in front of the head.
    fn head_dropout(&self) -> f64;

    /// Whether the head's linear layer has a bias.
    fn head_has_bias(&self) -> bool {
        true
    }

    /// Whether the origin's head is a convolution of single places, whose weight is `[classes, width, 1, 1]`.
    fn head_is_convolution(&self) -> bool {
        false
    }

    /// What a person has to know who takes over the head of the origin's weights; nothing where it answers as it does there.
    fn head_note(&self) -> Option<&'static str> {
        None
    }

    /// How images were resized where the origin's weights were evaluated.
    fn evaluation(&self) -> Evaluation {
        Evaluation::default()
    }

    /// Whether the origin keeps the matrix at `path` as `[in, out]`, the other way round than ours.
    fn is_transposed(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// How the origin initialises the parameter at `path`, `head.…` included.
    fn initial(&self, path: &str, shape: &[usize]) -> Initial;

    /// The origin's name today of a tensor that a file calls `name`; another one where files leave a prefix
    /// out, or are old.
    fn present_name(&self, name: &str) -> String {
        name.to_string()
    }

    /// Whether a file may lack the parameter at `path`, which then keeps its initial values: one that belongs
    /// to a task.
    fn may_lack(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Whether a file's tensor of this present name belongs to another task, and is passed over.
    fn passes_over(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Whether the parameter at `path` of the backbone answers the task, as the head does: of another task it begins fresh.
    fn answers(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// The network for a task of `classes` answers; another one where something in its middle answers too.
    fn for_classes(self, classes: usize, device: &Device) -> Self
    where
        Self: Sized,
    {
        let _ = (classes, device);
        self
    }

    /// What sees the images; nothing in a network of texts.
    fn first_convolution(&mut self) -> Option<&mut Conv2d> {
        None
    }

    /// The values for the parameter at `path` from a file that holds it in the shape `found`, if there is a
    /// way to make it fit, such as resampled positions; nothing otherwise.
    fn refit(&self, path: &str, found: &[usize], values: &[f32]) -> Option<Vec<f32>> {
        let _ = (path, found, values);
        None
    }

    /// A head for `classes` answers, all weights 0.
    fn zero_head(&self, classes: usize, device: &Device) -> LinearHead {
        let head = LinearHead::new(self.head_input_width(), classes, self.head_dropout(), device);
        if self.head_has_bias() { head } else { head.without_bias() }
    }

    /// A model with a head of zeros for `classes` answers.
    fn with_zero_head(self, classes: usize, device: &Device) -> Classifier<Self>
    where
        Self: Sized,
    {
        let head = self.zero_head(classes, device);
        Model { backbone: self.for_classes(classes, device), head }
    }

    /// A model with a head for `classes` answers, all of it at its initial values for `seed`.
    fn with_head(self, classes: usize, seed: u64, device: &Device) -> Classifier<Self>
    where
        Self: Sized,
    {
        initialise(self.with_zero_head(classes, device), seed, |_| true)
    }
}

/// How images were resized before their middle was cut out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evaluation {
    /// The length of the shorter side in pixels; 256/224 of the cut where it is not given.
    pub resize: Option<usize>,
    /// With a bicubic filter instead of a bilinear one.
    pub bicubic: bool,
}

impl Evaluation {
    /// The shorter side to `resize` pixels.
    pub fn resized_to(resize: usize) -> Self {
        Self { resize: Some(resize), bicubic: false }
    }

    /// The same with a bicubic filter.
    pub fn bicubic(self) -> Self {
        Self { bicubic: true, ..self }
    }
}

/// A backbone with a linear head.
pub type Classifier<B> = Model<B, LinearHead>;

/// The distribution of initial values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All the same.
    Constant(f64),
    /// Normal around 0 with this deviation.
    Normal(f64),
    /// Even between minus and plus this bound.
    Uniform(f64),
}

impl Initial {
    /// He's normal initialisation for ReLU by the outgoing connections (He et al. 2015), as torchvision
    /// applies it to convolutions.
    pub fn he_fan_out(shape: &[usize]) -> Self {
        let fan_out = shape[0] * shape[2..].iter().product::<usize>();
        Initial::Normal((2.0 / fan_out.max(1) as f64).sqrt())
    }

    /// The same by the incoming connections.
    pub fn he_fan_in(shape: &[usize]) -> Self {
        let fan_in = shape[1..].iter().product::<usize>();
        Initial::Normal((2.0 / fan_in.max(1) as f64).sqrt())
    }

    /// The same deviation, evenly drawn.
    pub fn he_uniform(shape: &[usize]) -> Self {
        let fan_in = shape[1..].iter().product::<usize>();
        Initial::Uniform((6.0 / fan_in.max(1) as f64).sqrt())
    }

    /// PyTorch's default for the weight and bias of a linear layer with `inputs` inputs.
    pub fn linear_default(inputs: usize) -> Self {
        Initial::Uniform(1.0 / (inputs.max(1) as f64).sqrt())
    }

    /// The initial value of a norm's parameter or statistic, by its name; nothing for other names.
    pub(crate) fn of_norm(path: &str, shape: &[usize]) -> Option<Self> {
        match path.rsplit('.').next()? {
            "running_var" => Some(Initial::Constant(1.0)),
            "running_mean" | "bias" => Some(Initial::Constant(0.0)),
            "weight" if shape.len() == 1 => Some(Initial::Constant(1.0)),
            _ => None,
        }
    }
}

/// Sets the parameters whose path `chosen` accepts to their initial values for `seed`.
///
/// Each is drawn from a generator of its own, named by its path.
pub fn initialise<B: Architecture>(
    model: Classifier<B>,
    seed: u64,
    chosen: impl Fn(&str) -> bool,
) -> Classifier<B> {
    let plain = model.backbone.valid();
    map_values(model, |info| {
        if !chosen(&info.path) {
            return None;
        }
        let path = info.path.strip_prefix("backbone.").unwrap_or(&info.path);
        Some(draw(plain.initial(path, &info.shape), seed, info))
    })
}

fn draw(initial: Initial, seed: u64, info: &ParameterInfo) -> Vec<f32> {
    let mut random = rng(seed, &info.path, 0, 0);
    (0..info.elements())
        .map(|_| match initial {
            Initial::Constant(value) => value as f32,
            Initial::Normal(deviation) => (deviation * random.normal()) as f32,
            Initial::Uniform(bound) => random.between(-bound, bound) as f32,
        })
        .collect()
}
