//! The contract of a method: batches of two domains in, named loss terms out.
//!
//! A new method is one file: its loss as a plain function, and an implementation of [`Method`] that
//! says what it needs. The loop does the rest: forward passes, optimizer, logs, checkpoints.

use std::fmt::Debug;

use burn::prelude::*;
use tl_core::Activation;

use crate::networks::{Mlp, NetworkShape, Networks};
use crate::outputs::{LabelledOutputs, Outputs};
use crate::{AdaptError, HeadValues, Validator};

/// A batch of the labelled domain, as the model sees it.
#[derive(Clone, Debug)]
pub struct SourceBatch {
    /// What the head's linear layer multiplies, `[batch, width]`.
    pub features: Tensor<2>,
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// One for each row.
    pub labels: Vec<usize>,
    /// The number of the source that each row is from; all 0 where there is one source.
    pub domains: Vec<usize>,
    /// The numbers of the examples.
    pub items: Vec<usize>,
}

/// A batch of the domain without labels.
///
/// It has no field for labels, so that a method that looks at them does not compile:
///
/// ```compile_fail,E0609
/// fn peek(batch: &tl_adapt::TargetBatch) -> usize {
///     batch.labels[0]
/// }
/// ```
///
/// The same with what a target batch does hold compiles:
///
/// ```
/// fn look(batch: &tl_adapt::TargetBatch) -> usize {
///     batch.items[0]
/// }
/// ```
#[derive(Clone, Debug)]
pub struct TargetBatch {
    /// What the head's linear layer multiplies, `[batch, width]`.
    pub features: Tensor<2>,
    /// `[batch, classes]`
    pub logits: Tensor<2>,
    /// What the moving-average teacher answers, a constant; for methods that have one.
    pub teacher: Option<Tensor<2>>,
    /// The numbers of the examples.
    pub items: Vec<usize>,
}

/// What a method may look at in one round of one step.
#[derive(Debug)]
pub struct Step<'a> {
    pub method: &'static str,
    pub source: Option<SourceBatch>,
    pub target: Option<TargetBatch>,
    /// The features of the source batch by the encoder as it was when the method began, a constant;
    /// for methods that keep it.
    pub source_encoder: Option<Tensor<2>>,
    pub networks: &'a Networks,
    /// Which of the method's rounds this is.
    pub round: usize,
    /// The share of the method's steps that are done, from 0, below 1.
    pub progress: f64,
    /// The seed of the run.
    pub seed: u64,
    /// The optimizer step, counted over the whole run.
    pub step: u64,
}

impl Step<'_> {
    /// The source batch.
    ///
    /// # Errors
    /// When the method's round leaves it out.
    pub fn source(&self) -> Result<&SourceBatch, AdaptError> {
        self.source.as_ref().ok_or_else(|| self.absent("a source batch"))
    }

    /// The target batch.
    ///
    /// # Errors
    /// When the method's round leaves it out.
    pub fn target(&self) -> Result<&TargetBatch, AdaptError> {
        self.target.as_ref().ok_or_else(|| self.absent("a target batch"))
    }

    /// The method's own network `name`.
    ///
    /// # Errors
    /// When the method did not ask for it.
    pub fn network(&self, name: &'static str) -> Result<&Mlp, AdaptError> {
        self.networks.get(name).ok_or_else(|| self.absent(name))
    }

    pub(crate) fn absent(&self, what: &'static str) -> AdaptError {
        AdaptError::Absent { method: self.method.to_string(), what, round: self.round }
    }
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

/// The loss of one round: its terms, and numbers that are worth a log.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub terms: Vec<Term>,
    pub notes: Vec<(&'static str, f64)>,
}

impl Terms {
    /// Adds a term.
    pub fn with(mut self, name: &'static str, weight: f64, value: Tensor<1>) -> Self {
        self.terms.push(Term { name, value, weight });
        self
    }

    /// Adds a number for the log, such as lambda.
    pub fn note(mut self, name: &'static str, value: f64) -> Self {
        self.notes.push((name, value));
        self
    }
}

/// Which parameters of the backbone a round updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trains {
    /// None: features are constants.
    Nothing,
    /// Scales and shifts of norms.
    NormAffine,
    /// All that the phase of the plan trains.
    Everything,
}

/// One forward and backward pass of a step, and what it updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether a source batch is run.
    pub source: bool,
    /// Whether a target batch is run.
    pub target: bool,
    /// Whether the cross-entropy of the source batch is part of the loss.
    pub supervised: bool,
    pub backbone: Trains,
    pub head: bool,
    /// Whether the method's own networks are updated.
    pub networks: bool,
}

impl Round {
    /// Both domains, everything trained, cross-entropy on the source.
    pub const JOINT: Self = Self {
        source: true,
        target: true,
        supervised: true,
        backbone: Trains::Everything,
        head: true,
        networks: true,
    };

    /// The target alone, head and source out of the game.
    pub const TARGET_ALONE: Self = Self {
        source: false,
        target: true,
        supervised: false,
        backbone: Trains::Everything,
        head: false,
        networks: false,
    };

    /// The source alone.
    pub const SOURCE_ALONE: Self = Self { target: false, ..Self::JOINT };
}

/// Sizes that a method's own networks depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The width of the features.
    pub features: usize,
    pub classes: usize,
}

/// What a method may look at before an epoch: host copies of what the model answers in evaluation.
#[derive(Clone, Copy, Debug)]
pub struct EpochStart<'a> {
    /// Every target example in order.
    pub target: &'a Outputs,
    /// The source's validation part.
    pub validation: &'a LabelledOutputs,
}

/// A method of domain adaptation.
///
/// Only [`Method::name`], [`Method::trains_on`] and [`Method::terms`] must be written; every other function says that the
/// method needs something beyond features and logits, and has an answer for those that do not. What
/// a method holds between epochs must follow from [`Method::begin_epoch`] alone, so that a resumed
/// run equals one that was not interrupted. Its `Debug` text is part of a run's identity.
pub trait Method: Debug {
    /// The name by which users ask for it.
    fn name(&self) -> &'static str;

    /// The scores of validators that a step down the loss raises by itself, through the target's logits, whether or not they
    /// become truer. They are no judges of this method: see [`choose`](crate::choose).
    fn trains_on(&self) -> &'static [Validator];

    /// The loss of a round, without the cross-entropy of the source batch.
    ///
    /// # Errors
    /// When it asks for what its round leaves out.
    fn terms(&self, step: &Step<'_>) -> Result<Terms, AdaptError>;

    /// The passes of one step, in order. An adversary that is trained in alternation has several.
    fn rounds(&self) -> Vec<Round> {
        vec![Round::JOINT]
    }

    /// The networks that the method trains beside the model.
    fn networks(&self, _: Sizes) -> Vec<NetworkShape> {
        Vec::new()
    }

    /// Whether [`Method::begin_epoch`] is to be called.
    fn looks_at_outputs(&self) -> bool {
        false
    }

    /// Work before each epoch, such as pseudo-labels.
    ///
    /// # Errors
    /// When the outputs do not serve.
    fn begin_epoch(&mut self, _: &EpochStart<'_>) -> Result<(), AdaptError> {
        Ok(())
    }

    /// The decay of a moving-average teacher that answers for the target batches.
    fn teacher(&self) -> Option<f64> {
        None
    }

    /// Whether the source batch's features by the encoder as it was when the method began are
    /// needed.
    fn keeps_source_encoder(&self) -> bool {
        false
    }

    /// How many leading stages [`Method::after_stage`] follows.
    fn touched_stages(&self) -> usize {
        0
    }

    /// Changes what stage `stage` made of a training batch, whose first `sources` rows are the
    /// source's.
    ///
    /// # Errors
    /// When it works on another kind of activation.
    fn after_stage(
        &self,
        activation: Activation,
        _stage: usize,
        _sources: usize,
        _pass: tl_core::Pass,
    ) -> Result<Activation, AdaptError> {
        Ok(activation)
    }

    /// Whether norm statistics are estimated anew on the target before the model answers there.
    fn adapts_norms(&self) -> bool {
        false
    }

    /// Whether [`Method::target_head`] is to be called before the model answers on the target.
    fn adapts_head(&self) -> bool {
        false
    }

    /// Another linear layer for the target, from what the model answers there.
    fn target_head(&self, _: &HeadValues, _: &Outputs) -> Option<HeadValues> {
        None
    }
}
