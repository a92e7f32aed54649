//! Terms beside the loss that a phase asks for: what holds a network to what it knew.
//!
//! `Beginning` keeps how a network was when its run began. `l2_sp` and `delta` hold it there, `bss` keeps a batch's features
//! from leaning on directions that do not transfer; `ewc` and `mas` hold what earlier tasks hang on, which [`importance_of`]
//! measures after each, `si` what their training found out on its way; `lwf` holds what their heads answer, and `rehearsal` shows
//! examples of theirs again, which `reservoir` or `herding` chose. What they left is [`Earlier`].

mod bss;
mod delta;
mod earlier;
mod ewc;
mod herding;
mod importance;
mod l2_sp;
mod lwf;
mod mas;
mod quadratic;
mod rehearsal;
mod reservoir;
mod si;
mod symmetric;

pub use earlier::{Earlier, EarlierHead, Memory, check_earlier};
pub use herding::{features_of, herding, quotas};
pub use importance::{Importance, Measure};
pub use reservoir::reservoir;

pub(crate) use rehearsal::{Memories, Reach};
pub(crate) use si::{Leaving, PathIntegral};

use std::collections::BTreeMap;

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::Gradients;
use tl_core::parameters::{Control, is_statistic, set_trained, visit_parameters};
use tl_core::{Activation, Backbone, Head, Model, Pass, Plan, Regulariser, rng};

use self::earlier::{StandingHead, active, asks_for};
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
    /// The heads of earlier tasks.
    heads: Vec<StandingHead>,
}

/// A forward pass: the logits, and the terms beside their loss.
pub(crate) struct Forward {
    pub logits: Tensor<2>,
    /// What a classifier in the middle of the network answers to the same examples.
    pub halfway: Option<Tensor<2>>,
    pub terms: Option<Tensor<1>>,
}

impl<B: Backbone> Beginning<B> {
    /// Of a model whose run begins with `plan`, after what earlier tasks left.
    ///
    /// # Errors
    /// A plan that holds on to what is not there, heads that do not fit the network.
    pub fn of<H: Head>(
        model: &Model<B, H>,
        plan: &Plan,
        earlier: &Earlier<'_>,
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
        let held = earlier.importance.filter(|found| asked(found.measure.name()));
        let held = held.map_or(BTreeMap::new(), |found| on_device(found, device));
        let heads = match asked("lwf") || asked("rehearsal") {
            true => StandingHead::all(earlier, model.backbone.head_input_width(), device)?,
            false => Vec::new(),
        };
        let network = (asked("delta") || asked("lwf")).then(|| model.backbone.valid());
        Ok(Self { weights, network, held, heads })
    }

    /// Logits from the output of stage `from - 1`, and the terms that need a forward pass of the same examples.
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
        let (mut terms, mut halfway) = (Vec::new(), None);
        let stages = model.backbone.stages().len();
        let logits = pass.during(|| -> Result<_, TrainError> {
            let delta = active(regularisers).find_map(|regulariser| match *regulariser {
                Regulariser::Delta { strength, .. } => Some(strength),
                _ => None,
            });
            let backbone = &model.backbone;
            let (features, mut before) = match (delta, &self.network) {
                (Some(strength), Some(first)) => {
                    let plain = input.clone();
                    let (features, before, far) =
                        delta::forward(backbone, first, plain, from, pass)?;
                    terms.push(far * strength);
                    (features, Some(before))
                }
                _ => {
                    let (features, answered) =
                        backbone.forward_training(input.clone(), from..stages, pass)?;
                    halfway = answered;
                    (features, None)
                }
            };
            for regulariser in active(regularisers) {
                match (*regulariser, &self.network) {
                    (Regulariser::Bss { strength, count }, _) => {
                        let multiplied = model.head.features(features.clone())?;
                        let shrinkage =
                            bss::shrinkage(multiplied, count).map_err(TrainError::Device)?;
                        terms.push(shrinkage * strength);
                    }
                    (Regulariser::Lwf { strength, temperature }, Some(first)) => {
                        let now = model.head.features(features.clone())?;
                        let said = match before.take() {
                            Some(said) => said,
                            None => {
                                let input = input.clone().without_autodiff();
                                first.forward_stages(input, from..stages, Pass::default())?
                            }
                        };
                        before = Some(said.clone());
                        let said = model.head.features(said)?;
                        terms.push(lwf::distance(now, said, &self.heads, temperature) * strength);
                    }
                    _ => {}
                }
            }
            Ok(model.head.forward(features, pass)?)
        })?;
        // A head of another task may have been put in front of it.
        let halfway = halfway.filter(|answered: &Tensor<2>| answered.dims() == logits.dims());
        Ok(Forward { logits, halfway, terms: terms.into_iter().reduce(|sum, term| sum + term) })
    }

    /// The terms that show examples of earlier tasks again; nothing where no term does.
    ///
    /// # Errors
    /// As [`Model::forward_from`].
    pub fn rehearse<H: Head>(
        &self,
        model: &Model<B, H>,
        memories: &Memories<'_>,
        at: (usize, Pass),
        regularisers: &[Regulariser],
        (usual, device): (usize, &Device),
    ) -> Result<Option<Tensor<1>>, TrainError> {
        let mut sum: Option<Tensor<1>> = None;
        for regulariser in active(regularisers) {
            let Regulariser::Rehearsal { strength, batch, .. } = *regulariser else { continue };
            let batch = batch.unwrap_or(usual);
            let Some(own) = memories.loss(model, &self.heads, batch, at, device)? else { continue };
            let own = own * strength;
            sum = Some(match sum {
                Some(sum) => sum + own,
                None => own,
            });
        }
        Ok(sum)
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
                    self.pull(model, gradients, strength);
                }
                // Its paper has no half before the sum.
                Regulariser::Si { strength } => self.pull(model, gradients, 2.0 * strength),
                Regulariser::Bss { .. }
                | Regulariser::Lwf { .. }
                | Regulariser::Rehearsal { .. } => {}
            }
        }
    }

    /// Pulls the stages to where earlier tasks hold them.
    fn pull<M: Module>(&self, model: &M, gradients: &mut Gradients, strength: f64) {
        quadratic::add(model, gradients, strength, |path| {
            self.held.get(path).cloned().map(|(place, matters)| (place, Some(matters)))
        });
    }
}

/// Whether a term needs a pass through the network.
pub(crate) fn go_through(regularisers: &[Regulariser]) -> bool {
    active(regularisers).any(|regulariser| match regulariser {
        Regulariser::Delta { .. }
        | Regulariser::Bss { .. }
        | Regulariser::Lwf { .. }
        | Regulariser::Rehearsal { .. } => true,
        Regulariser::L2Sp { .. }
        | Regulariser::Ewc { .. }
        | Regulariser::Mas { .. }
        | Regulariser::Si { .. } => false,
    })
}

/// Whether a term shows examples of earlier tasks again.
pub(crate) fn rehearses(regularisers: &[Regulariser]) -> bool {
    active(regularisers).any(|regulariser| matches!(regulariser, Regulariser::Rehearsal { .. }))
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
/// Items that cannot be read, a device that fails; a measure that is taken [while a network is trained](crate::Fitted::importance).
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
        Measure::Si => {
            let (what, value) = ("the measure of importance", measure.name().to_string());
            let expected = "ewc or mas, or take si while the network is trained";
            return Err(TrainError::BadOption { what, value, expected });
        }
    };
    Ok(Importance { measure, weights, importance })
}
