//! The contract of a method: views of images in, named loss terms out.
//!
//! A new method is one file: its loss as a plain function, and an implementation of [`Method`] that says
//! which views it wants and what it trains beside the network. The loop does the rest: views, optimizer,
//! momentum teacher, probe, monitor, logs, checkpoints.
//!
//! The loss has two halves. [`Method::embed`] makes rows of every image by itself; [`Method::compare`] makes
//! the loss of the rows. So a batch that is too large for the memory can be embedded in parts and compared
//! as a whole, with the gradient of the whole.

use std::fmt::Debug;

use burn::module::{Module, ModuleDisplay};
use burn::prelude::*;
use tl_core::{Backbone, Pass};
use tl_data::ViewRecipe;

use crate::SslError;
use crate::monitor::{LEAST, Spread};

/// What a method's own networks depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The width of the network's embedding.
    pub embedding: usize,
    /// Pixels on a side of the images.
    pub image: usize,
}

/// A network and a method's own networks beside it, on the autodiff device.
#[derive(Debug)]
pub struct Pair<'a, B, H> {
    pub backbone: &'a B,
    pub heads: &'a H,
}

/// What a method may look at in one step.
#[derive(Debug)]
pub struct Step<'a, B, H> {
    /// What is trained.
    pub student: Pair<'a, B, H>,
    /// Its moving average, where [`Method::momentum`] asks for one. It asks for no gradient, and its norms
    /// use the batch's statistics and move their own.
    pub teacher: Option<Pair<'a, B, H>>,
    /// One tensor for each of the method's views, `[batch, 3, size, size]`: constants.
    pub views: &'a [Tensor<4>],
    /// The place of the views' first image in the batch, where they are a part of it.
    pub first: usize,
    /// The share of all steps that are done, from 0, below 1.
    pub progress: f64,
    /// The seed of the run, and the step, for what is drawn at random.
    pub pass: Pass,
}

/// A part of the loss.
#[derive(Clone, Debug)]
pub struct Term {
    /// The name under which it is logged.
    pub name: &'static str,
    /// `[1]`, without its weight.
    pub value: Tensor<1>,
    /// What it is multiplied by in the sum.
    pub weight: f64,
}

/// The loss of a step: its terms, numbers that are worth a log, and what the collapse monitor looks at.
#[derive(Clone, Debug)]
pub struct Terms {
    pub terms: Vec<Term>,
    pub notes: Vec<(&'static str, f64)>,
    /// One vector for each image, `[batch, width]`: where the method would show a collapse first.
    pub features: Tensor<2>,
}

impl Terms {
    /// A loss without terms yet; `features` are what the monitor looks at.
    pub fn of(features: Tensor<2>) -> Self {
        Self { terms: Vec::new(), notes: Vec::new(), features }
    }

    /// Adds a term.
    pub fn with(mut self, name: &'static str, weight: f64, value: Tensor<1>) -> Self {
        self.terms.push(Term { name, value, weight });
        self
    }

    /// Adds a number for the log.
    pub fn note(mut self, name: &'static str, value: f64) -> Self {
        self.notes.push((name, value));
        self
    }
}

/// Images that a method shows for one image: `(what it is, [3, size, size] as the network sees them)`.
pub type Shown = Vec<(&'static str, Vec<f32>)>;

/// A method of self-supervised pre-training of networks of the kind `B`.
///
/// Its `Debug` text is part of a run's identity.
pub trait Method<B: Backbone>: Debug {
    /// What is trained beside the network and thrown away afterwards.
    type Heads: Module + ModuleDisplay;

    /// The name by which users ask for it.
    fn name(&self) -> &'static str;

    /// How each image of `image` pixels on a side is shown in a step.
    fn views(&self, image: usize) -> Vec<ViewRecipe>;

    /// The networks that are trained beside the backbone, at their initial values for `seed`, on the plain
    /// device.
    ///
    /// # Errors
    /// A backbone or sizes that the method cannot work on.
    fn heads(
        &self,
        backbone: &B,
        sizes: Sizes,
        seed: u64,
        device: &Device,
    ) -> Result<Self::Heads, SslError>;

    /// What the loss is made of: tensors `[images, width]`, whose rows belong to the images of the step.
    ///
    /// # Errors
    /// Views that the method cannot work on.
    fn embed(&self, step: &Step<'_, B, Self::Heads>) -> Result<Vec<Tensor<2>>, SslError>;

    /// The loss of what [`Method::embed`] made of all images of the batch. It reads no trained parameter.
    ///
    /// # Errors
    /// A batch that the method cannot work on.
    fn compare(
        &self,
        step: &Step<'_, B, Self::Heads>,
        embedded: Vec<Tensor<2>>,
    ) -> Result<Terms, SslError>;

    /// How much of itself the teacher keeps at a step, of which `progress` is [`Step::progress`]; `None` where
    /// there is no teacher.
    fn momentum(&self, _progress: f64) -> Option<f64> {
        None
    }

    /// Changes a network with random weights before the first step.
    fn begin(&self, backbone: B) -> B {
        backbone
    }

    /// Whether the parameter at `path` of the backbone stands still, such as fixed positions.
    fn stands_still(&self, _path: &str) -> bool {
        false
    }

    /// Below which spread of what [`Terms::features`] holds the run has collapsed.
    fn collapsed_below(&self) -> Spread {
        LEAST
    }

    /// Whether an image needs others beside it: then a last, smaller batch is left out.
    fn compares_images(&self) -> bool {
        true
    }

    /// Pictures of what the method does, for each of `images` `[batch, 3, size, size]` on the plain device.
    ///
    /// # Errors
    /// Images that the method cannot work on.
    fn show(
        &self,
        _backbone: &B,
        _heads: &Self::Heads,
        _images: Tensor<4>,
        _seed: u64,
    ) -> Result<Vec<Shown>, SslError> {
        Ok(Vec::new())
    }
}
