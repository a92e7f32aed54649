//! Adaptive batch normalisation (Li et al. 2016, arXiv 1603.04779): the norms' means and variances
//! are estimated anew on the target; nothing is trained there.

use burn::module::Module;
use std::collections::BTreeMap;
use tl_core::parameters::{Control, is_statistic, map_values, set_trained};
use tl_core::{Activation, Backbone, Head, Model, Pass};
use tl_kernels::norm::MOMENTUM;
use tl_train::ema::{Snapshot, snapshot};

use crate::contract::{Method, Round, Step, Terms};
use crate::parts::norm_modules;
use crate::{AdaptError, Validator};

/// Trains on the source; before the model answers on the target, its norms get the target's
/// statistics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdaBn;

impl Method for AdaBn {
    fn name(&self) -> &'static str {
        "adabn"
    }

    fn trains_on(&self) -> &'static [Validator] {
        &[]
    }

    fn rounds(&self) -> Vec<Round> {
        vec![Round::SOURCE_ALONE]
    }

    fn terms(&self, _: &Step<'_>) -> Result<Terms, AdaptError> {
        Ok(Terms::default())
    }

    fn adapts_norms(&self) -> bool {
        true
    }
}

/// The plain `model` with every norm's statistics estimated on `batches`.
///
/// Each batch is normalised by its own statistics. The mean of a norm is the mean of the batches'
/// means; its variance the mean of their (unbiased) variances plus the variance of their means.
/// Batches should be of one size and mixed: a batch of a single class has statistics of its own.
///
/// # Errors
/// As [`Model::forward`]; no batch at all.
pub fn adapt_norms<B: Backbone, H: Head>(
    model: Model<B, H>,
    batches: impl Iterator<Item = Result<Activation, AdaptError>>,
) -> Result<Model<B, H>, AdaptError> {
    let norms = norm_modules(&model.backbone);
    if norms.is_empty() {
        return Ok(model);
    }
    let mut watching = set_trained(model.clone().train(), |path, control| {
        let module = path.strip_prefix("backbone.").unwrap_or(path).rsplit_once('.');
        control == Control::Flag && module.is_some_and(|(module, _)| norms.contains(module))
    });
    let mut moments: BTreeMap<String, Moments> = BTreeMap::new();
    let stages = model.backbone.stages().len();
    for batch in batches {
        // A norm moves by its momentum towards the batch: from 0 it arrives at the batch's value
        // times that.
        watching = map_values(watching, |info| {
            is_statistic(&info.path).then(|| vec![0.0; info.elements()])
        });
        watching.backbone.forward_stages(batch?.autodiff(), 0..stages, Pass::default())?;
        for (path, values) in statistics(&watching)? {
            moments.entry(path).or_default().add(&values);
        }
    }
    if moments.values().all(|moments| moments.count == 0.0) {
        return Err(AdaptError::Empty { part: "target" });
    }
    Ok(map_values(model, |info| {
        let own = moments.get(&info.path)?;
        let Some(norm) = info.path.strip_suffix("running_var") else { return Some(own.mean()) };
        let spread = moments.get(&format!("{norm}running_mean"))?.variance();
        Some(own.mean().iter().zip(spread).map(|(within, between)| within + between).collect())
    }))
}

fn statistics<B: Backbone, H: Head>(model: &Model<B, H>) -> Result<Snapshot, AdaptError> {
    let mut found = snapshot(&model.backbone)?;
    found.retain(|path, _| is_statistic(path));
    Ok(found.into_iter().map(|(path, values)| (format!("backbone.{path}"), values)).collect())
}

/// Sums over batches, in f64.
#[derive(Default)]
struct Moments {
    count: f64,
    sum: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn add(&mut self, values: &[f32]) {
        self.sum.resize(values.len(), 0.0);
        self.squares.resize(values.len(), 0.0);
        self.count += 1.0;
        for (channel, value) in values.iter().enumerate() {
            let value = f64::from(*value) / MOMENTUM;
            self.sum[channel] += value;
            self.squares[channel] += value * value;
        }
    }

    fn mean(&self) -> Vec<f32> {
        self.sum.iter().map(|sum| (sum / self.count) as f32).collect()
    }

    fn variance(&self) -> Vec<f32> {
        let of = |(sum, squares): (&f64, &f64)| {
            (squares / self.count - (sum / self.count).powi(2)).max(0.0) as f32
        };
        self.sum.iter().zip(&self.squares).map(of).collect()
    }
}
